"""The events of a session as server-sent events."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import SlowReader, Unauthorized, Unavailable
from gateway.http.disconnection import while_connected
from gateway.http.server_sent_events import COMMENT, EventStreamWriter, event_text
from gateway.http.sessions.event_feed import EventFeed
from gateway.http.sessions.viewer_access import AccessCheck, always_allowed, while_allowed
from gateway.journal.store import Row

__all__ = ["EventStream"]

_KEEPALIVE_S = 15.0
"""Between two comments while there is no event, as the HTML standard advises for proxies that cut idle connections."""

_EVENTS_PER_WRITE = 32
"""Of missed events. About 16 KB: a client that takes less within the send timeout does not read."""


class EventStream(Response):
    """The events of a session, until it ends, the viewer disconnects, stops reading, or loses its access.

    Args:
        following: yields the feed of the session while it is entered.
        send_timeout_s: a viewer that takes nothing for so long counts as a slow reader.
        on_stalled: called when that happens.
        is_allowed: checked now and then; the response ends when it returns False.
    """

    def __init__(
        self,
        following: AbstractContextManager[EventFeed],
        send_timeout_s: float,
        on_stalled: Callable[[], None],
        is_allowed: AccessCheck = always_allowed,
    ) -> None:
        super().__init__()
        self._following = following
        self._send_timeout_s = send_timeout_s
        self._on_stalled = on_stalled
        self._is_allowed = is_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one event after the other.

        Raises:
            Overloaded: there is no free slot for another viewer.
            Unavailable: the session is not live, and the journal cannot be read.
        """
        writer = EventStreamWriter(send, self._send_timeout_s)
        with self._following as feed:

            async def work() -> str:
                rows = [] if feed.is_live else await feed.next()  # an error is a status until the first byte is sent
                if feed.is_live or rows or not feed.is_whole:
                    return await self._send_all(feed, rows, writer)
                await Response(status_code=HTTPStatus.NO_CONTENT)(scope, receive, send)
                return "finished"

            outcome = await while_connected(Request(scope, receive), partial(while_allowed, self._is_allowed, work))
            if outcome == Unauthorized.code and writer.has_begun:
                await writer.end()

    async def _send_all(self, feed: EventFeed, rows: Sequence[Row], writer: EventStreamWriter) -> str:
        """Send all events and return the outcome."""
        texts = [COMMENT, *_texts(rows)]  # proxies may keep the headers until something follows
        try:
            while texts:
                for start in range(0, len(texts), _EVENTS_PER_WRITE):
                    await writer.write("".join(texts[start : start + _EVENTS_PER_WRITE]))
                texts = await _next_texts(feed)
        except SlowReader as error:
            self._on_stalled()
            return error.code
        await writer.end()
        return "finished"


async def _next_texts(feed: EventFeed) -> list[str]:
    """Return what is sent next; an empty list at the end."""
    with anyio.move_on_after(_KEEPALIVE_S):
        try:
            return _texts(await feed.next())
        except Unavailable:  # the viewer reconnects, and goes on after the last event it has
            return []
    return [COMMENT]


def _texts(rows: Sequence[Row]) -> list[str]:
    return [event_text(message, seq) for seq, message in rows]
