"""The seam between sessions and whoever records their traces. PURE.

Times are seconds since 1970. Nothing here depends on a tracing library; `gateway/otel.py` is the one adapter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Attributes", "SessionSpan", "Span", "Tracer"]

Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Span:
    """Work that is over.

    Attributes:
        name: of the kind of work; it takes few values.
        start_s, end_s: when it began and ended.
        attributes: numbers and identifiers, never text of a user.
        error: code of the error that it failed with; None: it succeeded.
        children: its parts.
    """

    name: str
    start_s: float
    end_s: float
    attributes: Attributes = field(default_factory=dict)
    error: str | None = None
    children: tuple["Span", ...] = ()


class SessionSpan(Protocol):
    """The open span of one session."""

    @property
    def trace_id(self) -> str | None:
        """Id of its trace, 32 hexadecimal digits; None: tracing is disabled."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether the trace is sampled; if not, nothing that is added is kept."""
        ...

    def add(self, span: Span) -> None:
        """Record finished work as its child."""
        ...

    def note(self, name: str, at_s: float, attributes: Attributes) -> None:
        """Record an event without a duration."""
        ...

    def end(self, at_s: float, attributes: Attributes, error: str | None) -> None:
        """End it; called once, last."""
        ...


class Tracer(Protocol):
    """Opens the spans of sessions. No method blocks."""

    def begin(self, headers: Mapping[str, str], start_s: float, attributes: Attributes) -> SessionSpan:
        """Begin the span of a session.

        Args:
            headers: `traceparent` and `tracestate` of the client's request; without a valid one a new trace begins.
            start_s: when the session was opened.
            attributes: of the session.
        """
        ...
