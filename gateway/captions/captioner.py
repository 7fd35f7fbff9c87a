"""From answers to captions: utterances are emitted one after the other, each until its final. PURE."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.stabiliser import Stabiliser
from decoder.types import EngineError, Hypothesis, RequestKind, Transcript, Word
from gateway.captions.cue_builder import CueBuilder
from gateway.captions.guard import Guard
from gateway.wire import (
    CueEvent,
    Eager,
    Final,
    Finished,
    Flushed,
    Latency,
    Partial,
    Resumed,
    ServerEvent,
    Start,
)
from gateway.wire.cue import CueState
from gateway.wire.words import committed_and_open, text_of, whole_words
from vad.audio import SAMPLE_RATE_HZ
from vad.events import SpeechEnded

__all__ = ["Captioner"]


@dataclass(frozen=True, slots=True)
class _Ended:
    """The end of an utterance, when it was detected, and the revision of the request for its final."""

    event: SpeechEnded
    at_s: float
    revision: int


@dataclass(slots=True)
class _Utterance:
    """One utterance from its first sample to its final."""

    utterance_id: int
    start_sample: int
    stabiliser: Stabiliser
    partial: Answer | None = None
    """The newest partial; it is pending while an earlier utterance has no final."""
    eager: Answer | None = None
    """The answer for the current pause."""
    eager_is_sent: bool = False
    ended: _Ended | None = None
    final: Answer | None = None


@dataclass(frozen=True, slots=True)
class _Mark:
    """An event to be emitted after the finals of all utterances before it."""

    event: Flushed | Finished


class Captioner:
    """Turns the answers of one session into its cues and finals.

    Only the oldest unfinished utterance emits events. A partial of a later one is kept until its turn or until a newer
    one replaces it; finals are emitted in the order of their utterances, whatever the order of their answers. So finals
    concatenate to the transcript, and cues never go back in time.

    Args:
        start: the client's options.
        cues: the session's cue builder.
        stabiliser: settings of each utterance's stabiliser.
        guard: settings of the hallucination guard.
        next_seq: returns the sequence number of the next event.
        finals: number of finals emitted before the session was resumed.
    """

    def __init__(
        self,
        start: Start,
        cues: CueBuilder,
        stabiliser: StabiliserSettings,
        guard: GuardSettings,
        next_seq: Callable[[], int],
        finals: int = 0,
    ) -> None:
        self.finals, self.words = finals, 0
        self.eager_finals = 0
        """Finals answered by an eager request."""
        self._start = start
        self._cues = cues
        self._stabiliser = stabiliser
        self._guard = Guard(guard)
        self._next_seq = next_seq
        self._queue: deque[_Utterance | _Mark] = deque()
        self._utterances: dict[int, _Utterance] = {}
        """The utterances in the queue, by id."""

    @property
    def guarded(self) -> Counter[tuple[str, str]]:
        """The guard's objections: (partial or final, reason) → number."""
        return self._guard.counts

    @property
    def answered_until(self) -> int | None:
        """Start of the oldest utterance without a final; None if all have one."""
        return next((u.start_sample for u in self._utterances.values()), None)

    @property
    def oldest_ended(self) -> SpeechEnded | None:
        """The oldest ended utterance without a final; None if there is none."""
        return next((u.ended.event for u in self._utterances.values() if u.ended is not None), None)

    def committed(self, utterance_id: int) -> tuple[Word, ...]:
        """Return the committed words of an unfinished utterance; only its final may change them."""
        return self._utterances[utterance_id].stabiliser.committed

    def update(self, start: Start) -> None:
        """Apply new options from here on."""
        self._start = start

    def begin(self, utterance_id: int, start_sample: int) -> None:
        """Append a new utterance to the queue."""
        utterance = _Utterance(utterance_id, start_sample, Stabiliser(utterance_id, self._stabiliser))
        self._utterances[utterance_id] = utterance
        self._queue.append(utterance)

    def end(self, event: SpeechEnded, revision: int, now_s: float) -> list[ServerEvent]:
        """Handle the end of an utterance.

        Args:
            event: its end.
            revision: of the request for its final; it may be an eager one that is already answered.
            now_s: when the end was detected.
        """
        utterance = self._utterances[event.utterance_id]
        utterance.ended = _Ended(event, now_s, revision)
        if utterance.eager is not None and utterance.eager.request.revision == revision:
            utterance.final = utterance.eager
            return self._emit(now_s)
        return self.resume(event.utterance_id) + self._emit(now_s)

    def waits_for(self, utterance_id: int, revision: int) -> bool:
        """Return whether the request of that revision is for the final of an ended utterance."""
        utterance = self._utterances.get(utterance_id)
        return utterance is not None and utterance.ended is not None and utterance.ended.revision == revision

    def ask_again(self, utterance_id: int, revision: int) -> None:
        """Expect the final of an ended utterance from another request, because the eager one failed."""
        utterance = self._utterances[utterance_id]
        assert utterance.ended is not None, "an open utterance is not answered yet"
        utterance.ended = replace(utterance.ended, revision=revision)

    def resume(self, utterance_id: int) -> list[ServerEvent]:
        """Discard an eager final, because speech resumed or its end differs; retract it if it was sent."""
        utterance = self._utterances[utterance_id]
        was_sent, utterance.eager_is_sent, utterance.eager = utterance.eager_is_sent, False, None
        return [Resumed(self._next_seq(), utterance_id)] if was_sent else []

    def mark(self, event: Flushed | Finished, now_s: float) -> list[ServerEvent]:
        """Emit an event after everything before it."""
        self._queue.append(_Mark(event))
        return self._emit(now_s)

    def answer(self, answer: Answer, now_s: float, *, is_paused: bool = True) -> list[ServerEvent]:
        """Handle the answer to a request, and return the events that can be emitted now.

        Answers for utterances that already have a final are discarded.

        Args:
            answer: to any request of the session.
            now_s: when it arrived.
            is_paused: whether the pause of an eager request still lasts; if not, its answer counts as a partial.
        """
        utterance = self._utterances.get(answer.request.utterance_id)
        if utterance is None:
            return []
        if utterance.ended is not None and utterance.ended.revision == answer.request.revision:
            utterance.final = answer
        elif isinstance(answer.outcome, Hypothesis):
            utterance.partial = answer
            is_eager = answer.request.kind is RequestKind.EAGER and is_paused
            utterance.eager = answer if is_eager else utterance.eager
        return self._emit(now_s)

    def _emit(self, now_s: float) -> list[ServerEvent]:
        events: list[ServerEvent] = []
        while self._queue:
            head = self._queue[0]
            if isinstance(head, _Mark):
                events.append(self._numbered(head.event))
            elif head.ended is not None and head.final is not None:
                events += self._final(head, head.ended, head.final, now_s)
                del self._utterances[head.utterance_id]
            else:
                return events + self._partial(head)
            self._queue.popleft()
        return events

    def _numbered(self, event: Flushed | Finished) -> Flushed | Finished:
        if isinstance(event, Finished):
            return Finished(self._next_seq(), event.audio_samples, self.finals)
        return Flushed(self._next_seq(), event.flush_id)

    def _partial(self, utterance: _Utterance) -> list[ServerEvent]:
        answer, utterance.partial = utterance.partial, None
        if answer is None or not isinstance(answer.outcome, Hypothesis):
            return []
        outcome = answer.outcome
        words = self._guard.judge(answer.request, outcome, is_final=False).words
        audio_end_sample = answer.request.end_sample
        transcript = utterance.stabiliser.update(
            words,
            answer.request.revision,
            audio_end_sample,
            is_cut=answer.request.ends_in_speech,
            avg_logprob=outcome.avg_logprob,
            is_timed=outcome.is_timed,
        )
        events = self._cue_events(transcript, outcome.language, audio_end_sample)
        if self._start.transcripts:
            events.append(_partial_of(transcript, utterance, answer, self._next_seq()))
        if self._start.eager and answer is utterance.eager:
            utterance.eager_is_sent = True
            # the words of the final, not those that partials committed
            events.append(Eager(self._next_seq(), utterance.utterance_id, text_of(words), outcome.language))
        return events

    def _final(self, utterance: _Utterance, ended: _Ended, answer: Answer, now_s: float) -> list[ServerEvent]:
        outcome, revision = answer.outcome, answer.request.revision
        events: list[ServerEvent] = []
        reasons: tuple[str, ...] = ()
        if isinstance(outcome, EngineError):
            events += self._partial(utterance)  # a pending partial may have words that the stabiliser does not know yet
            transcript, language, error = utterance.stabiliser.abandon(revision), None, outcome.code
        else:
            verdict = self._guard.judge(answer.request, outcome, is_final=True)
            transcript = utterance.stabiliser.finish(verdict.words, revision)
            language, error, reasons = outcome.language, None, verdict.reasons
        words = whole_words(transcript.committed)
        self.finals, self.words = self.finals + 1, self.words + len(words)
        self.eager_finals += answer.request.kind is RequestKind.EAGER
        events += self._cue_events(transcript, language, ended.event.audio_end_sample)
        final = Final(
            seq=self._next_seq(),
            utterance_id=utterance.utterance_id,
            start_sample=utterance.start_sample,
            end_sample=ended.event.end_sample,
            text=text_of(transcript.committed),
            language=language,
            latency=_latency(ended, answer, now_s),
            words=words if self._start.words else (),
            error=error,
            guard=reasons if self._start.guard else (),
        )
        return [*events, final]

    def _cue_events(self, transcript: Transcript, language: str | None, audio_end_sample: int) -> list[ServerEvent]:
        cues = self._cues.update(transcript, audio_end_sample, language)
        visible = [cue for cue in cues if self._start.partials or cue.state is CueState.FINAL]
        return [CueEvent(self._next_seq(), cue) for cue in visible]


def _partial_of(transcript: Transcript, utterance: _Utterance, answer: Answer, seq: int) -> Partial:
    spans = committed_and_open(transcript.committed, transcript.tail)
    position = utterance.utterance_id, utterance.start_sample, answer.request.end_sample
    assert isinstance(answer.outcome, Hypothesis)
    return Partial(seq, *position, *spans, answer.outcome.language, text_of(transcript.committed))


def _latency(ended: _Ended, answer: Answer, now_s: float) -> Latency:
    """Return the parts of the time from the end of speech to now, without an eager answer's time before the end."""
    endpoint_s = (ended.event.audio_end_sample - ended.event.voiced_end_sample) / SAMPLE_RATE_HZ
    beyond_s = max(0.0, answer.answered_s - ended.at_s)
    decode_s = min(answer.decode_s, beyond_s)
    queue_s = min(answer.queue_s, beyond_s - decode_s)
    return Latency(endpoint_s, queue_s, decode_s, max(0.0, now_s - max(answer.answered_s, ended.at_s)))
