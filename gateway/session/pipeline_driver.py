"""One session's pipeline at work: sound and wishes in, requests to the scheduler, events out."""

from collections import deque
from collections.abc import Callable, Iterable

import anyio
from anyio.lowlevel import checkpoint

from decoder.scheduler import Answer, Scheduler
from decoder.types import DecodeRequest
from gateway.journal.recording import Recording
from gateway.metrics import Metrics
from gateway.session.channel_pipelines import ChannelPipelines
from gateway.session.pipeline import Effect
from gateway.wire import (
    Final,
    Flush,
    Flushed,
    Gap,
    OfChannel,
    ProtocolError,
    ServerEvent,
    SpeechEnded,
    Stop,
    Update,
)
from gateway.wire.bounds import MAX_FLUSHES
from vad.audio import SAMPLE_RATE_HZ, AudioFormat

__all__ = ["Charge", "PipelineDriver"]

_SLICE_S = 0.5
"""Sound worked on between two looks at the other sessions: about 2 ms of voice activity detection."""

_LOST_S = 10.0
"""Lost sound heard as silence between two looks at what the engine still has to answer: a tenth of what is lagging."""

Charge = Callable[[float], None]
"""Is called with the seconds of sound just heard; raises `Unauthorized` or `InsufficientCredits` if no more may be."""


class PipelineDriver:
    """Drives one pipeline.

    Args:
        pipeline: of the session.
        audio: format of its sound.
        scheduler: of the engine.
        metrics: count the sound.
        say: called with each event.
    """

    def __init__(
        self,
        pipeline: ChannelPipelines,
        audio: AudioFormat,
        scheduler: Scheduler,
        metrics: Metrics,
        say: Callable[[ServerEvent], None],
    ) -> None:
        self.has_stopped = False
        """Whether no more is heard; what was heard is still answered."""
        self.recording: Recording | None = None
        """Keeps the sound, where that is wanted."""
        self.paid_samples = 0
        """Sound up to there, at 16 kHz, costs nothing any more: it was heard before, and is heard again."""
        self._pipeline = pipeline
        self._audio = audio
        self._scheduler = scheduler
        self._metrics = metrics
        self._say = say
        self._slice_bytes = round(audio.sample_rate_hz * _SLICE_S) * audio.bytes_per_sample_frame
        self._answers: deque[Answer] = deque()
        """One for each request outstanding, at most."""
        self._flushes = 0
        """Outstanding ones."""
        self._owed_finals = 0
        """Of utterances that have ended."""
        self._answered, self._applied = anyio.Event(), anyio.Event()

    async def run(self) -> None:
        """Take what the engine answers, until cancelled."""
        try:
            while True:
                await self._answered.wait()
                self._answered = anyio.Event()
                while self._answers:
                    self._apply(self._pipeline.answer(self._answers.popleft(), self._scheduler.now_s()))
                self._applied.set()
                self._applied = anyio.Event()
        finally:
            for engine_session in self._pipeline.engine_sessions:
                self._scheduler.forget(engine_session)

    async def answered(self) -> None:
        """Return when every utterance that has ended has its final."""
        while self._owed_finals:
            await self._applied.wait()

    async def push_audio(self, data: bytes, channel: int, charge: Charge, is_wanted: Callable[[], bool]) -> None:
        """Hear a message of sound slice by slice, so that a large one delays no other session.

        Args:
            data: in the announced format, cut anywhere.
            channel: whose.
            charge: who pays.
            is_wanted: asked before each slice; what is not wanted any more is left.

        Raises:
            AudioError: it is not in the announced format.
            InsufficientCredits, Unauthorized: no more may be heard.
            Lagging: the engine has been too slow for too long.
            ProtocolError: there is no such channel.
        """
        for start in range(0, len(data), self._slice_bytes):
            if start:
                await checkpoint()
            if self.has_stopped or not is_wanted():
                return
            piece, before = data[start : start + self._slice_bytes], self._pipeline.audio_samples
            if self.recording is not None:
                self.recording.write(piece, channel)
            self._apply(self._pipeline.push_audio(piece, self._scheduler.now_s(), channel))
            heard = self._pipeline.audio_samples
            self._metrics.audio_s.inc((heard - before) / SAMPLE_RATE_HZ)
            charge((max(heard, self.paid_samples) - max(before, self.paid_samples)) / SAMPLE_RATE_HZ)

    async def push_gap(self, sample_frames: int, is_wanted: Callable[[], bool]) -> None:
        """Say that so much sound is lost, and hear silence in its place: for nothing, and as fast as all keep up.

        Args:
            sample_frames: at the client's rate.
            is_wanted: asked now and then.
        """
        if self.has_stopped:
            return
        begin, rate_hz = self._pipeline.audio_end_sample, self._audio.sample_rate_hz
        self._say(Gap(self._pipeline.next_seq(), begin, begin + sample_frames * SAMPLE_RATE_HZ // rate_hz))
        at_once = round(_LOST_S * rate_hz)
        for start in range(0, sample_frames, at_once):
            while self._pipeline.lag_s > 0 and is_wanted():
                await self._applied.wait()
            silence = self._audio.silence(min(at_once, sample_frames - start))
            if self.recording is not None:
                await self.recording.caught_up()
            await self.push_audio(silence, 0, lambda audio_s: None, is_wanted)

    def drop_cut(self) -> None:
        """Forget the bytes of a sample frame that is not whole: it will be sent again."""
        self._pipeline.drop_cut()
        if self.recording is not None:
            self.recording.drop_cut()

    def handle(self, wish: Update | Flush | Stop) -> None:
        """Do what the client wants beside being heard; after the first stop there is nothing more to do.

        Raises:
            ProtocolError: a wish that cannot be met.
        """
        if self.has_stopped:
            return
        now_s = self._scheduler.now_s()
        match wish:
            case Update(start):
                self._pipeline.update(start)
            case Flush(flush_id):
                if self._flushes >= MAX_FLUSHES:
                    raise ProtocolError(f"{MAX_FLUSHES} flushes are outstanding: wait for one to be answered")
                self._flushes += 1
                self._apply(self._pipeline.flush(flush_id, now_s))
            case Stop():
                self.has_stopped = True
                self._apply(self._pipeline.stop(now_s))

    def _deliver(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._answered.set()

    def _apply(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, DecodeRequest):
                self._scheduler.submit(effect, self._deliver)
            else:
                inner = effect.event if isinstance(effect, OfChannel) else effect
                self._flushes -= isinstance(inner, Flushed)
                self._owed_finals += isinstance(inner, SpeechEnded) - isinstance(inner, Final)
                self._say(effect)
