"""Moonshine's encoder and decoder on ONNX Runtime."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from decoder.engine import EngineWork
from decoder.engines.moonshine.decoder_graph import HEADS, cross_graph, decoder_graph
from decoder.engines.moonshine.tokenizer import Tokenizer
from decoder.engines.moonshine.weights import read_decoder
from decoder.types import ModelError
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["ALIGNMENT_HEADS", "FILES", "RUN_ERRORS", "Arrays", "Network"]

ENCODER_FILE, DECODER_FILE, TOKENIZER_FILE = FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")

MIN_SAMPLES = 895
"""The receptive field of one position: the convolutions have widths of 127, 7 and 3. Shorter audio is padded with
silence."""

ALIGNMENT_HEADS = ((1, 3), (2, 1), (3, 1))
"""Layer and head of cross-attentions to the word read last. Selected by tests, alone and in combination, on 321 words
of meetings and 201 digits with known times."""

RUN_ERRORS = (onnx_errors.Fail, onnx_errors.InvalidArgument, onnx_errors.RuntimeException, ValueError, MemoryError)
"""Errors that a decode may raise."""

LOAD_ERRORS = (
    *RUN_ERRORS,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NoSuchFile,
    onnx_errors.NotImplemented,
    OSError,
    LookupError,
    struct.error,
)

Arrays = dict[str, npt.NDArray[np.generic]]


class Network:
    """A loaded Moonshine model. Thread-safe.

    Attributes:
        tokenizer: its vocabulary.
    """

    def __init__(self, directory: Path, cpu_threads: int) -> None:
        """Load the model.

        Args:
            directory: contains `FILES`.
            cpu_threads: threads of one decode.

        Raises:
            ModelError: a file is missing or invalid.
        """
        missing = [name for name in FILES if not (directory / name).is_file()]
        if missing:
            raise ModelError(f"{directory}: {', '.join(missing)} missing: expected {', '.join(FILES)}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cpu_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors are raised as well
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # cores are shared with other decodes
        try:
            self.tokenizer = Tokenizer.read(directory / TOKENIZER_FILE)
            weights = read_decoder((directory / DECODER_FILE).read_bytes())
            self._encoder = onnxruntime.InferenceSession(directory / ENCODER_FILE, options)
            self._cross = onnxruntime.InferenceSession(cross_graph(weights), options)
            attention_layers = sorted({layer for layer, _ in ALIGNMENT_HEADS})
            self._decoder = onnxruntime.InferenceSession(decoder_graph(weights, attention_layers), options)
        except LOAD_ERRORS as error:
            raise ModelError(f"{directory} contains no usable Moonshine model: {error}") from error
        self._outputs = [output.name for output in self._decoder.get_outputs()]
        self.layers = len(weights.layers)
        self.head_width = weights.width // HEADS

    def encode(self, samples: Float32, work: EngineWork) -> Float32:
        """Return the cross-attention keys and values of audio, float32[2 * layers, heads, positions, head width].

        Args:
            samples: float32[n] mono 16 kHz, in [-1, 1].
            work: the counts that are added to.
        """
        padded = np.pad(samples, (0, max(0, MIN_SAMPLES - len(samples)))).astype(np.float32)[None]
        work.encoder_s += padded.size / SAMPLE_RATE_HZ
        feeds = {"input_values": padded, "attention_mask": np.ones(padded.shape, np.int64)}
        [states] = self._encoder.run(None, feeds)
        [cross] = self._cross.run(None, {"states": states[0]})
        encoded: Float32 = cross
        return encoded

    def step(self, feeds: Arrays) -> dict[str, Float32]:
        """Return the outputs of `decoder_graph`."""
        return dict(zip(self._outputs, self._decoder.run(None, feeds), strict=True))
