"""Moonshine's encoder and decoder on ONNX Runtime."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from decoder.engine import EngineWork
from decoder.engines._moonshine_graph import exact_decoder
from decoder.engines._moonshine_tokenizer import Tokenizer
from decoder.engines._moonshine_words import POSITION_SAMPLES
from decoder.types import ModelError
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["FILES", "RUN_ERRORS", "Network", "Reader"]

ENCODER_FILE, DECODER_FILE, TOKENIZER_FILE = FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")

LEAST_SAMPLES = 895
"""What one position hears, by the convolutions' widths of 127, 7 and 3. Shorter audio is padded with silence."""

ALIGNMENT_HEADS = ((1, 3), (2, 1), (3, 1))
"""Layer and head of the cross-attention that looks at the word just read. Tried one by one and together on 321 words of
meetings and 201 digits, whose times are known."""

HEADS = 8

RUN_ERRORS = (onnx_errors.Fail, onnx_errors.InvalidArgument, onnx_errors.RuntimeException, ValueError, MemoryError)
"""What a decode may fail with."""

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

_Feeds = dict[str, npt.NDArray[np.generic]]


class Network:
    """A loaded Moonshine. Several threads may use it at the same time.

    Attributes:
        tokenizer: its vocabulary.
    """

    def __init__(self, directory: Path, cpu_threads: int) -> None:
        """Load the model.

        Args:
            directory: holds `FILES`.
            cpu_threads: of one decode.

        Raises:
            ModelError: a file is missing, or is not what it should be.
        """
        missing = [name for name in FILES if not (directory / name).is_file()]
        if missing:
            raise ModelError(f"{directory}: no {', '.join(missing)}: a Moonshine has {', '.join(FILES)}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cpu_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what fails is raised as well
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # cores are shared with other decodes
        try:
            self.tokenizer = Tokenizer.read(directory / TOKENIZER_FILE)
            self._encoder = onnxruntime.InferenceSession(directory / ENCODER_FILE, options)
            decoder = exact_decoder((directory / DECODER_FILE).read_bytes())
            self._decoder = onnxruntime.InferenceSession(decoder, options)
        except LOAD_ERRORS as error:
            raise ModelError(f"{directory} holds no Moonshine that can be loaded: {error}") from error
        cached = [one.name for one in self._decoder.get_inputs() if one.name.startswith("past_key_values.")]
        self._caches = tuple(name.removeprefix("past_key_values.") for name in cached)
        self._head_width = int(self._encoder.get_outputs()[0].shape[-1]) // HEADS

    def encode(self, samples: Float32, work: EngineWork) -> Float32:
        """Return what the encoder makes of audio, float32[positions, width].

        Args:
            samples: float32[n] mono 16 kHz, in [-1, 1].
            work: where it is counted.
        """
        padded = np.pad(samples, (0, max(0, LEAST_SAMPLES - len(samples)))).astype(np.float32)[None]
        work.encoder_s += padded.size / SAMPLE_RATE_HZ
        feeds = {"input_values": padded, "attention_mask": np.ones(padded.shape, np.int64)}
        [states] = self._encoder.run(None, feeds)
        encoded: Float32 = states[0]
        return encoded

    def empty_cache(self) -> _Feeds:
        """Return the key/value cache of a decoder that has read nothing."""
        shape = (1, HEADS, 0, self._head_width)
        return {name: np.zeros(shape, np.float32) for name in self._caches}

    def step(self, states: Float32, tokens: Sequence[int], cache: _Feeds) -> tuple[Float32, Float32, _Feeds]:
        """Return what comes after each of the tokens, where each looks, and the cache with them.

        Args:
            states: float32[positions, width], of the encoder.
            tokens: to be read, one at least.
            cache: of the tokens before them.

        Returns:
            float32[tokens, vocabulary], logits; float32[tokens, positions], attention; and the cache.
        """
        has_read = cache["0.decoder.key"].shape[2] > 0
        feeds: _Feeds = {
            "encoder_hidden_states": states[None],
            # One entry a sample, of which the graph takes every 384th.
            "encoder_attention_mask": np.ones((1, len(states) * POSITION_SAMPLES), np.int64),
            "input_ids": np.array([tokens], np.int64),
            "use_cache_branch": np.array([has_read]),
            **{f"past_key_values.{name}": values for name, values in cache.items()},
        }
        # Keys and values of the encoder's states are made with the first tokens, and stay.
        renewed = [name for name in self._caches if not (has_read and ".encoder." in name)]
        layers = sorted({layer for layer, _ in ALIGNMENT_HEADS})
        wanted = ["logits", *(f"attention.{layer}" for layer in layers), *(f"present.{name}" for name in renewed)]
        logits, *others = self._decoder.run(wanted, feeds)
        attention = dict(zip(layers, others, strict=False))
        looks: Float32 = np.mean([attention[layer][0, head] for layer, head in ALIGNMENT_HEADS], axis=0)
        return logits[0], looks, cache | dict(zip(renewed, others[len(layers) :], strict=True))


class Reader:
    """The decoder at one utterance: reads tokens, and says what comes after each.

    Attributes:
        attention: float32[tokens read, positions], where each token looks; a row sums to 1.
    """

    def __init__(self, network: Network, states: Float32, work: EngineWork) -> None:
        """Begin with nothing read.

        Args:
            network: that reads.
            states: float32[positions, width], of the encoder.
            work: where what is read is counted.
        """
        self._network = network
        self._states = states
        self._work = work
        self._cache = network.empty_cache()
        self.attention: Float32 = np.zeros((0, len(states)), np.float32)

    def read(self, tokens: Sequence[int]) -> Float32:
        """Read on, and return float32[tokens, vocabulary]: logits of what comes after each of them."""
        logits, looks, self._cache = self._network.step(self._states, tokens, self._cache)
        self.attention = np.concatenate([self.attention, looks])
        self._work.decoder_steps += 1
        return logits

    def rewind(self, count: int) -> None:
        """Forget all tokens but the first `count`, one at least."""
        if count == len(self.attention):
            return
        self.attention = self.attention[:count]
        self._cache = {
            name: values if ".encoder." in name else np.ascontiguousarray(values[:, :, :count])
            for name, values in self._cache.items()
        }
