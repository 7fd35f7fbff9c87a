"""The detector seam: what a speech detector is, and the table of those there are."""

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Protocol, cast

from vad.audio import Float32

__all__ = ["DETECTORS", "SpeechDetector", "check_windows", "create_detector"]


class SpeechDetector(Protocol):
    """Says how likely each window of one stream is to hold speech. Stateful and ordered: one per session.

    The answer depends on the sound alone: `probabilities(a ++ b)` equals `probabilities(a) ++ probabilities(b)`.
    """

    window_samples: int
    """Length of a window at 16 kHz."""

    def probabilities(self, windows: Float32) -> Float32:
        """Judge the next windows of the stream.

        Args:
            windows: float32[k, window_samples] in [-1, 1], k ≥ 0, consecutive and in order.

        Returns:
            float32[k], 0..1.

        Raises:
            ValueError: the array has another shape.
        """
        ...


DETECTORS: dict[str, str] = {
    "webrtc": "vad.webrtc:WebrtcDetector",
    "silero": "vad.silero:SileroDetector",
    "hybrid": "vad.hybrid:HybridDetector",
}
"""Name in the settings → class. Imported on use, so that a detector nobody asks for costs nothing."""


def create_detector(name: str) -> SpeechDetector:
    """Return a fresh detector for one stream.

    Raises:
        KeyError: no detector has that name; `DETECTORS` lists them.
        DetectorUnavailable: its library or model is not installed.
    """
    factory = cast("Callable[[], SpeechDetector]", resolve_name(DETECTORS[name]))
    return factory()


def check_windows(windows: Float32, window_samples: int) -> None:
    """Refuse an array that is not float32[k, window_samples].

    Raises:
        ValueError: the array has another shape.
    """
    if windows.ndim != 2 or windows.shape[1] != window_samples:
        raise ValueError(f"windows of shape {windows.shape}: allowed is (any number, {window_samples})")
