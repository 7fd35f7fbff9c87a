"""The ear of a session: bytes of sound in, speech events out."""

import numpy as np

from vad.audio import AudioFormat, Float32, PcmDecoder
from vad.detector import SpeechDetector
from vad.events import SpeechEvent
from vad.segmenter import Segmenter, whole_windows
from vad.settings import SegmenterSettings
from vad.stream_origin import BEGINNING, StreamOrigin

__all__ = ["SpeechFrontend"]


class SpeechFrontend:
    """Decodes, resamples, judges and segments one stream. The events depend on the sound alone, not on how it is cut.

    Args:
        audio_format: of the bytes.
        detector: fresh, for this stream alone.
        settings: of the segmenter.
        origin: where the stream is taken up.
    """

    def __init__(
        self,
        audio_format: AudioFormat,
        detector: SpeechDetector,
        settings: SegmenterSettings,
        origin: StreamOrigin = BEGINNING,
    ) -> None:
        self._decoder = PcmDecoder(audio_format, origin.first_sample)
        self._detector = detector
        self._segmenter = Segmenter(settings, detector.window_samples, origin)
        self._windows_before = whole_windows(origin, detector.window_samples)
        """Windows that the detector alone has yet to hear."""
        self._rest: Float32 = np.zeros(0, np.float32)
        """Sound that does not fill a window yet."""
        self.audio_end_sample = origin.first_sample
        """One past the last sample decoded, at 16 kHz."""

    @property
    def received_samples(self) -> int:
        """Sample frames since the stream's first one, at the rate they came."""
        return self._decoder.received_samples

    @property
    def repaired_samples(self) -> int:
        """Samples that were no number or out of range, and were mended."""
        return self._decoder.repaired_samples

    @property
    def leftover_bytes(self) -> int:
        """Bytes at the end that make no whole sample."""
        return self._decoder.leftover_bytes

    @property
    def progress_interval_samples(self) -> int:
        """New sound between two progress events; load may stretch it."""
        return self._segmenter.progress_interval_samples

    @progress_interval_samples.setter
    def progress_interval_samples(self, samples: int) -> None:
        self._segmenter.progress_interval_samples = samples

    def update(self, settings: SegmenterSettings) -> None:
        """Go on with other settings, from the next window on."""
        self._segmenter.update(settings)

    def push(self, data: bytes) -> list[SpeechEvent]:
        """Hear the next bytes, cut anywhere.

        Raises:
            AudioError: they are not the sound that was announced.
        """
        return self._hear(self._decoder.push(data).samples)

    def drop_partial_frame(self) -> None:
        """Forget the bytes of a sample frame that is not whole: it will be sent again."""
        self._decoder.drop_partial_frame()

    def flush(self) -> list[SpeechEvent]:
        """End the utterance that is open, here and now."""
        if self._windows_before:
            return []
        rest, self._rest = self._rest, np.zeros(0, np.float32)
        return self._segmenter.flush(rest)

    def finish(self) -> list[SpeechEvent]:
        """Hear what the resampler still holds, and end the utterance that is open."""
        return [*self._hear(self._decoder.finish().samples), *self.flush()]

    def _hear(self, samples: Float32) -> list[SpeechEvent]:
        self.audio_end_sample += len(samples)
        sound = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        count = len(sound) // self._detector.window_samples
        split = count * self._detector.window_samples
        self._rest = sound[split:]
        if not count:
            return []
        windows = sound[:split].reshape(count, -1)
        probabilities: list[float] = self._detector.probabilities(windows).tolist()
        before, events = min(self._windows_before, count), list[SpeechEvent]()
        self._windows_before -= before
        for window, probability in zip(windows[before:], probabilities[before:], strict=True):
            events += self._segmenter.push(window, probability)
        return events
