"""Audio as the core sees it: float32 mono at 16 kHz, indexed in samples since the session began. PURE."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from vad.errors import AudioError, AudioFormatError
from vad.resample import Resampler
from vad.stereo import StereoDownmix

__all__ = [
    "SAMPLE_RATE_HZ",
    "AudioFormat",
    "AudioFrame",
    "Encoding",
    "Float32",
    "PcmDecoder",
    "ms_to_samples",
    "s_to_samples",
]

SAMPLE_RATE_HZ = 16_000
"""Whisper, Moonshine and Silero are all trained at this rate, so the core uses no other."""

MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 48_000
"""From telephone to browser: a lower rate loses speech, a higher one only adds bandwidth."""

Float32 = NDArray[np.float32]


def ms_to_samples(duration_ms: float) -> int:
    """Return a duration in milliseconds as samples, rounded to the nearest."""
    return round(duration_ms * SAMPLE_RATE_HZ / 1000)


def s_to_samples(duration_s: float) -> int:
    """Return a duration in seconds as samples, rounded to the nearest."""
    return round(duration_s * SAMPLE_RATE_HZ)


class Encoding(StrEnum):
    """The encoding of one sample; all are little-endian."""

    PCM_S16LE = "pcm_s16le"
    PCM_S24LE = "pcm_s24le"
    PCM_F32LE = "pcm_f32le"
    PCM_MULAW = "pcm_mulaw"
    PCM_ALAW = "pcm_alaw"

    @property
    def bytes_per_sample(self) -> int:
        """Bytes of one sample of one channel."""
        match self:
            case Encoding.PCM_MULAW | Encoding.PCM_ALAW:
                return 1
            case Encoding.PCM_S16LE:
                return 2
            case Encoding.PCM_S24LE:
                return 3
            case Encoding.PCM_F32LE:
                return 4
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """The format that a client declares for its audio.

    Attributes:
        encoding: of one sample.
        sample_rate_hz: 8 000 to 48 000.
        channels: 1, or 2 interleaved.

    Raises:
        AudioFormatError: livecue does not accept this format.
    """

    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate_hz: int = SAMPLE_RATE_HZ
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in tuple(Encoding):
            raise AudioFormatError(f"encoding {self.encoding!r} is unknown: expected one of {', '.join(Encoding)}")
        if not MIN_RATE_HZ <= self.sample_rate_hz <= MAX_RATE_HZ:
            raise AudioFormatError(
                f"sample rate {self.sample_rate_hz} Hz out of range: expected {MIN_RATE_HZ}–{MAX_RATE_HZ} Hz"
            )
        if self.channels not in (1, 2):
            raise AudioFormatError(f"{self.channels} channels: expected 1 or 2")

    @property
    def bytes_per_sample_frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.encoding.bytes_per_sample * self.channels

    def sample_frames(self, samples: int) -> int:
        """Return the number of sample frames, at this format's rate, in that many samples at 16 kHz, rounded down."""
        return samples * self.sample_rate_hz // SAMPLE_RATE_HZ

    def silence(self, sample_frames: int) -> bytes:
        """Return that many sample frames of silence."""
        return _SILENT_BYTES.get(self.encoding, b"\0") * (sample_frames * self.bytes_per_sample_frame)


