"""What goes with a client's audio on its way into the pipeline: slicing, recording, counting, charging."""

from collections.abc import Callable, Iterator

from gateway.journal.recording import Recording
from gateway.metrics import Metrics
from gateway.session.channel_pipelines import SessionPipeline
from gateway.session.pipeline_driver import PipelineDriver
from vad.audio import SAMPLE_RATE_HZ, AudioFormat

__all__ = ["AudioIntake", "Charge"]

_SLICE_S = 0.5
"""Audio processed before other sessions get a turn: about 2 ms of voice activity detection."""

_GAP_SLICE_S = 10.0
"""Lost audio replaced by silence between two checks of the lag: a ninth of the limit."""

Charge = Callable[[float], None]
"""Charges seconds of audio just pushed; raises `Unauthorized` or `InsufficientCredits` if no more may follow."""


class AudioIntake:
    """The audio account of one session.

    Args:
        driver: of the pipeline.
        pipeline: of the session.
        audio: format of the client's audio.
        metrics: count the audio.
        recording: records the audio; None: it is not recorded.
        paid_samples: samples at 16 kHz that are free, since they were charged before the session was resumed.
    """

    def __init__(
        self,
        driver: PipelineDriver,
        pipeline: SessionPipeline,
        audio: AudioFormat,
        metrics: Metrics,
        recording: Recording | None = None,
        paid_samples: int = 0,
    ) -> None:
        self._driver = driver
        self._pipeline = pipeline
        self._audio = audio
        self._metrics = metrics
        self._recording = recording
        self._paid_samples = paid_samples
        self._accounted_samples = pipeline.audio_samples
        self._gap_end_sample = 0
        """End of the newest lost audio, at 16 kHz."""
        self._slice_bytes = round(audio.sample_rate_hz * _SLICE_S) * audio.bytes_per_sample_frame

    def slices(self, data: bytes) -> Iterator[bytes]:
        """Yield an audio message in pieces, so that a large one delays no other session."""
        for start in range(0, len(data), self._slice_bytes):
            yield data[start : start + self._slice_bytes]

    def account(self, piece: bytes, channel: int, charge: Charge) -> None:
        """Record a piece of audio that was pushed, count it, and charge for it.

        Args:
            piece: in the announced format, cut anywhere.
            channel: from 0.
            charge: charges the client.

        Raises:
            InsufficientCredits, Unauthorized: no more audio may follow.
        """
        if self._recording is not None:
            self._recording.write(piece, channel)
        before, after = self._accounted_samples, self._pipeline.audio_samples
        self._accounted_samples = after
        self._metrics.audio_s.inc((after - before) / SAMPLE_RATE_HZ)
        charge((max(after, self._paid_samples) - max(before, self._paid_samples)) / SAMPLE_RATE_HZ)

    def is_new_gap(self, begin: int, end: int) -> bool:
        """Note lost audio, and return whether it is new: clients repeat a mark after a resume.

        Args:
            begin: its first sample at 16 kHz; what begins within an earlier span is not new.
            end: the sample after it.
        """
        if begin < self._gap_end_sample:
            return False
        self._gap_end_sample = end
        return True

    def gap_slices(self, sample_frames: int) -> Iterator[bytes]:
        """Yield silence in place of lost audio, in pieces.

        Args:
            sample_frames: how many were lost, at the client's rate.
        """
        slice_frames = round(_GAP_SLICE_S * self._audio.sample_rate_hz)
        for start in range(0, sample_frames, slice_frames):
            yield self._audio.silence(min(slice_frames, sample_frames - start))

    async def caught_up(self, is_accepted: Callable[[], bool]) -> None:
        """Wait until the engine and the recording have caught up, or audio is no longer accepted."""
        while self._pipeline.lag_s > 0 and is_accepted():
            await self._driver.progress()
        if self._recording is not None:
            await self._recording.caught_up()

    def drop_partial_frame(self) -> None:
        """Drop the bytes of an incomplete sample frame, which the client will send again."""
        self._pipeline.drop_partial_frame()
        if self._recording is not None:
            self._recording.drop_partial_frame()
