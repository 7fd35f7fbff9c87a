"""When the audio of a live session was spoken, by the wall clock. PURE."""

from collections import deque

from gateway.wire import Final, ServerEvent, SpeechEnded, SpeechStarted
from gateway.wire.server_events import channel_of
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["SessionClock"]

_TOLERANCE_S = 0.25
"""Audio that is late by less is jitter of the network."""

_MAX_MARKS = 256
"""A client that pauses moves the clock; so many pauses are remembered for a sink that is behind."""


class SessionClock:
    """Estimates the time of sample 0, which moves where the client pauses.

    A final says how long ago the last speech of its utterance was. Before the first one, the beginning of speech is the
    estimate: it is emitted some tenths of a second later. Audio may come late, but never early: an earlier estimate is
    taken at once, a later one only if it is no jitter.

    Args:
        origin_s: when sample 0 was spoken, in seconds since 1970, until an event says better.
        pad_after_s: silence that an utterance keeps after its last speech, where there is so much.
    """

    def __init__(self, origin_s: float, pad_after_s: float = 0.0) -> None:
        self._first_s = origin_s
        self._pad_after_s = pad_after_s
        self._marks: deque[tuple[int, float]] = deque(maxlen=_MAX_MARKS)
        """First sample from which an origin holds, and the origin."""
        self._has_final = False
        self._cut: tuple[int | None, int] | None = None
        """Channel and number of the last utterance that was cut at its greatest length, in speech or after it."""

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
        channel, inner = channel_of(event)
        match inner:
            case SpeechStarted(start_sample=start) if not self._has_final:
                origin_s = now_s - start / SAMPLE_RATE_HZ
                self._mark(start, origin_s, origin_s)
            case SpeechEnded(utterance_id=utterance_id, reason="max_length"):
                self._cut = channel, utterance_id
            case Final(start_sample=start, end_sample=end, latency=latency):
                delay_s = latency.endpoint_s + latency.queue_s + latency.decode_s + latency.delivery_s
                pad_s = min(self._pad_after_s, latency.endpoint_s)
                earliest_s = now_s - delay_s - end / SAMPLE_RATE_HZ
                is_cut = self._cut == (channel, inner.utterance_id)
                self._has_final = True
                self._mark(start, earliest_s if is_cut else earliest_s + pad_s, earliest_s + pad_s)
            case _:
                pass

    def time_of(self, sample: int) -> float:
        """Return when a sample was spoken, in seconds since 1970."""
        origin_s = self._marks[0][1] if self._marks else self._first_s
        for first, candidate_s in self._marks:
            if first <= sample:
                origin_s = candidate_s
        return origin_s + sample / SAMPLE_RATE_HZ

    def _mark(self, start_sample: int, earliest_s: float, latest_s: float) -> None:
        """Take an origin between two times from a sample on, if the newest is later or, jitter apart, earlier."""
        if self._marks and self._marks[-1][0] == start_sample:
            self._marks.pop()
        if not self._marks or earliest_s > self._marks[-1][1] + _TOLERANCE_S:
            self._marks.append((start_sample, earliest_s))
        elif latest_s < self._marks[-1][1]:
            self._marks.append((start_sample, latest_s))
