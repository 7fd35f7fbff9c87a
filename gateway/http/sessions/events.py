"""The routes of those who watch a session: what is said in it, as server-sent events and over a WebSocket."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import Annotated

import anyio
from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.access.admission import Admission
from gateway.access.authenticator import Caller, check_origin
from gateway.access.credentials import subprotocol_of
from gateway.cancellation import work_until
from gateway.errors import Disconnected, GatewayError, InvalidRequest, SlowReader, Unauthorized, Unavailable, reply_to
from gateway.http.errors import error_response
from gateway.http.openai.transcription_response import while_connected
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory, SessionRecord
from gateway.http.sessions.event_feed import EventFeed, follow
from gateway.journal.journal import Row
from gateway.runtime import Gateway
from gateway.transport import WebSocketTransport

__all__ = ["EventStream", "ViewToken", "WebSocketShow", "event_text", "viewers_router"]

_KEEPALIVE_S = 15.0
"""Between two comments when nothing is said, as the HTML standard advises for proxies that cut silent connections."""

_MAX_SEQ_DIGITS = 18

_MAX_TOKEN_CHARS = 200

_COMMENT = ": \n\n"
"""Something that is no event."""

_EVENTS_AT_ONCE = 32
"""Of what was missed. About 16 KB: who takes so little in the time that is allowed does not read."""

_NORMAL_CLOSURE = 1000

_LOOK_S = 15.0
"""Between two looks whether what let a viewer in still does: with 1000 of them, 70 look-ups a second."""

Welcome = Callable[[], Awaitable[bool]]


async def _always() -> bool:
    return True


_CLOSE_TIMEOUT_S = 1.0
"""A viewer that reads gets a close frame at once; one that does not is not worth more."""

_After = Annotated[int, Query(ge=0, lt=10**_MAX_SEQ_DIGITS, description="Number of the last event seen; 0: none.")]

ViewToken = Annotated[
    str | None, Query(alias="token", max_length=_MAX_TOKEN_CHARS, description="A view token, where there is no key.")
]
"""In the address of whoever has no key."""

_EVENTS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "Messages of docs/protocol.md, each with its `seq` as id, until the session ends",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The session is over, and no event of it is newer than `Last-Event-ID`"},
}


class EventStream(Response):
    """What is said in a session, until it ends, the viewer is gone, or it has stopped reading.

    Args:
        following: follows the session while it is entered.
        send_timeout_s: a viewer that takes nothing for so long does not read.
        on_stalled: called when that is so.
        is_welcome: asked now and then; the viewer is let go when it is not any more.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        following: AbstractContextManager[EventFeed],
        send_timeout_s: float,
        on_stalled: Callable[[], None],
        is_welcome: Welcome = _always,
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._following = following
        self._send_timeout_s = send_timeout_s
        self._on_stalled = on_stalled
        self._is_welcome = is_welcome
        self._has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one event after the other.

        Raises:
            Overloaded: there is no room for another viewer.
            Unavailable: the session is not live, and the journal cannot be read.
        """
        with self._following as story:
            work = partial(_while_welcome, self._is_welcome, partial(self._tell, story, send))
            outcome = await while_connected(Request(scope, receive), work)
            if outcome == Unauthorized.code and self._has_begun:
                await send({"type": "http.response.body", "body": b""})

    async def _tell(self, story: EventFeed, send: Send) -> str:
        rows = [] if story.is_live else await story.next()  # it can be refused until the status is sent
        if not (story.is_live or rows) and story.is_whole:
            self.status_code = HTTPStatus.NO_CONTENT
            del self.headers["content-type"]
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._has_begun = True
        if self.status_code != HTTPStatus.NO_CONTENT and not await self._tell_all(story, rows, send):
            self._on_stalled()
            return SlowReader.code
        await send({"type": "http.response.body", "body": b""})
        return "finished"

    async def _tell_all(self, story: EventFeed, rows: Sequence[Row], send: Send) -> bool:
        """Return whether the viewer has read it all."""
        texts = [_COMMENT, *map(event_text, rows)]  # proxies may keep the headers until something follows
        while texts:
            for start in range(0, len(texts), _EVENTS_AT_ONCE):
                body = "".join(texts[start : start + _EVENTS_AT_ONCE]).encode()
                with anyio.move_on_after(self._send_timeout_s) as scope:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                if scope.cancelled_caught:
                    return False
            texts = await _news(story)
        return True


class WebSocketShow:
    """What is said in a session, on a WebSocket: a text message for each event, then a close frame.

    Args:
        websocket: not accepted yet.
        send_timeout_s: a viewer that takes no message for so long does not read.
        on_stalled: called when that is so.
    """

    def __init__(
        self,
        websocket: WebSocket,
        send_timeout_s: float,
        on_stalled: Callable[[], None],
        is_welcome: Welcome = _always,
    ) -> None:
        self._is_welcome = is_welcome
        self._websocket = websocket
        self._transport = WebSocketTransport(websocket)
        self._send_timeout_s = send_timeout_s
        self._on_stalled = on_stalled

    async def run(self, story: EventFeed) -> None:
        """Accept, and tell a story until it is over, the viewer is gone, or it has stopped reading.

        Raises:
            Unavailable: the session is not live, and the journal cannot be read; the WebSocket is not accepted.
        """
        rows = [] if story.is_live else await story.next()
        await self._websocket.accept(subprotocol_of(self._websocket))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, tasks.cancel_scope)
            failure: GatewayError | None = Unauthorized("what showed this session has been revoked")

            async def tell() -> str:
                nonlocal failure
                failure = await self._tell_all(story, rows)
                return ""

            await _while_welcome(self._is_welcome, tell)
            tasks.cancel_scope.cancel()
            if not isinstance(failure, Disconnected):
                await self._close(failure)

    async def _tell_all(self, story: EventFeed, rows: Sequence[Row]) -> GatewayError | None:
        """Return why not all was told that there is or will be; None: it was."""
        try:
            rows = rows or await story.next()
            while rows:
                for _, message in rows:
                    with anyio.fail_after(self._send_timeout_s):
                        await self._transport.send(message)
                rows = await story.next()
        except TimeoutError:
            self._on_stalled()
            return SlowReader("nothing was read")
        except (Disconnected, Unavailable) as error:
            return error
        return None if story.is_whole else Unavailable("there may be more later")

    async def _listen(self, scope: anyio.CancelScope) -> None:
        """Notice when the viewer goes; what it says otherwise is of no interest."""
        with suppress(Disconnected):
            while True:
                await self._transport.receive()
        scope.cancel()

    async def _close(self, failure: GatewayError | None) -> None:
        code, reason = (reply_to(failure).close_code, failure.code) if failure else (_NORMAL_CLOSURE, "")
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True), suppress(Disconnected):
            await self._transport.close(code, reason)


async def _while_welcome(is_welcome: Welcome, work: Callable[[], Awaitable[str]]) -> str:
    """Do a work until it is done, or the viewer is not welcome any more; return how it ended."""

    async def unwelcome() -> None:
        while True:
            await anyio.sleep(_LOOK_S)
            if not await is_welcome():
                return

    return await work_until(unwelcome, work, Unauthorized.code)


async def _news(story: EventFeed) -> list[str]:
    """Return what is sent next; nothing when it is over."""
    with anyio.move_on_after(_KEEPALIVE_S):
        try:
            return [event_text(row) for row in await story.next()]
        except Unavailable:  # the viewer comes again, and goes on where this ends
            return []
    return [_COMMENT]


def event_text(row: Row) -> str:
    """Return an event as server-sent events have it."""
    seq, message = row
    return f"id: {seq}\ndata: {message}\n\n"


def viewers_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a gateway at work."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"])
    sessions = SessionDirectory(gateway)
    places = Admission(gateway.settings.server.max_viewers, "viewers", gateway.sessions.drain, gateway.shares)
    send_timeout_s, on_stalled = gateway.settings.session.send_timeout_s, gateway.sessions.broadcaster.count_stalled

    @contextmanager
    def following(shown: SessionRecord, after: int) -> Iterator[EventFeed]:
        journal = sessions.journal if shown.watched is None else sessions.live_journal
        with places.enter(Caller(shown.owner), shown.seen_by), follow(shown, journal, after) as story:
            yield story

    @router.get(
        "/{session_id}/events",
        response_class=Response,
        responses=_EVENTS | ERRORS,
        openapi_extra=OPEN,
        dependencies=[Security(API_KEY)],
    )
    async def session_events(session_id: str, request: Request, after: _After = 0, _: ViewToken = None) -> Response:
        """Tell what is said in a session: what was said after the given number and lasts, and from then on all.

        A client that has lost the connection goes on with the header `Last-Event-ID`, as browsers do.
        """
        shown = await sessions.find(request, session_id)
        given = request.headers.get("last-event-id")
        seen = _number(given, "Last-Event-ID") if given else after  # the header is newer than the address
        is_welcome = partial(sessions.still_shows, request, shown)
        return EventStream(following(shown, seen), send_timeout_s, on_stalled, is_welcome)

    @router.websocket("/{session_id}/events")
    async def session_messages(websocket: WebSocket, session_id: str) -> None:
        headers, query = websocket.headers, websocket.query_params
        try:
            check_origin(headers.get("origin"), headers.get("host"), gateway.settings.server.origins)
            shown = await sessions.find(websocket, session_id)
            with following(shown, _number(query.get("after", "0"), "after")) as story:
                is_welcome = partial(sessions.still_shows, websocket, shown)
                await WebSocketShow(websocket, send_timeout_s, on_stalled, is_welcome).run(story)
        except GatewayError as error:
            gateway.sessions.metrics.refused.labels(error.code).inc()
            await websocket.send_denial_response(error_response(error))

    return router


def _number(given: str, field: str) -> int:
    """Return the number of the last event that a viewer has seen."""
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_SEQ_DIGITS):
        raise InvalidRequest(f"{field}: the number of an event is wanted, 0 or more", field)
    return int(given)
