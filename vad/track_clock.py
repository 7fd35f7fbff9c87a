"""Where the audio of a track lies on the time line of its file. PURE.

Packets carry presentation timestamps. Silence is inserted where they begin late or where some are missing, lost or
corrupt, so that the decoded audio keeps the file's time line.
"""

__all__ = ["TrackClock"]

_TOLERANCE_S = 0.1
"""Timestamps are rounded, codecs have priming, and clocks drift: FFmpeg (`min_hard_comp`) tolerates less."""

_MAX_GAP_S = 3_600.0
"""A longer gap is a clock reset, unless the file's own declared length covers it."""

_DURATION_TOLERANCE_S = 1.0
"""How much longer than its declared length a file may be."""


class TrackClock:
    """Computes the silence to insert before each frame of a track.

    Args:
        begin_s: start of the file by its timestamps, in seconds; None: the timestamp of its first frame.
        duration_s: declared length of the file; None where it declares none.
    """

    def __init__(self, begin_s: float | None, duration_s: float | None = None) -> None:
        self._begin_s = begin_s
        self._duration_s = duration_s
        self._end_s = 0.0
        """End of the audio so far, silence included, since the start of the file."""
        self._next_stamp_s = begin_s
        """Timestamp expected of the next frame if there is no gap."""

    def silence_before(self, stamp_s: float | None, duration_s: float) -> float:
        """Advance by a frame, and return the silence to insert before it, in seconds, ≥ 0.

        Args:
            stamp_s: presentation time of the frame; None: directly after the previous one.
            duration_s: length of the frame.
        """
        silence_s = 0.0 if stamp_s is None else self._gap_before(stamp_s)
        self._end_s += silence_s + duration_s
        if stamp_s is None:
            stamp_s = self._next_stamp_s
        self._next_stamp_s = None if stamp_s is None else stamp_s + duration_s
        return silence_s

    def _gap_before(self, stamp_s: float) -> float:
        if self._begin_s is None or self._next_stamp_s is None:
            self._begin_s = stamp_s - self._end_s
        elif not self._is_on_clock(stamp_s):
            self._begin_s += stamp_s - self._next_stamp_s
        gap_s = stamp_s - self._begin_s - self._end_s
        return gap_s if gap_s > _TOLERANCE_S else 0.0

    def _is_on_clock(self, stamp_s: float) -> bool:
        """Return whether the timestamp continues the clock: not after a step back, nor past the end of the file."""
        assert self._next_stamp_s is not None
        assert self._begin_s is not None
        step_s = stamp_s - self._next_stamp_s
        if step_s < -_TOLERANCE_S:
            return False
        if step_s <= _TOLERANCE_S or self._duration_s is None:
            return step_s <= _MAX_GAP_S
        return stamp_s - self._begin_s <= self._duration_s + _DURATION_TOLERANCE_S
