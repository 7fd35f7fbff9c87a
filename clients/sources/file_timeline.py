"""Places the audio of a recording by URL as that of a file. PURE."""

from collections.abc import Sequence

from clients.sources.timeline import Placed, TimedAudio
from vad.pcm_converter import MEDIA_BYTES_PER_SAMPLE, MEDIA_RATE_HZ
from vad.track_clock import TrackClock

__all__ = ["FileTimeline"]


class FileTimeline:
    """The same as `LiveTimeline` for audio that is read as fast as it can be, so that arrival says nothing.

    Args:
        begin_s: presentation time at which it begins; None: that of its first audio.
        duration_s: length that it declares; None: none.
    """

    def __init__(self, begin_s: float | None, duration_s: float | None) -> None:
        self._clock = TrackClock(begin_s, duration_s)
        self._end_samples = 0

    def push(self, piece: TimedAudio, _arrival_s: float) -> Sequence[Placed]:
        """Return the next audio with its place."""
        silence = round(self._clock.silence_before(piece.stamp_s, piece.duration_s) * MEDIA_RATE_HZ)
        placed = Placed(self._end_samples, silence, piece.pcm)
        self._end_samples += silence + len(piece.pcm) // MEDIA_BYTES_PER_SAMPLE
        return [placed]

    def reconnected(self) -> Sequence[Placed]:
        """Return nothing: no audio is held."""
        return []
