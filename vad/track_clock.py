"""Where the audio of a track lies in its file. PURE.

Packets say when they are presented. Where they begin late, or some between them are missing, lost or broken, silence of
that length takes their place, so that what was decoded keeps the time of its file.
"""

__all__ = ["TrackClock"]

_TOLERANCE_S = 0.1
"""Stamps are rounded, coders are primed, and clocks differ a little: FFmpeg (`min_hard_comp`) leaves less alone."""

_MAX_HOLE_S = 3_600.0
"""A longer one is no pause but another clock, where the file does not say itself that it is as long."""

_END_S = 1.0
"""A file may last longer than it says by so much."""


class TrackClock:
    """Counts the silence that is missing before each frame of a track.

    Args:
        begin_s: where the file begins on the clock of its stamps, in seconds; None: where its first frame does.
        duration_s: how long the file says it is; None where it does not.
    """

    def __init__(self, begin_s: float | None, duration_s: float | None = None) -> None:
        self._begin_s = begin_s
        self._duration_s = duration_s
        self._end_s = 0.0
        """Of the audio so far, silence included, since the file's beginning."""
        self._next_stamp_s = begin_s
        """Of a frame that follows the one before without a gap."""

    def silence_before(self, stamp_s: float | None, duration_s: float) -> float:
        """Take in the next frame, and return how many seconds of silence lie before it, 0 or more.

        Args:
            stamp_s: when it is presented; None: right after the one before.
            duration_s: its length.
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
        """Return whether the clock goes on; it is another one after a step back, or one that leads out of the file."""
        assert self._next_stamp_s is not None
        assert self._begin_s is not None
        step_s = stamp_s - self._next_stamp_s
        if step_s < -_TOLERANCE_S:
            return False
        if step_s <= _TOLERANCE_S or self._duration_s is None:
            return step_s <= _MAX_HOLE_S
        return stamp_s - self._begin_s <= self._duration_s + _END_S
