"""Several channels of one session, each with a pipeline of its own, seen as one. PURE."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count

from decoder.engine import EngineInfo
from decoder.scheduler import Answer
from decoder.types import DecodeRequest
from gateway.session.checkpoint import FRESH, Checkpoint
from gateway.session.pipeline import Effect, Pipeline, PipelineSettings
from gateway.wire import Finished, Flushed, OfChannel, ProtocolError, Ready, Start

__all__ = ["ChannelPipelines"]

MAX_CHANNELS = 8
"""A table with a microphone for everybody; each costs as much as a session."""


class ChannelPipelines:
    """The pipelines of a session with one channel or several.

    With one channel its events are the session's. With several each event comes as `OfChannel`, but `Ready`, `Flushed`
    and `Finished`, which the session says once: the latter two when all channels have.

    Args:
        session_id: who asks the engine; channel n of several asks as `session_id/n`.
        start: what the client wants of each channel.
        settings: what it gets where it has no wish.
        info: the engine.
        checkpoint: where a session of one channel goes on.

    Raises:
        ProtocolError: a wish that cannot be met.
    """

    def __init__(
        self,
        session_id: str,
        start: Start,
        settings: PipelineSettings,
        info: EngineInfo,
        checkpoint: Checkpoint = FRESH,
    ) -> None:
        if not 1 <= start.channels <= MAX_CHANNELS:
            raise ProtocolError(f"{start.channels} channels: allowed are 1 to {MAX_CHANNELS}", "channels")
        self._session_id = session_id
        self._next_seq = count(checkpoint.first_seq).__next__
        self.engine_sessions = (
            (session_id,) if start.channels == 1 else tuple(f"{session_id}/{n}" for n in range(start.channels))
        )
        """Who asks the engine."""
        self._pipelines = [
            Pipeline(engine_session, start, settings, info, self._next_seq, checkpoint)
            for engine_session in self.engine_sessions
        ]
        self._flushed = [0] * start.channels
        """Flushes that each channel has answered; all are asked the same."""
        self._finished: list[Finished] = []

    @property
    def audio_end_sample(self) -> int:
        """One past the last sample heard of the channel that is ahead, at 16 kHz."""
        return max(pipeline.audio_end_sample for pipeline in self._pipelines)

    @property
    def audio_samples(self) -> int:
        """Samples heard of all channels, at 16 kHz."""
        return sum(pipeline.audio_end_sample for pipeline in self._pipelines)

    @property
    def lag_s(self) -> float:
        """How much sound has been heard since the end of the oldest utterance whose final is outstanding."""
        return max(pipeline.lag_s for pipeline in self._pipelines)

    @property
    def finals(self) -> int:
        """How many finals have been said."""
        return sum(pipeline.finals for pipeline in self._pipelines)

    @property
    def guarded(self) -> Mapping[tuple[str, str], int]:
        """What the hallucination guard found: (partial or final, reason) → times."""
        return sum((Counter(pipeline.guarded) for pipeline in self._pipelines), Counter())

    @property
    def eager(self) -> Mapping[str, int]:
        """Eager finals that were used, and dropped."""
        pipelines = self._pipelines
        return {"used": sum(p.eager_used for p in pipelines), "dropped": sum(p.eager_dropped for p in pipelines)}

    @property
    def language(self) -> str | None:
        """The language that is asked for, ISO 639-1; None: it is detected."""
        return self._pipelines[0].languages.code

    def next_seq(self) -> int:
        """Return the number of the next event, for one the shell sends itself."""
        return self._next_seq()

    def ready(self) -> Ready:
        """Return the session's first event."""
        return replace(self._pipelines[0].ready(), session_id=self._session_id)

    def push_audio(self, data: bytes, now_s: float, channel: int = 0) -> list[Effect]:
        """Hear the next bytes of a channel; see `Pipeline.hear`.

        Raises:
            ProtocolError: there is no such channel.
            AudioError: the bytes are not in the announced format.
            Lagging: the engine has been too slow for too long.
        """
        if not 0 <= channel < len(self._pipelines):
            raise ProtocolError(f"sound of channel {channel}: there are {len(self._pipelines)}, from 0 on", "channel")
        return self._told(channel, self._pipelines[channel].push_audio(data, now_s))

    @property
    def next_sample(self) -> int:
        """The sample frame, at the client's rate, that is to come next; of the only channel."""
        return self._pipelines[0].next_sample

    def drop_cut(self) -> None:
        """Forget the bytes of a sample frame that is not whole: it will be sent again."""
        for pipeline in self._pipelines:
            pipeline.drop_cut()

    def update(self, start: Start) -> None:
        """Go on with other wishes; see `Pipeline.update`.

        Raises:
            ProtocolError: one that cannot be met; then all stays as it was.
        """
        for pipeline in self._pipelines:
            pipeline.update(start)

    def flush(self, flush_id: str, now_s: float) -> list[Effect]:
        """End the open utterance of each channel, and say `Flushed` when everything so far has been answered."""
        return [
            effect
            for channel, pipeline in enumerate(self._pipelines)
            for effect in self._told(channel, pipeline.flush(flush_id, now_s))
        ]

    def stop(self, now_s: float) -> list[Effect]:
        """End the stream, and say `Finished` when everything has been answered."""
        return [
            effect
            for channel, pipeline in enumerate(self._pipelines)
            for effect in self._told(channel, pipeline.stop(now_s))
        ]

    def answer(self, answer: Answer, now_s: float) -> list[Effect]:
        """Take in the engine's answer to one of this session's requests."""
        channel = self.engine_sessions.index(answer.request.session_id)
        return self._told(channel, self._pipelines[channel].answer(answer, now_s))

    def _told(self, channel: int, effects: Iterable[Effect]) -> list[Effect]:
        if len(self._pipelines) == 1:
            return list(effects)
        return [told for effect in effects for told in self._of(channel, effect)]

    def _of(self, channel: int, effect: Effect) -> list[Effect]:
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
                return [replace(effect, audio_samples=longest, utterances=self.finals)] if is_last else []
            case _:
                return [OfChannel(channel, effect)]
