"""The events of a session over a WebSocket: a text message for each event, then a close frame."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio
from starlette.websockets import WebSocket

from gateway.access.credentials import subprotocol_of
from gateway.errors import Disconnected, GatewayError, SlowReader, Unauthorized, Unavailable, reply_to
from gateway.http.sessions.event_feed import EventFeed
from gateway.http.sessions.viewer_access import AccessCheck, always_allowed, while_allowed
from gateway.journal.store import Row
from gateway.transport import WebSocketTransport

__all__ = ["EventSocket"]

_NORMAL_CLOSURE = 1000

_CLOSE_TIMEOUT_S = 1.0
"""A viewer that reads gets a close frame at once; for one that does not, waiting longer is of no use."""


class EventSocket:
    """Sends the events of a session to one viewer.

    Args:
        websocket: not accepted yet.
        send_timeout_s: a viewer that takes no message for so long counts as a slow reader.
        on_stalled: called when that happens.
        is_allowed: checked now and then; the WebSocket is closed when it returns False.
    """

    def __init__(
        self,
        websocket: WebSocket,
        send_timeout_s: float,
        on_stalled: Callable[[], None],
        is_allowed: AccessCheck = always_allowed,
    ) -> None:
        self._is_allowed = is_allowed
        self._websocket = websocket
        self._transport = WebSocketTransport(websocket)
        self._send_timeout_s = send_timeout_s
        self._on_stalled = on_stalled

    async def run(self, feed: EventFeed) -> None:
        """Accept, and send events until there are no more, the viewer disconnects, or has stopped reading.

        Raises:
            Unavailable: the session is not live, and the journal cannot be read; the WebSocket is not accepted.
        """
        rows = [] if feed.is_live else await feed.next()
        await self._websocket.accept(subprotocol_of(self._websocket))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._await_disconnect, tasks.cancel_scope)
            failure: GatewayError | None = Unauthorized("access to this session has been revoked")

            async def send() -> str:
                nonlocal failure
                failure = await self._send_all(feed, rows)
                return ""

            await while_allowed(self._is_allowed, send)
            tasks.cancel_scope.cancel()
            if not isinstance(failure, Disconnected):
                await self._close(failure)

    async def _send_all(self, feed: EventFeed, rows: Sequence[Row]) -> GatewayError | None:
        """Return why not all present and future events were sent; None: they were."""
        try:
            rows = rows or await feed.next()
            while rows:
                for _, message in rows:
                    with anyio.fail_after(self._send_timeout_s):
                        await self._transport.send(message)
                rows = await feed.next()
        except TimeoutError:
            self._on_stalled()
            return SlowReader(f"viewer has read nothing for {self._send_timeout_s:g} s")
        except (Disconnected, Unavailable) as error:
            return error
        return None if feed.is_whole else Unavailable("the session may have more events later")

    async def _await_disconnect(self, scope: anyio.CancelScope) -> None:
        """Cancel the scope when the viewer disconnects; ignore its messages."""
        with suppress(Disconnected):
            while True:
                await self._transport.receive()
        scope.cancel()

    async def _close(self, failure: GatewayError | None) -> None:
        code, reason = (reply_to(failure).close_code, failure.code) if failure else (_NORMAL_CLOSURE, "")
        with anyio.move_on_after(_CLOSE_TIMEOUT_S, shield=True), suppress(Disconnected):
            await self._transport.close(code, reason)
