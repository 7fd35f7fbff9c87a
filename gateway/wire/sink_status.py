"""How far one sink of a session is. PURE."""

from dataclasses import dataclass

__all__ = ["SinkStatus"]


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """How far one sink is.

    Attributes:
        name: of the sink.
        state: ok, retrying, failed or stopped.
        sent: events that it has taken.
        queued: events that wait.
        dropped: events that were lost.
        message: why it is not ok, or what was lost; None: nothing to say.
    """

    name: str
    state: str
    sent: int
    queued: int
    dropped: int = 0
    message: str | None = None
