"""Places the audio of a live stream on the time line of a session. PURE.

Time 0 is the stream's first sample. Presentation timestamps say how pieces of audio follow each other, and arrival says
how much time has passed where timestamps do not: after a restart of the stream's clock. The *delay* of a piece is its
arrival less its time on the session's time line; the least delay, that of audio which waited in no buffer, is a
property of the path, and holds before and after an interruption.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["LiveTimeline", "Placed", "TimedAudio"]

_RATE_HZ = 16_000
_BYTES_PER_SAMPLE = 2

_TOLERANCE_S = 0.1
"""As for files: `vad.track_clock`."""

_EARLY_S = 2.0
"""How much earlier than all before it audio may arrive. Beyond that its timestamp is of another clock."""

_SETTLING_S = 0.5
"""Time to wait for what a server has buffered, which it sends at once: the last of it has the least delay."""

_SETTLING_SAMPLES = 120 * _RATE_HZ
"""Bound of the audio held meanwhile, 4 MB."""

_OVERLAP_S = 1.0
"""A restarted clock puts audio this much before the end of the earlier audio by mere errors of estimation."""

_DRIFT = 1e-4
"""The delay rises by this share of the time, which is more than clocks of crystals drift."""


@dataclass(frozen=True, slots=True)
class TimedAudio:
    """A piece of decoded audio.

    Attributes:
        stamp_s: presentation time of its first sample; None: directly after the piece before.
        pcm: s16le mono 16 kHz.
    """

    stamp_s: float | None
    pcm: bytes

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.pcm) / _BYTES_PER_SAMPLE / _RATE_HZ


@dataclass(frozen=True, slots=True)
class Placed:
    """Audio with its place.

    Attributes:
        start_sample: of the silence before it, on the session's time line.
        silence_samples: silence to insert before it; no audio is known for that time.
        pcm: the audio.
    """

    start_sample: int
    silence_samples: int
    pcm: bytes


@dataclass(slots=True)
class _Held:
    """Audio whose place is not known yet.

    Attributes:
        is_reconnected: whether it is the first of a connection.
        outage_s: time without audio before it.
    """

    since_s: float
    is_reconnected: bool
    outage_s: float
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    samples: int = 0
    lead_s: float = float("inf")
    """The least arrival less timestamp."""


class LiveTimeline:
    """Computes where each piece of a stream belongs, over any number of connections.

    | state    | event                                    | next state                                  |
    |----------|------------------------------------------|---------------------------------------------|
    | steady   | a timestamp that leaps or goes back      | settling: within one connection             |
    | steady   | `reconnected`                            | settling from the next piece on             |
    | settling | 0.5 s have passed, or 120 s of audio     | steady: the same clock, or a restarted one  |

    Args:
        backlog_s: how much later than at best audio may arrive because the server keeps it: of HLS some segments.
    """

    def __init__(self, backlog_s: float = 0.0) -> None:
        self._backlog_s = backlog_s
        self._end_samples = 0
        self._base_s: float | None = None
        """Timestamp of time 0."""
        self._next_stamp_s = 0.0
        self._delay_s = 0.0
        self._arrival_s = 0.0
        """Of the newest piece."""
        self._held: _Held | None = None
        self._is_reconnected = False
        self._is_repeated = False
        """Whether the stream repeats audio from before an interruption."""

    @property
    def end_samples(self) -> int:
        """Length of the audio placed so far, silence included."""
        return self._end_samples

    def push(self, piece: TimedAudio, arrival_s: float) -> Sequence[Placed]:
        """Return the audio whose place is known now, in order.

        Args:
            piece: the next of the stream.
            arrival_s: time of its arrival, on a clock that never goes back.
        """
        stamp_s = self._next_stamp_s if piece.stamp_s is None else piece.stamp_s
        if self._base_s is None:
            self._base_s, self._next_stamp_s, self._arrival_s = stamp_s, stamp_s, arrival_s
            self._delay_s = arrival_s - piece.duration_s
        placed: list[Placed] = []
        if self._held is not None and self._is_discontinuous(stamp_s, piece.duration_s, arrival_s):
            placed += self.flush()
            self._held = _Held(arrival_s, is_reconnected=False, outage_s=0.0)
        elif self._held is None and (
            self._is_reconnected or self._is_discontinuous(stamp_s, piece.duration_s, arrival_s)
        ):
            self._held = _Held(arrival_s, self._is_reconnected, arrival_s - self._arrival_s)
            self._is_reconnected = False
        self._next_stamp_s = stamp_s + piece.duration_s
        if self._held is None:
            return [*placed, *self._placed(stamp_s, piece.pcm, arrival_s)]
        self._hold(self._held, stamp_s, piece, arrival_s)
        is_settled = arrival_s - self._held.since_s >= _SETTLING_S or self._held.samples >= _SETTLING_SAMPLES
        return [*placed, *self.flush()] if is_settled else placed

    def reconnected(self) -> Sequence[Placed]:
        """Expect the next piece from a new connection; return the audio held from the one before."""
        placed = self.flush()
        self._is_reconnected = self._base_s is not None
        return placed

    def flush(self) -> Sequence[Placed]:
        """Return the audio held, as no more comes to tell its place."""
        held, self._held = self._held, None
        if held is None:
            return []
        self._settle(held)
        return [each for stamp_s, pcm in held.pieces for each in self._placed(stamp_s, pcm, self._arrival_s)]

    def _is_discontinuous(self, stamp_s: float, duration_s: float, arrival_s: float) -> bool:
        """Return whether a timestamp is of another clock: it goes back, or leaps further than time has passed."""
        step_s = stamp_s - self._next_stamp_s
        if step_s <= _TOLERANCE_S:
            return step_s < -_TOLERANCE_S
        if self._held is not None:
            return arrival_s - (stamp_s + duration_s) < self._held.lead_s - _EARLY_S
        assert self._base_s is not None
        delay_s = arrival_s - (stamp_s + duration_s - self._base_s)
        return delay_s < self._delay_s - _EARLY_S

    def _hold(self, held: _Held, stamp_s: float, piece: TimedAudio, arrival_s: float) -> None:
        held.pieces.append((stamp_s, piece.pcm))
        held.samples += len(piece.pcm) // _BYTES_PER_SAMPLE
        held.lead_s = min(held.lead_s, arrival_s - (stamp_s + piece.duration_s))
        self._arrival_s = arrival_s

    def _settle(self, held: _Held) -> None:
        """Decide which timestamp is time 0."""
        assert self._base_s is not None
        later_s = held.lead_s - (self._delay_s - self._base_s)
        if held.is_reconnected and -_EARLY_S <= later_s <= _EARLY_S + self._backlog_s + self._kept_s(held):
            self._is_repeated = True  # the clock has continued: the place is exact
            return
        stamp_s = held.pieces[0][0]
        self._base_s = self._delay_s - held.lead_s
        gap_s = stamp_s - self._base_s - self._end_samples / _RATE_HZ
        self._is_repeated = held.is_reconnected and gap_s < -_OVERLAP_S
        if not self._is_repeated and gap_s <= (0.0 if held.is_reconnected else _OVERLAP_S):
            self._base_s += gap_s

    def _kept_s(self, held: _Held) -> float:
        return held.outage_s if self._backlog_s else 0.0

    def _placed(self, stamp_s: float, pcm: bytes, arrival_s: float) -> Sequence[Placed]:
        assert self._base_s is not None
        gap = round((stamp_s - self._base_s) * _RATE_HZ) - self._end_samples
        if self._is_repeated and gap < 0:
            pcm = pcm[-gap * _BYTES_PER_SAMPLE :]
        self._is_repeated = self._is_repeated and not pcm
        silence = gap if gap > _TOLERANCE_S * _RATE_HZ else 0
        placed = Placed(self._end_samples, silence, pcm)
        self._end_samples += silence + len(pcm) // _BYTES_PER_SAMPLE
        self._note_delay(arrival_s)
        return [placed] if pcm else []

    def _note_delay(self, arrival_s: float) -> None:
        risen_s = self._delay_s + _DRIFT * (arrival_s - self._arrival_s)
        self._delay_s = min(risen_s, arrival_s - self._end_samples / _RATE_HZ)
        self._arrival_s = arrival_s
