"""The routes of viewers: the events of a session, as server-sent events and over a WebSocket."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response
from starlette.websockets import WebSocket

from gateway.access.admission import Admission
from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.delivery.mirror import Mirrors
from gateway.errors import InvalidRequest
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory, SessionRecord
from gateway.http.sessions.event_feed import EventFeed, follow
from gateway.http.sessions.event_socket import EventSocket
from gateway.http.sessions.event_stream import EventStream
from gateway.http.websocket_admission import WebSocketAdmission
from gateway.runtime import Gateway

__all__ = ["ViewToken", "viewers_router"]

_MAX_SEQ_DIGITS = 18

_MAX_TOKEN_CHARS = 200

_After = Annotated[int, Query(ge=0, lt=10**_MAX_SEQ_DIGITS, description="Number of the last event received; 0: none.")]

ViewToken = Annotated[
    str | None, Query(alias="token", max_length=_MAX_TOKEN_CHARS, description="A view token, instead of an API key.")
]
"""In the query of a viewer without a key."""

_EVENTS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "Messages of docs/protocol.md, each with its `seq` as id, until the session ends",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The session is over, and has no event newer than `Last-Event-ID`"},
}


def viewers_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
    directory = SessionDirectory(gateway)
    slots = Admission(gateway.settings.server.max_viewers, "viewers", gateway.sessions.drain, gateway.shares)
    send_timeout_s, on_stalled = gateway.settings.session.send_timeout_s, gateway.sessions.broadcaster.count_stalled
    following = partial(_following, slots, directory, _open_mirrors(gateway))

    @router.get(
        "/{session_id}/events",
        response_class=Response,
        responses=_EVENTS | ERRORS,
        openapi_extra=OPEN,
        dependencies=[Security(API_KEY)],
    )
    async def session_events(session_id: str, request: Request, after: _After = 0, _: ViewToken = None) -> Response:
        """Send the durable events after the given number, and from then on all events of a session.

        A client that has lost the connection resumes with the header `Last-Event-ID`, as browsers do.
        """
        record = await directory.find(request, session_id)
        last = request.headers.get("last-event-id")
        seq = _parse_seq(last, "Last-Event-ID") if last else after  # the header is newer than the query
        is_allowed = partial(directory.is_still_allowed, request, record)
        return EventStream(following(record, seq), send_timeout_s, on_stalled, is_allowed)

    @router.websocket("/{session_id}/events")
    async def session_messages(websocket: WebSocket, session_id: str) -> None:
        async with WebSocketAdmission(gateway, websocket) as admission:
            record = await admission.authenticate(lambda connection: directory.find(connection, session_id))
            seq = _parse_seq(websocket.query_params.get("after", "0"), "after")
            with following(record, seq) as feed:
                is_allowed = partial(directory.is_still_allowed, websocket, record)
                await EventSocket(websocket, send_timeout_s, on_stalled, is_allowed).run(feed)

    return router


def _open_mirrors(gateway: Gateway) -> Mirrors | None:
    """Return the mirrors of other gateways' sessions; None: the journal is this gateway's alone."""
    sessions = gateway.sessions
    if sessions.journal is None or not sessions.journal.store.is_shared:
        return None
    grace_s = gateway.settings.session.grace_s
    return Mirrors(sessions.journal, sessions.broadcaster, sessions.tasks, sessions.drain, grace_s)


@contextmanager
def _following(
    slots: Admission, directory: SessionDirectory, mirrors: Mirrors | None, record: SessionRecord, after: int
) -> Iterator[EventFeed]:
    """Hold a slot for a viewer, and follow the session while the block lasts."""
    journal = directory.journal_of(record)
    with slots.enter(Caller(record.owner), record.caller), follow(record, journal, after, mirrors) as feed:
        directory.record(AuditEvent.SESSION_WATCHED, record)
        yield feed


def _parse_seq(text: str, field: str) -> int:
    """Return the number of the last event that a viewer has received."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_SEQ_DIGITS):
        raise InvalidRequest(f"{field} is not the number of an event: expected an integer from 0", field)
    return int(text)
