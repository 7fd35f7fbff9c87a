"""Audio of a session's client on its way into the pipeline: sliced, recorded, counted and charged."""

from collections.abc import Callable, Iterator

from gateway.journal.recording import Recording
from gateway.metrics import Metrics
from gateway.session.channel_pipelines import SessionPipeline
from gateway.session.pipeline_driver import PipelineDriver
from vad.audio import SAMPLE_RATE_HZ, AudioFormat

__all__ = ["AudioIntake", "Charge"]

_SLICE_S = 0.5
"""Audio processed between two looks at other sessions: about 2 ms of voice activity detection."""

_GAP_SLICE_S = 10.0
"""Lost audio replaced by silence between two looks at the lag: a ninth of the limit."""

Charge = Callable[[float], None]
"""Called with the seconds of audio just pushed; raises `Unauthorized` or `InsufficientCredits` when that was all."""


class AudioIntake:
    """Where audio enters a session.

    Args:
        driver: of the pipeline.
        pipeline: of the session.
        audio: format of its audio.
        metrics: count the audio.
        recording: keeps the audio; None: it is not kept.
        paid_samples: audio up to there, at 16 kHz, is free: it was charged before the session was resumed.
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
        self._slice_bytes = round(audio.sample_rate_hz * _SLICE_S) * audio.bytes_per_sample_frame

    def slices(self, data: bytes) -> Iterator[bytes]:
        """Yield a message of audio in pieces, so that a large one delays no other session."""
        for start in range(0, len(data), self._slice_bytes):
            yield data[start : start + self._slice_bytes]

    def push(self, piece: bytes, channel: int, charge: Charge) -> None:
        """Push one piece of a channel's audio.

        Args:
            piece: in the announced format, cut anywhere.
            channel: whose.
            charge: for whom.

        Raises:
            AudioError: it is not in the announced format.
            InsufficientCredits, Unauthorized: no more may follow.
            Lagging: the engine has been too slow for too long.
            ProtocolError: there is no such channel.
        """
        before = self._pipeline.audio_samples
        if self._recording is not None:
            self._recording.write(piece, channel)
        self._driver.push_audio(piece, channel)
        after = self._pipeline.audio_samples
        self._metrics.audio_s.inc((after - before) / SAMPLE_RATE_HZ)
        charge((max(after, self._paid_samples) - max(before, self._paid_samples)) / SAMPLE_RATE_HZ)

    def gap_slices(self, sample_frames: int) -> Iterator[bytes]:
        """Yield silence in place of lost audio, in pieces.

        Args:
            sample_frames: that are lost, at the client's rate.
        """
        at_once = round(_GAP_SLICE_S * self._audio.sample_rate_hz)
        for start in range(0, sample_frames, at_once):
            yield self._audio.silence(min(at_once, sample_frames - start))

    async def caught_up(self, is_wanted: Callable[[], bool]) -> None:
        """Return when the engine and the recording have caught up with the audio, or it is not wanted any more."""
        while self._pipeline.lag_s > 0 and is_wanted():
            await self._driver.progress()
        if self._recording is not None:
            await self._recording.caught_up()

    def drop_partial_frame(self) -> None:
        """Drop the bytes of an incomplete sample frame: it will be sent again."""
        self._pipeline.drop_partial_frame()
        if self._recording is not None:
            self._recording.drop_partial_frame()
