"""Sessions that go on over another connection: those that wait here, and those that their journal remembers."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from secrets import compare_digest

from anyio import to_thread

from gateway.access.api_keys import digest_of
from gateway.delivery.broadcast import SessionInfo
from gateway.delivery.event_publisher import Peer, Row
from gateway.errors import SessionNotFound, Unavailable
from gateway.journal.event_json import event_of
from gateway.journal.journal import Journal
from gateway.session.checkpoint import STEP, Checkpoint, checkpoint_of
from gateway.session.pipeline_driver import Charge
from gateway.session.session import FINISHED, Session, SessionContext, check_gap
from gateway.sqlite import StateUnavailable
from gateway.wire import DialectMessage, Finished, OfChannel, Partial, Ready, Resume, Start
from gateway.wire.language_choice import choose_languages
from gateway.wire.native.codec import NativeCodec
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["resume_session"]

_MAX_SHOWN_CHARS = 100
"""Of a session's id, in the refusal of it."""


async def resume_session(context: SessionContext, resume: Resume, peer: Peer, charge: Charge) -> Session | None:
    """Let a session go on with a peer, tell it so and what it has missed, and return the session.

    Of one that has finished while nobody listened the peer is told the end; then there is no session.

    Args:
        context: what sessions share.
        resume: which one, and from where.
        peer: who is told from now on.
        charge: who pays from now on.

    Raises:
        SessionNotFound: there is no session that this resumes, or none any more.
        ProtocolError: more sound was lost than a session may miss.
        Unavailable: the journal cannot be read at the moment.
    """
    if context.journal is None:
        raise _not_found(resume)
    try:
        async with context.resuming:
            session = await _from_memory(context, context.journal, resume, peer, charge)
            return session or await _from_journal(context, context.journal, resume, peer, charge)
    except StateUnavailable as error:
        raise Unavailable("the journal cannot be read at the moment") from error


async def _from_memory(
    context: SessionContext, journal: Journal, resume: Resume, peer: Peer, charge: Charge
) -> Session | None:
    while (session := context.live.get(resume.session_id)) is not None:
        if not session.audience.is_resumed_by(resume.token):
            raise _not_found(resume)
        if session.is_over:  # and on its way to the journal
            await session.closed.wait()
            continue
        rows = await journal.events(resume.session_id, resume.after_seq)
        if session.audience.is_resumed_by(resume.token) and not session.is_over:
            session.take_up(peer, resume, _missed(rows, resume.after_seq), charge)
            return session
    return None


async def _from_journal(
    context: SessionContext, journal: Journal, resume: Resume, peer: Peer, charge: Charge
) -> Session | None:
    found = await journal.resumable(resume.session_id)
    if found is None or not compare_digest(found.token_digest, digest_of(resume.token)):
        raise _not_found(resume)
    entry = found.entry
    last_s = entry.touched_s if entry.ended_s is None else entry.ended_s
    is_due = time.time() - last_s <= context.settings.session.grace_s
    if entry.outcome not in (None, FINISHED) or not is_due:
        raise _not_found(resume)
    (start,) = NativeCodec().receive(found.start)
    assert isinstance(start, Start), "the journal has the session's start message"
    rows = await journal.events(entry.session_id)
    missed = _missed(rows, resume.after_seq)
    if entry.outcome == FINISHED or _has_finished(rows):
        info, after_seq, held_sample = context.engine, resume.after_seq, resume.held_sample
        described = entry.session_id, info.engine, info.model, info.device, choose_languages(start.language).code
        peer.welcome(Ready(after_seq, *described, resume.token, held_sample), missed)
        peer.end(None)
        return None
    checkpoint = await to_thread.run_sync(_checkpoint, rows, start, resume)
    subject = SessionInfo(entry.dialect, entry.owner, entry.opened_s, lambda: entry.about)
    session = Session(context, start, subject, charge, checkpoint, entry.session_id)
    await journal.reopen(entry.session_id, session.warn_of_journal)
    session.go_on(peer, resume, missed)
    return session


def _has_finished(rows: Sequence[Row]) -> bool:
    """Return whether a session had said its last before its gateway was killed, which could not note its end."""
    return bool(rows) and isinstance(event_of(rows[-1][1]), Finished)


def _checkpoint(rows: Iterable[Row], start: Start, resume: Resume) -> Checkpoint:
    events = (event_of(message) for _, message in rows)
    told = (
        event for event in events if event is not None and not isinstance(event, DialectMessage | Partial | OfChannel)
    )
    checkpoint = checkpoint_of(told, start.audio, resume.held_sample)
    if checkpoint.gap is not None:
        begin, end = checkpoint.gap
        check_gap(end - begin, SAMPLE_RATE_HZ)
    # the client may have been told far more than could be written down
    return replace(checkpoint, first_seq=max(checkpoint.first_seq, resume.after_seq + STEP))


def _missed(rows: Iterable[Row], after_seq: int) -> list[Row]:
    """Return the rows after a number, but the very first: it introduced the session, which is done anew."""
    return [row for row in rows if row[0] > max(1, after_seq)]


def _not_found(resume: Resume) -> SessionNotFound:
    return SessionNotFound(
        f"session {resume.session_id[:_MAX_SHOWN_CHARS]!r}: there is none that this token resumes, or it is over"
    )
