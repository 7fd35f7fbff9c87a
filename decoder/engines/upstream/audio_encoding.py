"""Encodes audio for upload: WAV where bandwidth is free, FLAC elsewhere; both hold the same 16-bit samples."""

import wave
from dataclasses import dataclass
from io import BytesIO

import av
import numpy as np

from vad.audio import SAMPLE_RATE_HZ, Float32, ms_to_samples

__all__ = ["AudioFile", "flac", "padded_samples", "wav"]

_MIN_SAMPLES = ms_to_samples(200)
"""OpenAI refuses audio shorter than 0.1 s; silence appended to it changes no words."""

_FULL_SCALE = 1 << 15
"""The int16 value of 1.0."""


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An audio file in memory, with its suffix and media type."""

    content: bytes
    suffix: str
    media_type: str


def padded_samples(count: int) -> int:
    """Return the number of samples uploaded for `count` samples of audio, padding included."""
    return max(count, _MIN_SAMPLES)


def wav(samples: Float32) -> AudioFile:
    """Return float32[n] mono 16 kHz as WAV, 16 bits."""
    target = BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE_HZ)
        writer.writeframes(_pcm16(samples).tobytes())
    return AudioFile(target.getvalue(), "wav", "audio/wav")


def flac(samples: Float32) -> AudioFile:
    """Return float32[n] mono 16 kHz as FLAC, with the same samples as `wav`. Blocks for 0.3 ms per second of audio."""
    target = BytesIO()
    with av.open(target, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(_pcm16(samples)[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return AudioFile(target.getvalue(), "flac", "audio/flac")


def _pcm16(samples: Float32) -> "np.ndarray[tuple[int, ...], np.dtype[np.int16]]":
    padded = np.zeros(padded_samples(len(samples)), np.float32)
    padded[: len(samples)] = samples
    return np.clip(np.rint(padded * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")
