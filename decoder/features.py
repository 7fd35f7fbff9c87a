"""PURE: Whisper's log-mel spectrogram of an utterance that grows, each frame transformed once."""

import numpy as np

from vad.audio import Float32

__all__ = ["FRAME_SAMPLES", "IncrementalLogMel"]

FRAME_SAMPLES = 160
"""10 ms, the hop of the spectrogram."""

TRANSFORM_SAMPLES = 400
"""25 ms, which one frame sees, half of it on either side (openai/whisper)."""

HALF_SAMPLES = TRANSFORM_SAMPLES // 2

BLOCK_FRAMES = 16
"""Frames are transformed in blocks of one size at fixed places, so that a frame is the same to the last bit whether the
audio came at once or bit by bit."""

SILENCE = np.float32(-10.0)
"""log10 of the least energy that counts (openai/whisper)."""

RANGE = np.float32(8.0)
"""What is quieter than the loudest by more is as good as silent (openai/whisper)."""

_WINDOW = np.hanning(TRANSFORM_SAMPLES + 1)[:-1].astype(np.float32)


class IncrementalLogMel:
    """The log-mel spectrogram of one utterance, equal to that of the whole utterance padded with silence.

    Frames near the end still see audio that is missing. They are computed as if silence followed, and again when more
    of the audio is there.
    """

    def __init__(self, filters: Float32) -> None:
        """Begin an utterance.

        Args:
            filters: float32[mels, 201], the weight of each frequency in each mel band.
        """
        self._filters = np.ascontiguousarray(filters.T)
        self._samples: Float32 = np.zeros(0, np.float32)
        self._log_mel: Float32 = np.zeros((0, len(filters)), np.float32)

    def extend(self, samples: Float32) -> None:
        """Take in the utterance so far; only frames that are not known yet are computed.

        Args:
            samples: float32[n] mono 16 kHz, the whole utterance from its start. Where it does not go on from what was
                taken in before, everything is computed afresh.
        """
        known = len(self._samples)
        continues = np.array_equal(samples[:known], self._samples)
        settled = _settled_frames(known) // BLOCK_FRAMES * BLOCK_FRAMES if continues else 0
        end = -(-_sounding_frames(len(samples)) // BLOCK_FRAMES) * BLOCK_FRAMES
        self._log_mel = np.concatenate([self._log_mel[:settled], self._frames(samples, settled, end)])
        self._samples = samples.copy()

    def window(self, frames: int) -> Float32:
        """Return float32[mels, frames], the utterance from its start, followed by silence or cut at the end."""
        loudest = np.max(self._log_mel, initial=SILENCE)
        floor = max(loudest - RANGE, SILENCE)
        kept = self._log_mel[:frames].T
        window: Float32 = np.full((kept.shape[0], frames), floor, np.float32)
        np.maximum(kept, floor, out=window[:, : kept.shape[1]])
        window += np.float32(4.0)
        window /= np.float32(4.0)
        return window

    def _frames(self, samples: Float32, first: int, end: int) -> Float32:
        if first >= end:
            return np.zeros((0, self._filters.shape[1]), np.float32)
        seen = np.lib.stride_tricks.sliding_window_view(_framed_audio(samples, first, end), TRANSFORM_SAMPLES)
        blocks = (seen[::FRAME_SAMPLES] * _WINDOW).reshape(-1, BLOCK_FRAMES, TRANSFORM_SAMPLES)
        energies = np.abs(np.fft.rfft(blocks).astype(np.complex64)) ** 2
        log_mel: Float32 = np.log10(np.maximum(energies @ self._filters, np.float32(1e-10)))
        return log_mel.reshape(end - first, -1)


def _framed_audio(samples: Float32, first: int, end: int) -> Float32:
    """Return the audio that frames `first` to `end` see: mirrored before its start, silence after its end."""
    start_sample = first * FRAME_SAMPLES - HALF_SAMPLES
    end_sample = (end - 1) * FRAME_SAMPLES + HALF_SAMPLES
    mirrored = max(0, -start_sample)
    framed: Float32 = np.zeros(end_sample - start_sample, np.float32)
    audio = samples[max(0, start_sample) : end_sample]
    framed[mirrored : mirrored + len(audio)] = audio
    framed[:mirrored] = framed[2 * mirrored : mirrored : -1]
    return framed


def _settled_frames(audio_samples: int) -> int:
    """Return how many frames see nothing after the audio; the first sees one sample more, mirrored."""
    return max(0, (audio_samples - HALF_SAMPLES - 1) // FRAME_SAMPLES + 1)


def _sounding_frames(audio_samples: int) -> int:
    """Return how many frames see any of the audio."""
    return -(-(audio_samples + HALF_SAMPLES) // FRAME_SAMPLES) if audio_samples else 0
