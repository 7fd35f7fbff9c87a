"""The detector seam: the speech detector protocol and the table of implementations."""

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Protocol, cast

from vad.audio import Float32

__all__ = ["DETECTORS", "SpeechDetector", "check_windows", "create_detector"]


class SpeechDetector(Protocol):
    """Estimates the speech probability of each window of one stream. Stateful and ordered: one per session.

    The result depends on the audio alone: `probabilities(a ++ b)` equals `probabilities(a) ++ probabilities(b)`.
    """

    window_samples: int
    """Length of a window at 16 kHz, in samples."""

    def probabilities(self, windows: Float32) -> Float32:
        """Return the speech probability of each of the next windows of the stream.

        Args:
            windows: float32[k, window_samples] in [-1, 1], k ≥ 0, consecutive and in order.

        Returns:
            float32[k], 0..1.

        Raises:
            ValueError: the array has the wrong shape.
        """
        ...


DETECTORS: dict[str, str] = {
    "webrtc": "vad.webrtc:WebrtcDetector",
    "silero": "vad.silero:SileroDetector",
    "hybrid": "vad.hybrid:HybridDetector",
}
"""Name in the settings → class, imported on use so that an unused detector costs nothing."""


def create_detector(name: str) -> SpeechDetector:
    """Return a new detector for one stream.

    Raises:
        KeyError: the name is not in `DETECTORS`.
        DetectorUnavailable: its library or model is not installed.
    """
    factory = cast("Callable[[], SpeechDetector]", resolve_name(DETECTORS[name]))
    return factory()


def check_windows(windows: Float32, window_samples: int) -> None:
    """Raise unless the array is float32[k, window_samples].

    Raises:
        ValueError: the array has the wrong shape.
    """
    if windows.ndim != 2 or windows.shape[1] != window_samples:
        raise ValueError(f"windows have shape {windows.shape}: expected (k, {window_samples})")