_SILENT_BYTES = {Encoding.PCM_MULAW: b"\xff", Encoding.PCM_ALAW: b"\xd5"}
"""Encodings whose silence is not a zero byte: ITU-T G.711 tables 2a and 1a, the smallest positive value."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioFrame:
    """A piece of audio on the session's time line.

    Attributes:
        samples: float32[n] in [-1, 1], mono 16 kHz.
        start_sample: index of the first sample since the session's first sample, ≥ 0.
    """

    samples: Float32
    start_sample: int

    @property
    def end_sample(self) -> int:
        """Index one past the last sample."""
        return self.start_sample + len(self.samples)


class PcmDecoder:
    """Decodes one stream of bytes, split anywhere, into float32 mono at 16 kHz. The splits do not change the audio.

    Args:
        audio_format: of the bytes.
        first_sample: position of the first byte on the time line, in samples at 16 kHz.
    """

    def __init__(self, audio_format: AudioFormat, first_sample: int = 0) -> None:
        self._format = audio_format
        self._downmix = StereoDownmix(audio_format.sample_rate_hz) if audio_format.channels == 2 else None
        self._resampler = Resampler(audio_format.sample_rate_hz, SAMPLE_RATE_HZ)
        self._is_resampled = audio_format.sample_rate_hz != SAMPLE_RATE_HZ
        self._pending = b""
        self._is_raw = first_sample > 0
        self._received_samples = audio_format.sample_frames(first_sample)
        self._repaired_samples = 0
        self._next_sample = first_sample

    @property
    def received_samples(self) -> int:
        """Whole sample frames since the start of the time line, at the input rate."""
        return self._received_samples

    @property
    def repaired_samples(self) -> int:
        """Float samples replaced because they were NaN or infinite (now 0) or beyond ±1 (now clipped), per channel."""
        return self._repaired_samples

    @property
    def leftover_bytes(self) -> int:
        """Bytes of an incomplete sample frame; after `finish`, bytes whose sample frame never became complete."""
        return len(self._pending)

    def push(self, data: bytes) -> AudioFrame:
        """Return the audio that these bytes complete; it may be empty.

        Args:
            data: any number of bytes, split anywhere.

        Raises:
            AudioError: the stream begins with a file header (WAV, FLAC, Ogg, …) instead of raw samples.
        """
        data = self._pending + data
        if not self._is_raw:
            if len(data) < _MAGIC_BYTES:
                self._pending = data
                return self._frame(_EMPTY)
            _refuse_container(data)
            self._is_raw = True
        return self._frame(self._resampler.push(self._mono(data)))

    def drop_partial_frame(self) -> None:
        """Discard the bytes of an incomplete sample frame; the client sends them again."""
        self._pending = b""

    def finish(self) -> AudioFrame:
        """Return the audio still buffered in the resampler; no further calls are allowed.

        Raises:
            AudioError: a very short stream turns out to begin with a file header.
        """
        _refuse_container(b"" if self._is_raw else self._pending)
        last = self._resampler.push(self._mono(self._pending))
        return self._frame(np.concatenate([last, self._resampler.finish()]))

    def _frame(self, samples: Float32) -> AudioFrame:
        if self._is_resampled:  # the filter may overshoot a full-scale input a little; the core expects [-1, 1]
            samples = np.clip(samples, -1.0, 1.0)
        frame = AudioFrame(samples, self._next_sample)
        self._next_sample = frame.end_sample
        return frame

    def _mono(self, data: bytes) -> Float32:
        whole = len(data) - len(data) % self._format.bytes_per_sample_frame
        self._pending = data[whole:]
        samples = self._samples(data[:whole])
        if self._downmix is not None:
            samples = self._downmix.push(samples[0::2], samples[1::2])
        self._received_samples += len(samples)
        return samples

    def _samples(self, data: bytes) -> Float32:
        match self._format.encoding:
            case Encoding.PCM_S16LE:
                return np.frombuffer(data, "<i2").astype(np.float32) * _S16_STEP
            case Encoding.PCM_S24LE:
                wide = np.zeros((len(data) // 3, 4), np.uint8)
                wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
                return wide.view("<i4")[:, 0].astype(np.float32) * _S32_STEP
            case Encoding.PCM_F32LE:
                return self._repaired(np.frombuffer(data, "<f4").astype(np.float32))
            case Encoding.PCM_MULAW:
                return _MULAW[np.frombuffer(data, np.uint8)]
            case Encoding.PCM_ALAW:
                return _ALAW[np.frombuffer(data, np.uint8)]
            case encoding:
                assert_never(encoding)

    def _repaired(self, samples: Float32) -> Float32:
        with np.errstate(invalid="ignore"):  # a signalling NaN is exactly what this looks for
            bad = ~(np.abs(samples) <= 1)
            count = int(np.count_nonzero(bad))
            if count == 0:
                return samples
            self._repaired_samples += count
            return np.clip(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)


_EMPTY = np.zeros(0, np.float32)
_S16_STEP = np.float32(2**-15)
_S32_STEP = np.float32(2**-31)

_CONTAINERS = (
    ("a RIFF/WAVE header", ((0, b"RIFF"), (8, b"WAVE"))),
    ("a FLAC file", ((0, b"fLaC"),)),
    ("an Ogg file", ((0, b"OggS"),)),
    ("a WebM or Matroska file", ((0, b"\x1a\x45\xdf\xa3"),)),
    ("an MP3 file with an ID3 tag", ((0, b"ID3"),)),
    ("an MP4 file", ((4, b"ftyp"),)),
)
_MAGIC_BYTES = 12  # RIFF....WAVE, the longest signature


def _refuse_container(head: bytes) -> None:
    for name, signature in _CONTAINERS:
        if all(head[at : at + len(magic)] == magic for at, magic in signature):
            raise AudioError(f"the stream begins with {name}: expected raw PCM samples without a header")


def _mulaw_table() -> Float32:
    # ITU-T G.711 table 2a: inverted bits; sign, 3 bits of chord, 4 bits of step; bias 33 of 14 bits = 132 of 16 bits.
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float32) * _S16_STEP


def _alaw_table() -> Float32:
    # ITU-T G.711 table 1a: even bits inverted; chord 0 is linear, the others carry a leading one; sign bit set: plus.
    code = np.arange(256, dtype=np.int32) ^ 0x55
    chord = (code >> 4) & 7
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(chord == 0, step, (step + 256) << np.maximum(chord - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.float32) * _S16_STEP


_MULAW = _mulaw_table()
_ALAW = _alaw_table()
