"""Responses of server-sent events, WHATWG HTML §9.2."""

import anyio
from starlette.types import Send

from gateway.errors import SlowReader

__all__ = ["COMMENT", "EventStreamWriter", "event_text"]

COMMENT = ": \n\n"
"""A line that clients ignore; it keeps the connection open and makes proxies forward the headers."""

_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
)


def event_text(message: str, event_id: int | None = None) -> str:
    """Return a message of one line as an event.

    Args:
        message: without a line break, such as JSON.
        event_id: what a client that reconnects sends as `Last-Event-ID`; None: it cannot resume.
    """
    number = "" if event_id is None else f"id: {event_id}\n"
    return f"{number}data: {message}\n\n"


class EventStreamWriter:
    """Writes one response of server-sent events; its status and headers are sent with the first write.

    Args:
        send: of the ASGI application.
        send_timeout_s: how long a write may take before the client counts as a slow reader; None: any time.
    """

    def __init__(self, send: Send, send_timeout_s: float | None = None) -> None:
        self.has_begun = False
        """Whether the status has been sent, so that an error can no longer be a status."""
        self._send = send
        self._send_timeout_s = send_timeout_s

    async def begin(self) -> None:
        """Send the status and headers, once."""
        if not self.has_begun:
            self.has_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})

    async def write(self, text: str) -> None:
        """Send events or comments.

        Args:
            text: one or more of `event_text` and `COMMENT`, concatenated.

        Raises:
            SlowReader: the client has not read it within the timeout.
        """
        await self.begin()
        with anyio.move_on_after(self._send_timeout_s) as scope:
            await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        if scope.cancelled_caught:
            raise SlowReader(f"client has read nothing for {self._send_timeout_s:g} s")

    async def end(self) -> None:
        """End the response, which has begun."""
        await self._send({"type": "http.response.body", "body": b""})
