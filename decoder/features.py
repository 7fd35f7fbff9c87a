"""PURE: Whisper's log-mel spectrogram of a growing utterance; each frame is transformed once."""

import numpy as np

from vad.audio import Float32

__all__ = ["FRAME_SAMPLES", "IncrementalLogMel"]

FRAME_SAMPLES = 160
"""10 ms, the hop of the spectrogram."""

TRANSFORM_SAMPLES = 400
"""25 ms, the Fourier window of one frame, half of it on either side (openai/whisper)."""

HALF_SAMPLES = TRANSFORM_SAMPLES // 2

BLOCK_FRAMES = 16
"""Frames are transformed in blocks of one size at fixed positions, so that a frame is bit-identical whether the audio
arrived in one piece or in many."""

SILENCE = np.float32(-10.0)
"""log10 of the energy floor (openai/whisper)."""

RANGE = np.float32(8.0)
"""Dynamic range: values this far below the loudest are raised to the floor (openai/whisper)."""

_WINDOW = np.hanning(TRANSFORM_SAMPLES + 1)[:-1].astype(np.float32)


class IncrementalLogMel:
    """The log-mel spectrogram of one utterance, equal to that of the whole utterance padded with silence.

    The windows of frames near the end reach past the audio received so far. These frames are computed as if silence
    followed, and recomputed when more audio arrives.
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
        """Replace the audio by the utterance so far, computing only its new frames.

        Args:
            samples: float32[n] mono 16 kHz, the whole utterance from its start. If it does not extend the audio passed
                before, all frames are recomputed.
        """
        known = len(self._samples)
        continues = np.array_equal(samples[:known], self._samples)
        complete = _complete_frames(known) // BLOCK_FRAMES * BLOCK_FRAMES if continues else 0
        end = -(-_nonempty_frames(len(samples)) // BLOCK_FRAMES) * BLOCK_FRAMES
        self._log_mel = np.concatenate([self._log_mel[:complete], self._frames(samples, complete, end)])
        self._samples = samples.copy()

    def window(self, frames: int) -> Float32:
        """Return float32[mels, frames], the utterance from its start, padded with silence or truncated."""
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
        windows = np.lib.stride_tricks.sliding_window_view(_padded_audio(samples, first, end), TRANSFORM_SAMPLES)
        blocks = (windows[::FRAME_SAMPLES] * _WINDOW).reshape(-1, BLOCK_FRAMES, TRANSFORM_SAMPLES)
        energies = np.abs(np.fft.rfft(blocks).astype(np.complex64)) ** 2
        log_mel: Float32 = np.log10(np.maximum(energies @ self._filters, np.float32(1e-10)))
        return log_mel.reshape(end - first, -1)


def _padded_audio(samples: Float32, first: int, end: int) -> Float32:
    """Return the audio of the windows of frames `first` to `end`: mirrored before its start, silence after its end."""
    start_sample = first * FRAME_SAMPLES - HALF_SAMPLES
    end_sample = (end - 1) * FRAME_SAMPLES + HALF_SAMPLES
    mirrored = max(0, -start_sample)
    padded: Float32 = np.zeros(end_sample - start_sample, np.float32)
    audio = samples[max(0, start_sample) : end_sample]
    padded[mirrored : mirrored + len(audio)] = audio
    padded[:mirrored] = padded[2 * mirrored : mirrored : -1]
    return padded


def _complete_frames(audio_samples: int) -> int:
    """Return how many frames have windows that end within the audio; mirroring takes one sample more for the first."""
    return max(0, (audio_samples - HALF_SAMPLES - 1) // FRAME_SAMPLES + 1)


def _nonempty_frames(audio_samples: int) -> int:
    """Return how many frames have windows that overlap the audio."""
    return -(-(audio_samples + HALF_SAMPLES) // FRAME_SAMPLES) if audio_samples else 0
