"""Combines the pipelines of a session with several channels into one. PURE."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

from decoder.engine import EngineInfo
from decoder.scheduler import Answer
from decoder.types import DecodeRequest
from gateway.load.ladder import Step
from gateway.session.checkpoint import FRESH, Checkpoint
from gateway.session.pipeline import Effect, Pipeline
from gateway.session.stage_options import PipelineSettings
from gateway.session.stats import SessionStats
from gateway.wire import Finished, Flushed, OfChannel, ProtocolError, Ready, Start

__all__ = ["ChannelPipelines", "SessionPipeline", "open_pipeline"]

MAX_CHANNELS = 8
"""A meeting table with a microphone for each person; a channel costs as much as a session."""


class ChannelPipelines:
    """The pipelines of a session with two channels or more; the same interface as `Pipeline`.

    Each event is emitted as `OfChannel`, except `Ready`, `Flushed` and `Finished`, which the session emits once:
    `Flushed` and `Finished` when all channels have.

    Args:
        session_id: of the session; channel n asks the engine as `session_id/n`.
        start: the client's options, for each channel.
        settings: defaults of the options.
        info: the engine.

    Raises:
        ProtocolError: an option is not available.
    """

    def __init__(self, session_id: str, start: Start, settings: PipelineSettings, info: EngineInfo) -> None:
        self.engine_sessions = tuple(f"{session_id}/{n}" for n in range(start.channels))
        """The ids under which the engine is asked."""
        self._session_id = session_id
        self._next_seq = count(1).__next__
        self._pipelines = [Pipeline(name, start, settings, info, self._next_seq) for name in self.engine_sessions]
        self._flushed = [0] * start.channels
        """Flushes answered by each channel; all channels get the same flushes."""
        self._finished: list[Finished] = []

    @property
    def audio_end_sample(self) -> int:
        """One past the last sample received of the channel that is ahead, at 16 kHz."""
        return max(pipeline.audio_end_sample for pipeline in self._pipelines)

    @property
    def audio_samples(self) -> int:
        """Samples received of all channels, at 16 kHz."""
        return sum(pipeline.audio_end_sample for pipeline in self._pipelines)

    @property
    def next_sample(self) -> int:
        """The next sample frame expected of channel 0, at the client's rate."""
        return self._pipelines[0].next_sample

    @property
    def lag_s(self) -> float:
        """Seconds of audio received since the end of the oldest utterance whose final is outstanding."""
        return max(pipeline.lag_s for pipeline in self._pipelines)

    @property
    def stretch(self) -> float:
        """The longest interval of partials, in multiples of the set one, ≥ 1."""
        return max(pipeline.stretch for pipeline in self._pipelines)

    @property
    def stats(self) -> SessionStats:
        """The counts of all channels so far."""
        return sum((pipeline.stats for pipeline in self._pipelines), SessionStats())

    @property
    def language(self) -> str | None:
        """The requested language, ISO 639-1; None: it is detected."""
        return self._pipelines[0].language

    @property
    def pad_after_samples(self) -> int:
        """Audio that an utterance keeps after its last speech."""
        return self._pipelines[0].pad_after_samples

    def next_seq(self) -> int:
        """Return the number of the next event, for one that does not come from a pipeline."""
        return self._next_seq()

    def ready(self, seq: int) -> Ready:
        """Return the session's first event, with that number."""
        return replace(self._pipelines[0].ready(seq), session_id=self._session_id)

    def push_audio(self, data: bytes, now_s: float, channel: int = 0) -> list[Effect]:
        """Push the next bytes of a channel; see `Pipeline.push_audio`.

        Raises:
            ProtocolError: no such channel.
            AudioError: the bytes are not in the announced format.
            Lagging: transcription is too far behind.
        """
        if not 0 <= channel < len(self._pipelines):
            raise ProtocolError(f"channel {channel} out of range: expected 0–{len(self._pipelines) - 1}", "channel")
        return self._combined(channel, self._pipelines[channel].push_audio(data, now_s))

    def drop_partial_frame(self) -> None:
        """Drop the bytes of an incomplete sample frame, which the client will send again."""
        for pipeline in self._pipelines:
            pipeline.drop_partial_frame()

    def update(self, start: Start) -> None:
        """Change the options; see `Pipeline.update`.

        Raises:
            ProtocolError: an option is not available; then nothing changes.
        """
        for pipeline in self._pipelines:
            pipeline.update(start)

    def adapt(self, step: Step) -> list[Effect]:
        """Follow the overload ladder; see `Pipeline.adapt`."""
        return [
            effect
            for channel, pipeline in enumerate(self._pipelines)
            for effect in self._combined(channel, pipeline.adapt(step))
        ]

    def flush(self, flush_id: str, now_s: float) -> list[Effect]:
        """End the open utterance of each channel, and emit `Flushed` once everything so far has been answered."""
        return [
            effect
            for channel, pipeline in enumerate(self._pipelines)
            for effect in self._combined(channel, pipeline.flush(flush_id, now_s))
        ]

    def stop(self, now_s: float) -> list[Effect]:
        """End the stream, and emit `Finished` once everything has been answered."""
        return [
            effect
            for channel, pipeline in enumerate(self._pipelines)
            for effect in self._combined(channel, pipeline.stop(now_s))
        ]

    def answer(self, answer: Answer, now_s: float) -> list[Effect]:
        """Handle the engine's answer to one of this session's requests."""
        channel = self.engine_sessions.index(answer.request.session_id)
        return self._combined(channel, self._pipelines[channel].answer(answer, now_s))

    def _combined(self, channel: int, effects: Iterable[Effect]) -> list[Effect]:
        return [combined for effect in effects for combined in self._combine(channel, effect)]

    def _combine(self, channel: int, effect: Effect) -> list[Effect]:
        match effect:
            case DecodeRequest():
                return [effect]
            case Flushed():
                self._flushed[channel] += 1
                is_last = min(self._flushed) == self._flushed[channel]
                return [effect] if is_last else []
            case Finished():
                self._finished.append(effect)
                longest = max(finished.audio_samples for finished in self._finished)
                is_last = len(self._finished) == len(self._pipelines)
                return [replace(effect, audio_samples=longest, utterances=self.stats.finals)] if is_last else []
            case _:
                return [OfChannel(channel, effect)]


SessionPipeline = Pipeline | ChannelPipelines


def open_pipeline(
    session_id: str, start: Start, settings: PipelineSettings, info: EngineInfo, checkpoint: Checkpoint = FRESH
) -> SessionPipeline:
    """Return the pipeline of a session, of one channel or of several.

    Args:
        session_id: of the session.
        start: what the client wants.
        settings: defaults for what it leaves open.
        info: the engine.
        checkpoint: where a session of one channel goes on.

    Raises:
        ProtocolError: an option that is not available.
    """
    if not 1 <= start.channels <= MAX_CHANNELS:
        raise ProtocolError(f"{start.channels} channels: allowed are 1 to {MAX_CHANNELS}", "channels")
    if start.channels > 1:
        return ChannelPipelines(session_id, start, settings, info)
    return Pipeline(session_id, start, settings, info, checkpoint=checkpoint)
