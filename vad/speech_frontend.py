"""The audio front end of a session: bytes in, speech events out."""

import numpy as np

from vad.audio import AudioFormat, Float32, PcmDecoder
from vad.detector import SpeechDetector
from vad.events import SpeechEvent
from vad.segmenter import Segmenter, whole_windows
from vad.settings import SegmenterSettings
from vad.stream_origin import BEGINNING, StreamOrigin

__all__ = ["SpeechFrontend"]


class SpeechFrontend:
    """Decodes, resamples, classifies and segments one stream. The events do not depend on how the bytes are split.

    Args:
        audio_format: of the bytes.
        detector: a new one, for this stream alone.
        settings: of the segmenter.
        origin: where the stream resumes.
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
        self._warm_up_windows = whole_windows(origin, detector.window_samples)
        """Windows still to be passed to the detector only."""
        self._rest: Float32 = np.zeros(0, np.float32)
        """Audio of the incomplete window."""
        self.audio_end_sample = origin.first_sample
        """One past the last sample decoded, at 16 kHz."""

    @property
    def received_samples(self) -> int:
        """Sample frames since the start of the stream, at the input rate."""
        return self._decoder.received_samples

    @property
    def repaired_samples(self) -> int:
        """Samples replaced because they were NaN, infinite or out of range."""
        return self._decoder.repaired_samples

    @property
    def leftover_bytes(self) -> int:
        """Bytes of an incomplete sample frame at the end."""
        return self._decoder.leftover_bytes

    @property
    def pad_after_samples(self) -> int:
        """Audio that an utterance keeps after its last speech."""
        return self._segmenter.pad_after_samples

    @property
    def progress_interval_samples(self) -> int:
        """New audio between two progress events; stretched under load."""
        return self._segmenter.progress_interval_samples

    @progress_interval_samples.setter
    def progress_interval_samples(self, samples: int) -> None:
        self._segmenter.progress_interval_samples = samples

    def update(self, settings: SegmenterSettings) -> None:
        """Apply other settings from the next window on."""
        self._segmenter.update(settings)

    def push(self, data: bytes) -> list[SpeechEvent]:
        """Process the next bytes, split anywhere, and return the events they cause.

        Raises:
            AudioError: the bytes are not in the declared format.
        """
        return self._process(self._decoder.push(data).samples)

    def drop_partial_frame(self) -> None:
        """Discard the bytes of an incomplete sample frame; the client sends them again."""
        self._decoder.drop_partial_frame()

    def flush(self) -> list[SpeechEvent]:
        """End the open utterance now, if any."""
        if self._warm_up_windows:
            return []
        rest, self._rest = self._rest, np.zeros(0, np.float32)
        return self._segmenter.flush(rest)

    def finish(self) -> list[SpeechEvent]:
        """Process the audio still buffered in the resampler, and end the open utterance."""
        return [*self._process(self._decoder.finish().samples), *self.flush()]

    def _process(self, samples: Float32) -> list[SpeechEvent]:
        self.audio_end_sample += len(samples)
        audio = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        count = len(audio) // self._detector.window_samples
        split = count * self._detector.window_samples
        self._rest = audio[split:]
        if not count:
            return []
        windows = audio[:split].reshape(count, -1)
        probabilities: list[float] = self._detector.probabilities(windows).tolist()
        warm_up, events = min(self._warm_up_windows, count), list[SpeechEvent]()
        self._warm_up_windows -= warm_up
        for window, probability in zip(windows[warm_up:], probabilities[warm_up:], strict=True):
            events += self._segmenter.push(window, probability)
        return events
