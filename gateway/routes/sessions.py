"""The routes of those who watch: which sessions are open, and what is said in one, as server-sent events."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import InvalidRequest, NotFound, SlowReader
from gateway.limits import Admission
from gateway.rest.openapi import ERRORS, OPEN
from gateway.rest.work import while_connected
from gateway.service import Gateway
from gateway.watching import Viewer, Watched
from gateway.wire import OfChannel, Said, ServerEvent
from gateway.wire.native import NativeCodec

__all__ = ["EventStream", "event_text", "sessions_router"]

_KEEPALIVE_S = 15.0
"""Between two comments when nothing is said, as the HTML standard advises for proxies that cut silent connections."""

_MAX_SHOWN_CHARS = 100
"""Of a session's id, in the refusal of it."""

_MAX_SEQ_DIGITS = 18

_COMMENT = ": \n\n"
"""Something that is no event."""

_After = Annotated[int, Query(ge=0, lt=10**_MAX_SEQ_DIGITS, description="Number of the last event seen; 0: none.")]

_EVENTS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "Messages of docs/protocol.md, each with its `seq` as id, until the session ends",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class OpenSession(BaseModel):
    """A session that can be watched.

    Attributes:
        id: for `/v1/sessions/{id}/events`.
        dialect: of its connection.
        opened: in seconds since 1970.
        language: that was asked for.
        viewers: how many watch.
        about: of a call, what its service calls it.
    """

    id: str
    dialect: str
    opened: float
    language: str | None
    viewers: int
    about: Mapping[str, str]


class OpenSessions(BaseModel):
    """All of them, the oldest first."""

    object: str = "list"
    data: list[OpenSession]


class EventStream(Response):
    """What is said in a session, until it ends, the viewer is gone, or it has stopped reading.

    Args:
        following: watches the session while it is entered.
        send_timeout_s: a viewer that takes no byte for so long does not read.
        on_stalled: called when that is so.
    """

    media_type = "text/event-stream"

    def __init__(
        self, following: AbstractContextManager[Viewer], send_timeout_s: float, on_stalled: Callable[[], None]
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._following = following
        self._send_timeout_s = send_timeout_s
        self._on_stalled = on_stalled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one event after the other.

        Raises:
            Overloaded: there is no room for another viewer.
        """
        with self._following as viewer:
            await while_connected(Request(scope, receive), partial(self._tell, viewer, send))

    async def _tell(self, viewer: Viewer, send: Send) -> str:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        texts = [_COMMENT, *map(event_text, viewer.backlog)]  # proxies may keep the headers until something follows
        while texts:
            for text in texts:
                with anyio.move_on_after(self._send_timeout_s) as scope:
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
                if scope.cancelled_caught:
                    self._on_stalled()
                    return SlowReader.code
            texts = await _news(viewer)
        await send({"type": "http.response.body", "body": b""})
        return "finished"


async def _news(viewer: Viewer) -> list[str]:
    """Return what is sent next; nothing when it is over."""
    with anyio.move_on_after(_KEEPALIVE_S):
        event = await viewer.news.get()
        return [] if event is None else [event_text(event)]
    return [_COMMENT]


def event_text(event: ServerEvent) -> str:
    """Return an event as server-sent events have it; of a session with several channels it says of which one it is."""
    of_channel, told = ("", event)
    if isinstance(event, OfChannel):
        of_channel, told = f'"channel":{event.channel},', event.event
    assert not isinstance(told, Said | OfChannel), "those are not for viewers"
    (message,) = NativeCodec().send(told)
    assert isinstance(message, str), "only sound is binary"
    return f"id: {told.seq}\ndata: {{{of_channel}{message[1:]}\n\n"


def sessions_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a gateway at work."""
    key = HTTPBearer(auto_error=False, scheme_name="API key", description="A key, where the gateway has any.")
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], dependencies=[Security(key)])
    places = Admission(gateway.settings.server.max_viewers, "viewers")
    watching, send_timeout_s = gateway.sessions.watching, gateway.settings.session.send_timeout_s

    async def visible(request: Request) -> dict[str, Watched]:
        doorkeeper = gateway.doorkeeper
        caller = await doorkeeper.admit(request.headers.get("authorization"))
        return {
            session_id: watched
            for session_id, watched in watching.open_sessions().items()
            if doorkeeper.allows_everything(caller) or watched.subject.owner == caller.name
        }

    @router.get("", responses=ERRORS, openapi_extra=OPEN)
    async def list_sessions(request: Request) -> OpenSessions:
        """List the sessions that are open now: those of the key; with a key of the settings, all."""
        return OpenSessions(data=[_listed(*named) for named in (await visible(request)).items()])

    @router.get("/{session_id}/events", response_class=Response, responses=_EVENTS | ERRORS, openapi_extra=OPEN)
    async def session_events(session_id: str, request: Request, after: _After = 0) -> Response:
        """Tell what is said in a session: what was said after the given number and lasts, and from then on all.

        A client that has lost the connection goes on with the header `Last-Event-ID`, as browsers do.
        """
        watched = (await visible(request)).get(session_id)
        if watched is None:
            shown = session_id[:_MAX_SHOWN_CHARS]
            raise NotFound(f"session {shown!r}: none of that name is open; /v1/sessions lists them", "session_id")
        seen = _last_event(request, after)
        return EventStream(_following(places, watched, seen), send_timeout_s, watching.count_stalled)

    return router


@contextmanager
def _following(places: Admission, watched: Watched, after: int) -> Iterator[Viewer]:
    with places.enter(), watched.follow(after) as viewer:
        yield viewer


def _last_event(request: Request, after: int) -> int:
    """Return the number of the last event that the viewer has seen; the header is newer than the address."""
    given = request.headers.get("last-event-id")
    if not given:
        return after
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_SEQ_DIGITS):
        raise InvalidRequest("Last-Event-ID: the number of an event is wanted, 0 or more", "Last-Event-ID")
    return int(given)


def _listed(session_id: str, watched: Watched) -> OpenSession:
    subject = watched.subject
    return OpenSession(
        id=session_id,
        dialect=subject.dialect,
        opened=subject.opened_s,
        language=watched.ready.language if watched.ready else None,
        viewers=watched.viewers,
        about=subject.about(),
    )
