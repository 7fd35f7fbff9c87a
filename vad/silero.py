"""Silero's speech detector, a small neural network; its ONNX file ships in the faster-whisper package."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vad.audio import Float32
from vad.detector import check_windows
from vad.errors import DetectorUnavailable
from vad.level import LevelNormaliser

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["SileroDetector"]

MODEL_FILE = "silero_vad_v6.onnx"
CONTEXT_SAMPLES = 64  # the model takes the end of the previous window as context
STATE_SHAPE = (1, 1, 128)


class SileroDetector:
    """Estimates speech probabilities with Silero VAD v6. Streams share the model; each has its own recurrent state.

    The level of the windows is normalised first, because the model is reliable only in a range of levels.
    """

    window_samples = 512

    def __init__(self) -> None:
        """Start a stream.

        Raises:
            DetectorUnavailable: onnxruntime or the model file is not installed.
        """
        self._session = _shared_session()
        self._hidden: Float32
        self._cell: Float32
        self.reset()
        self._context: Float32 = np.zeros((1, CONTEXT_SAMPLES), np.float32)
        self._level = LevelNormaliser()

    def probabilities(self, windows: Float32) -> Float32:
        """Return the speech probability of the next windows, float32[k, 512], as float32[k]. See `SpeechDetector`."""
        check_windows(windows, self.window_samples)
        if len(windows) == 0:
            return np.zeros(0, np.float32)
        windows = self._level.normalise(windows)
        ends = windows[:, -CONTEXT_SAMPLES:]
        inputs = np.concatenate([np.concatenate([self._context, ends[:-1]]), windows], axis=1)
        feeds = {"input": inputs, "h": self._hidden, "c": self._cell}
        probabilities: Float32
        probabilities, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], feeds)
        self._context = ends[-1:].copy()
        return probabilities

    def reset(self) -> None:
        """Reset the recurrent state; a stale one makes the model miss speech for seconds."""
        self._hidden = np.zeros(STATE_SHAPE, np.float32)
        self._cell = np.zeros(STATE_SHAPE, np.float32)

    def skip(self, windows: Float32) -> None:
        """Advance past the next windows, float32[k, 512] with k ≥ 1, without judging them or changing the state."""
        self._context = self._level.normalise(windows)[-1:, -CONTEXT_SAMPLES:].copy()


@cache
def _shared_session() -> "InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise DetectorUnavailable("detector silero: package onnxruntime is not installed") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # 0.1 ms of work per window: threads would cost more than they gain
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])


def _model_path() -> Path:
    spec = find_spec("faster_whisper")  # located, not imported: importing it takes a second and loads CTranslate2
    if spec is None or spec.origin is None:
        raise DetectorUnavailable("detector silero: package faster-whisper, which contains its model, is not installed")
    path = Path(spec.origin).parent / "assets" / MODEL_FILE
    if not path.is_file():
        raise DetectorUnavailable(
            f"detector silero: faster-whisper lacks {MODEL_FILE}: expected version 1.2.1 or later"
        )
    return path
