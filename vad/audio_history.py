"""A growing strip of sound that remembers where on the time line it lies. PURE."""

import numpy as np

from vad.audio import Float32

__all__ = ["AudioHistory"]

LEAST_SAMPLES = 16_000  # one second: the first doublings are not worth their copies


class AudioHistory:
    """The latest sound of one stream, appended in amortised constant time and read without copies.

    A view never changes: sound is only written behind what has been written, and a full strip is left to its views and
    replaced by one twice as long as what is still wanted.

    Args:
        start_sample: where it begins.
    """

    def __init__(self, start_sample: int = 0) -> None:
        self._strip: Float32 = np.empty(LEAST_SAMPLES, np.float32)
        self._strip_start = start_sample
        self._kept_start = start_sample
        self._end = start_sample

    @property
    def end_sample(self) -> int:
        """One past the last sample."""
        return self._end

    def append(self, samples: Float32) -> None:
        """Add float32[n] at the end."""
        end = self._end + len(samples)
        if end - self._strip_start > len(self._strip):
            self._replace_strip(end)
        self._strip[self._end - self._strip_start : end - self._strip_start] = samples
        self._end = end

    def forget(self, before_sample: int) -> None:
        """Give up the sound before a sample; it need not be kept when the strip is next replaced."""
        self._kept_start = max(self._kept_start, before_sample)

    def view(self, start_sample: int, end_sample: int) -> Float32:
        """Return `[start_sample, end_sample)`, float32[n], without a copy and read-only.

        Raises:
            ValueError: some of that sound is not on the tape.
        """
        if not self._kept_start <= start_sample <= end_sample <= self._end:
            raise ValueError(f"span {start_sample} to {end_sample}: the tape holds {self._kept_start} to {self._end}")
        view = self._strip[start_sample - self._strip_start : end_sample - self._strip_start]
        view.flags.writeable = False
        return view

    def _replace_strip(self, end: int) -> None:
        kept = self._strip[self._kept_start - self._strip_start : self._end - self._strip_start]
        strip = np.empty(max(LEAST_SAMPLES, 2 * (end - self._kept_start)), np.float32)
        strip[: len(kept)] = kept
        self._strip, self._strip_start = strip, self._kept_start
