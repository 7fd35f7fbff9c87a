"""A growing buffer of audio that knows its position on the time line. PURE."""

import numpy as np

from vad.audio import Float32

__all__ = ["AudioHistory"]

MIN_SAMPLES = 16_000  # one second: smaller buffers are not worth the copies of the first doublings


class AudioHistory:
    """The latest audio of one stream, appended in amortised constant time and read without copies.

    A view never changes: audio is only written behind existing audio. A full buffer is left to its views and replaced
    by one twice as long as the audio still needed.

    Args:
        start_sample: position of the first sample on the time line.
    """

    def __init__(self, start_sample: int = 0) -> None:
        self._buffer: Float32 = np.empty(MIN_SAMPLES, np.float32)
        self._buffer_start = start_sample
        self._kept_start = start_sample
        self._end = start_sample

    @property
    def end_sample(self) -> int:
        """One past the last sample."""
        return self._end

    def append(self, samples: Float32) -> None:
        """Add float32[n] at the end."""
        end = self._end + len(samples)
        if end - self._buffer_start > len(self._buffer):
            self._grow(end)
        self._buffer[self._end - self._buffer_start : end - self._buffer_start] = samples
        self._end = end

    def forget(self, before_sample: int) -> None:
        """Discard the audio before a sample; it is not copied when the buffer is next replaced."""
        self._kept_start = max(self._kept_start, before_sample)

    def view(self, start_sample: int, end_sample: int) -> Float32:
        """Return `[start_sample, end_sample)` as a read-only float32[n], without a copy.

        Raises:
            ValueError: part of that span is not in the buffer.
        """
        if not self._kept_start <= start_sample <= end_sample <= self._end:
            raise ValueError(
                f"span {start_sample}–{end_sample} out of range: the history holds {self._kept_start}–{self._end}"
            )
        view = self._buffer[start_sample - self._buffer_start : end_sample - self._buffer_start]
        view.flags.writeable = False
        return view

    def _grow(self, end: int) -> None:
        kept = self._buffer[self._kept_start - self._buffer_start : self._end - self._buffer_start]
        buffer = np.empty(max(MIN_SAMPLES, 2 * (end - self._kept_start)), np.float32)
        buffer[: len(kept)] = kept
        self._buffer, self._buffer_start = buffer, self._kept_start
