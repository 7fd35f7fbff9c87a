"""Corrects utterances of sessions: of live ones through the session, of those that have ended in the journal.

Requests for one session run one after the other, and not while it is being resumed.
"""

import time
from collections.abc import Sequence

from anyio import to_thread

from gateway.captions.cue_profiles import CueProfile
from gateway.errors import Conflict, NotFound, SessionMoved, SessionOpen
from gateway.journal.amendment import amendment
from gateway.journal.corrections import CorrectionRequest, Revision, revision_of
from gateway.journal.event_json import event_json
from gateway.journal.journal import Entry, Journal
from gateway.session.context import SessionContext
from gateway.session.session import Session
from gateway.session.stage_options import cue_profile_of
from gateway.wire import Start
from gateway.wire.server_events import seq_of

__all__ = ["correct"]


async def correct(context: SessionContext, session_id: str, request: CorrectionRequest) -> Revision:
    """Correct an utterance, and return its newest correction once that is durable.

    While the journal cannot be written, a live session is corrected all the same.

    Args:
        context: shared by all sessions.
        session_id: of the session, live or ended.
        request: the utterance and its text.

    Raises:
        NotFound: no such session, or the utterance has no final.
        Conflict: the text is of another revision than the caller has seen; or another gateway was faster.
        SessionOpen: it is open at another gateway, or waits for its client.
        SessionMoved: another gateway has taken it over meanwhile.
        StateUnavailable: it has ended, and the journal cannot be read or written.
    """
    async with context.live.resuming(session_id):
        while (session := context.live.find(session_id)) is not None:
            if _has_emitted_all(session):  # its last events are being journaled
                await session.closed.wait()
            elif (revision := await _correct_live(context, session, request)) is not None:
                context.metrics.corrections.labels("live").inc(revision.is_new)
                return revision
        revision = await _correct_ended(context, session_id, request)
        context.metrics.corrections.labels("ended").inc(revision.is_new)
        return revision


async def _correct_live(context: SessionContext, session: Session, request: CorrectionRequest) -> Revision | None:
    """Return the correction, once it is durable; None: the session is over now."""
    journal = context.journal if context.journal is not None and context.journal.is_enabled else None
    messages = _remembered(session) if journal is None else await _messages(journal, session.session_id)
    made = await to_thread.run_sync(revision_of, messages, request, session.parts.profile)
    if _has_emitted_all(session):
        return None
    if not made.is_new:
        return made
    made = made.numbered(session.parts.pipeline.next_seq())
    session.parts.output.append(made.event)
    if journal is not None:
        await _await_written(journal, session.session_id, made)
    return made


def _has_emitted_all(session: Session) -> bool:
    return session.is_over or session.parts.output.log.is_closed


async def _await_written(journal: Journal, session_id: str, made: Revision) -> None:
    seq = made.correction.seq
    if not any(number == seq for number, _ in await journal.events(session_id, seq - 1, limit=1)):
        raise SessionMoved(f"session {session_id} continues at another gateway: send the correction there")


async def _correct_ended(context: SessionContext, session_id: str, request: CorrectionRequest) -> Revision:
    journal = context.journal
    if journal is None:
        raise _not_found(session_id)
    entry = await _ended(journal, session_id, context.settings.session.grace_s)
    with journal.pinned(session_id):
        await journal.store.acquire(session_id)  # before it is read: no other gateway changes it from now on
        messages = await _messages(journal, session_id)
        profile = _profile_of(context, entry.cue_profile)
        made = await to_thread.run_sync(revision_of, messages, request, profile)
        if not made.is_new:
            return made
        made = made.numbered(await journal.store.last_seq(session_id) + 1)
        if await journal.write(amendment(entry, made.event, made.superseded, time.time())):
            raise Conflict(f"session {session_id} is being changed at another gateway: try again", "session_id")
        return made


async def _ended(journal: Journal, session_id: str, grace_s: float) -> Entry:
    """Return the journal's entry of a session that has ended, perhaps by a crash that was not noticed yet."""
    entry = await journal.find(session_id)
    if entry is not None and entry.ended_s is None and time.time() - entry.touched_s > grace_s:
        await journal.maintenance.sweep()
        entry = await journal.find(session_id)
    if entry is None:
        raise _not_found(session_id)
    if entry.ended_s is None:
        raise SessionOpen(
            f"session {session_id} is open at another gateway, or waits for its client: "
            "send the correction there, or when it is over"
        )
    return entry


async def _messages(journal: Journal, session_id: str) -> list[str]:
    return [message for _, message in await journal.events(session_id)]


def _remembered(session: Session) -> Sequence[str]:
    """Return the session's events that are in memory, for a gateway without a journal."""
    with session.parts.output.broadcast.subscribe(after=0) as viewer:
        return [event_json(event) for event in viewer.backlog if seq_of(event) is not None]


def _not_found(session_id: str) -> NotFound:
    return NotFound(f"no session {session_id!r}", "session_id")


def _profile_of(context: SessionContext, name: str | None) -> CueProfile:
    profile, _ = cue_profile_of(Start(cue_profile=name, is_lenient=True), context.settings.session)
    return profile
