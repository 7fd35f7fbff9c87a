"""Broadcasts without a session: events published to viewers at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gateway.delivery.broadcast import Broadcast, Broadcaster, SessionInfo
from gateway.wire import ServerEvent

__all__ = ["NATIVE", "Publish", "publish", "registered"]

NATIVE = SessionInfo("native", None, 0.0)


class Publish(Protocol):
    """Publishes events to the viewers of one session."""

    def __call__(self, *events: ServerEvent) -> None: ...


def publish(broadcast: Broadcast, *events: ServerEvent) -> None:
    """Publish events, and deliver each at once."""
    for event in events:
        broadcast.publish(event)
        broadcast.deliver_all()


@contextmanager
def registered(broadcaster: Broadcaster, session_id: str = "a") -> Iterator[Publish]:
    """Register a broadcast while the block lasts, and yield a function that publishes its events."""
    broadcast = broadcaster.create(NATIVE)
    with broadcaster.registered(session_id, broadcast):
        yield lambda *events: publish(broadcast, *events)
