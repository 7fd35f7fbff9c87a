"""Resumes sessions over another connection: from memory, or from the journal after the gateway has stopped."""

import time
from collections.abc import Iterable
from dataclasses import replace
from secrets import compare_digest

from anyio import to_thread

from gateway.access.api_keys import digest_of
from gateway.delivery.broadcast import SessionInfo
from gateway.delivery.send_queue import SendQueue
from gateway.errors import SessionNotFound, Unavailable
from gateway.journal.event_json import event_of
from gateway.journal.journal import Journal, SavedSession
from gateway.session.assembly import Restored
from gateway.session.audio_intake import Charge
from gateway.session.checkpoint import STEP, Checkpoint, checkpoint_of
from gateway.session.client_input import ClientInput
from gateway.session.context import SessionContext
from gateway.session.session import Session, check_gap
from gateway.sqlite import StateUnavailable
from gateway.wire import DialectMessage, Finished, OfChannel, Partial, Ready, Resume, Start
from gateway.wire.language_choice import choose_languages
from gateway.wire.native.codec import NativeCodec
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["resume_session"]

_MAX_ID_CHARS = 100
"""Length of a session id in an error message."""

_FINISHED = "finished"

Resumption = tuple[Session, ClientInput]
"""A session, and the input of the client that resumed it."""


async def resume_session(
    context: SessionContext, resume: Resume, client: SendQueue, charge: Charge
) -> Resumption | None:
    """Resume a session with a client, send the client what it missed, and return the session.

    If the session has finished meanwhile, the client receives the remaining messages, its queue is closed, and the
    result is None.

    Args:
        context: shared by all sessions.
        resume: the session, its token, and what the client has received and can send again.
        client: send queue of the client's connection.
        charge: charges the client from now on.

    Raises:
        SessionNotFound: no session that this token resumes.
        ProtocolError: more audio was lost than allowed.
        Unavailable: the journal cannot be read.
    """
    journal = context.journal
    if journal is None:
        raise _not_found(resume)
    try:
        async with context.live.resuming(resume.session_id):
            resumed = await _from_memory(context, journal, resume, client, charge)
            if resumed is not None:
                return resumed
            with journal.pinned(resume.session_id):
                return await _from_journal(context, journal, resume, client, charge)
    except StateUnavailable as error:
        raise Unavailable("the journal is unavailable: try again later") from error


async def _from_memory(
    context: SessionContext, journal: Journal, resume: Resume, client: SendQueue, charge: Charge
) -> Resumption | None:
    while (session := context.live.find(resume.session_id)) is not None:
        if not session.is_resumed_by(resume.token):
            raise _not_found(resume)
        if session.is_over:  # its last events are being journaled
            await session.closed.wait()
            continue
        await journal.check_owned()
        rows = await journal.events(resume.session_id, resume.after_seq)
        if session.is_resumed_by(resume.token) and not session.is_over:
            return session, session.attach(client, resume, _missed(rows, resume.after_seq), charge)
    return None


async def _from_journal(
    context: SessionContext, journal: Journal, resume: Resume, client: SendQueue, charge: Charge
) -> Resumption | None:
    saved = await _load(context, journal, resume)
    if saved.entry.outcome != _FINISHED and await journal.store.acquire(resume.session_id):
        saved = await _load(context, journal, resume)  # all that its previous owner has written
    (start,) = NativeCodec().receive(saved.start)
    assert isinstance(start, Start), "the journal has the session's start message"
    missed = _missed(saved.rows, resume.after_seq)
    if saved.entry.outcome == _FINISHED or _has_finished(saved):
        engine, after_seq, held_sample = context.engine, resume.after_seq, resume.held_sample
        described = saved.entry.session_id, engine.engine, engine.model, engine.device
        language = choose_languages(start.language).code
        client.replay(Ready(after_seq, *described, language, resume.token, held_sample), missed)
        client.close()
        return None
    checkpoint = await to_thread.run_sync(_checkpoint, saved, start, resume)
    entry = saved.entry
    info = SessionInfo(entry.dialect, entry.owner, entry.opened_s, lambda: entry.about, event=entry.event)
    session = Session(context, start, info, Restored(saved, checkpoint, resume.token))
    return session, session.restore(client, resume, missed, charge)


async def _load(context: SessionContext, journal: Journal, resume: Resume) -> SavedSession:
    saved = await journal.load(resume.session_id)
    if saved is None or not _is_resumable(saved, resume, context.settings.session.grace_s):
        raise _not_found(resume)
    return saved


def _is_resumable(saved: SavedSession, resume: Resume, grace_s: float) -> bool:
    entry = saved.entry
    last_s = entry.touched_s if entry.ended_s is None else entry.ended_s
    is_in_time = time.time() - last_s <= grace_s
    is_known = compare_digest(saved.token_digest, digest_of(resume.token))
    return is_known and is_in_time and entry.outcome in (None, _FINISHED)


def _has_finished(saved: SavedSession) -> bool:
    """Return whether a session emitted its last event before its gateway was killed, so its end was not journaled."""
    return bool(saved.rows) and isinstance(event_of(saved.rows[-1][1]), Finished)


def _checkpoint(saved: SavedSession, start: Start, resume: Resume) -> Checkpoint:
    events = (event_of(message) for _, message in saved.rows)
    own = (
        event for event in events if event is not None and not isinstance(event, DialectMessage | Partial | OfChannel)
    )
    checkpoint = checkpoint_of(own, start.audio, resume.held_sample)
    if checkpoint.gap is not None:
        begin, end = checkpoint.gap
        check_gap(end - begin, SAMPLE_RATE_HZ)
    # the client may have received later events than were journaled
    return replace(checkpoint, first_seq=max(checkpoint.first_seq, resume.after_seq + STEP))


def _missed(rows: Iterable[tuple[int, str]], after_seq: int) -> list[str]:
    """Return the messages after a number, except the first `ready`: the client gets a new one."""
    return [message for seq, message in rows if seq > max(1, after_seq)]


def _not_found(resume: Resume) -> SessionNotFound:
    return SessionNotFound(
        f"session {resume.session_id[:_MAX_ID_CHARS]!r} cannot be resumed: unknown, over, or of another token"
    )
