"""When the audio of a live session was spoken, by the wall clock. PURE."""

from collections import deque

from gateway.wire import Final, ServerEvent, SpeechStarted
from gateway.wire.server_events import channel_of
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["SessionClock"]

_TOLERANCE_S = 0.25
"""Smaller changes are jitter of the network."""

_MAX_MARKS = 256
"""A client that pauses moves the clock; so many pauses are remembered for a sink that is behind."""


class SessionClock:
    """Estimates the time of sample 0, which moves where the client pauses.

    A final says how long ago its utterance ended. Before the first one, the beginning of speech is the estimate: it is
    emitted some tenths of a second later.

    Args:
        origin_s: when sample 0 was spoken, in seconds since 1970, until an event says better.
    """

    def __init__(self, origin_s: float) -> None:
        self._first_s = origin_s
        self._marks: deque[tuple[int, float]] = deque(maxlen=_MAX_MARKS)
        """First sample from which an origin holds, and the origin."""
        self._has_final = False

    @property
    def origin_s(self) -> float:
        """The newest estimate."""
        return self._marks[-1][1] if self._marks else self._first_s

    def restore(self, origin_s: float) -> None:
        """Take the estimate of an earlier run, until an event says better."""
        self._first_s = origin_s

    def observe(self, event: ServerEvent, now_s: float) -> None:
        """Learn from an event that is emitted now.

        Args:
            event: any event of the session.
            now_s: seconds since 1970.
        """
        match channel_of(event)[1]:
            case SpeechStarted(start_sample=start) if not self._has_final:
                self._mark(start, now_s - start / SAMPLE_RATE_HZ)
            case Final(start_sample=start, end_sample=end, latency=latency):
                delay_s = latency.endpoint_s + latency.queue_s + latency.decode_s + latency.delivery_s
                self._has_final = True
                self._mark(start, now_s - delay_s - end / SAMPLE_RATE_HZ)
            case _:
                pass

    def time_of(self, sample: int) -> float:
        """Return when a sample was spoken, in seconds since 1970."""
        origin_s = self._marks[0][1] if self._marks else self._first_s
        for first, candidate_s in self._marks:
            if first <= sample:
                origin_s = candidate_s
        return origin_s + sample / SAMPLE_RATE_HZ

    def _mark(self, start_sample: int, origin_s: float) -> None:
        if self._marks and self._marks[-1][0] == start_sample:
            self._marks.pop()
        if not self._marks or abs(origin_s - self._marks[-1][1]) > _TOLERANCE_S:
            self._marks.append((start_sample, origin_s))
