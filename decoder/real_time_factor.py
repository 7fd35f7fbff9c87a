"""The real-time factor of an engine over the last half minute of its work. PURE."""

__all__ = ["RealTimeFactor"]

_HALF_LIFE_S = 30.0
"""Two scrapes at Prometheus' usual interval of 15 s: a change of load is visible in the second."""


class RealTimeFactor:
    """Seconds of decoding for each second of audio decoded, where older work counts less: half after 30 s."""

    def __init__(self) -> None:
        self._busy_s = 0.0
        self._audio_s = 0.0
        self._at_s: float | None = None

    @property
    def ratio(self) -> float | None:
        """Below 1: faster than real time. None: nothing has been decoded yet."""
        return self._busy_s / self._audio_s if self._audio_s > 0 else None

    def record(self, busy_s: float, audio_s: float, now_s: float) -> None:
        """Count a batch.

        Args:
            busy_s: its decode time.
            audio_s: audio in it, padding not included.
            now_s: on a monotonic clock.
        """
        kept = 1.0 if self._at_s is None else 0.5 ** ((now_s - self._at_s) / _HALF_LIFE_S)
        self._busy_s = self._busy_s * kept + busy_s
        self._audio_s = self._audio_s * kept + audio_s
        self._at_s = now_s
