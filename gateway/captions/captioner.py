"""From answers to captions: utterances speak one after the other, each until its final. PURE."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from decoder.hallucination_filter import Verdict, judge
from decoder.scheduler import Answer
from decoder.settings import GuardSettings, StabiliserSettings
from decoder.stabiliser import Stabiliser
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind, Transcript, Word
from gateway.captions.cue_builder import CueBuilder
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
from gateway.wire.words import settled_and_open, text_of, whole_words
from vad.audio import SAMPLE_RATE_HZ
from vad.events import SpeechEnded

__all__ = ["Captioner"]


@dataclass(frozen=True, slots=True)
class _Ended:
    """The end of an utterance, when it was known, and the revision of the request that answers it."""

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
    """The newest partial; it waits here while an earlier utterance still speaks."""
    eager: Answer | None = None
    """Of the pause the speaker is in."""
    eager_is_told: bool = False
    ended: _Ended | None = None
    final: Answer | None = None


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something to be said when all utterances before it have had their finals."""

    event: Flushed | Finished


class Captioner:
    """Turns the answers of one session into its cues and finals.

    Only the oldest unfinished utterance speaks. A partial that comes early waits, replaced by newer ones; finals are
    said in the order of their utterances, whatever the order of their answers; so finals concatenate to the
    transcript, and cues never go back in time.

    Args:
        start: what the client wants to be told.
        cues: the session's cue builder.
        stabiliser: settings of each utterance's.
        guard: settings of the hallucination guard.
        next_seq: gives each event its number.
        finals: how many were said before the session was taken up.
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
        self.finals = finals
        self.eager_finals = 0
        """Of these, those that an eager request has answered."""
        self.guarded: Counter[tuple[str, str]] = Counter()
        """What the guard found: (partial or final, reason) → times."""
        self._start = start
        self._cues = cues
        self._stabiliser = stabiliser
        self._guard = guard
        self._next_seq = next_seq
        self._queue: deque[_Utterance | _Mark] = deque()
        self._utterances: dict[int, _Utterance] = {}
        """The utterances in the queue, by id."""

    @property
    def answered_until(self) -> int | None:
        """Start of the oldest utterance without a final; None when there is none."""
        return next((u.start_sample for u in self._utterances.values()), None)

    @property
    def oldest_ended(self) -> SpeechEnded | None:
        """The oldest utterance that has ended and has no final; None when there is none."""
        return next((u.ended.event for u in self._utterances.values() if u.ended is not None), None)

    def committed(self, utterance_id: int) -> tuple[Word, ...]:
        """Return the words of an unfinished utterance that only its final may change."""
        return self._utterances[utterance_id].stabiliser.committed

    def update(self, start: Start) -> None:
        """Tell from here on what another start asks for."""
        self._start = start

    def begin(self, utterance_id: int, start_sample: int) -> None:
        """Let an utterance take its place in the queue."""
        utterance = _Utterance(utterance_id, start_sample, Stabiliser(utterance_id, self._stabiliser))
        self._utterances[utterance_id] = utterance
        self._queue.append(utterance)

    def end(self, event: SpeechEnded, revision: int, now_s: float) -> list[ServerEvent]:
        """Note that an utterance is complete.

        Args:
            event: its end.
            revision: of the request whose answer is its final, an eager one that may be answered already included.
            now_s: when that was known.
        """
        utterance = self._utterances[event.utterance_id]
        utterance.ended = _Ended(event, now_s, revision)
        if utterance.eager is not None and utterance.eager.request.revision == revision:
            utterance.final = utterance.eager
            return self._speak(now_s)
        return self.resume(event.utterance_id) + self._speak(now_s)

    def waits_for(self, utterance_id: int, revision: int) -> bool:
        """Return whether an ended utterance waits for the answer to the request of that revision."""
        utterance = self._utterances.get(utterance_id)
        return utterance is not None and utterance.ended is not None and utterance.ended.revision == revision

    def ask_again(self, utterance_id: int, revision: int) -> None:
        """Note that another request answers an ended utterance, for the eager one has failed."""
        utterance = self._utterances[utterance_id]
        assert utterance.ended is not None, "an open utterance is not answered yet"
        utterance.ended = replace(utterance.ended, revision=revision)

    def resume(self, utterance_id: int) -> list[ServerEvent]:
        """Note that an eager final is void, for the speaker goes on or has ended otherwise; take it back if sent."""
        utterance = self._utterances[utterance_id]
        was_told, utterance.eager_is_told, utterance.eager = utterance.eager_is_told, False, None
        return [Resumed(self._next_seq(), utterance_id)] if was_told else []

    def mark(self, event: Flushed | Finished, now_s: float) -> list[ServerEvent]:
        """Say an event when everything before it has been said."""
        self._queue.append(_Mark(event))
        return self._speak(now_s)

    def answer(self, answer: Answer, now_s: float, *, is_paused: bool = True) -> list[ServerEvent]:
        """Take in the answer to a request, and return what can be said now.

        Answers to utterances that have had their final are discarded.

        Args:
            answer: to any request of the session.
            now_s: when it came.
            is_paused: whether the pause lasts that an eager request is of; the words of one that comes later are those
                of a partial.
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
        return self._speak(now_s)

    def _judged(self, request: DecodeRequest, heard: Hypothesis, *, is_final: bool) -> Verdict:
        """Return what the guard leaves of a hypothesis.

        A partial is judged as the final will be: words that are going to be dropped must not be committed before.
        """
        verdict = judge(replace(request, kind=RequestKind.FINAL), heard, self._guard)
        self.guarded.update(("final" if is_final else "partial", reason) for reason in verdict.reasons)
        return verdict

    def _speak(self, now_s: float) -> list[ServerEvent]:
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
        words = self._judged(answer.request, outcome, is_final=False).words
        audio_end_sample, is_cut = answer.request.end_sample, answer.request.ends_in_speech
        transcript = utterance.stabiliser.update(
            words, answer.request.revision, audio_end_sample, is_cut=is_cut, avg_logprob=outcome.avg_logprob
        )
        events = self._cue_events(transcript, outcome.language, audio_end_sample)
        if self._start.transcripts:
            spans = settled_and_open(transcript.committed, transcript.tail)
            told = utterance.utterance_id, utterance.start_sample, audio_end_sample
            committed_text = text_of(transcript.committed)
            events.append(Partial(self._next_seq(), *told, *spans, outcome.language, committed_text))
        if self._start.eager and answer is utterance.eager:
            utterance.eager_is_told = True
            # the final is these words, not what partials have committed
            events.append(Eager(self._next_seq(), utterance.utterance_id, text_of(words), outcome.language))
        return events

    def _final(self, utterance: _Utterance, ended: _Ended, answer: Answer, now_s: float) -> list[ServerEvent]:
        outcome, revision = answer.outcome, answer.request.revision
        events: list[ServerEvent] = []
        reasons: tuple[str, ...] = ()
        if isinstance(outcome, EngineError):
            events += self._partial(utterance)  # one that waited for its turn has words the stabiliser has not seen
            transcript, language, error = utterance.stabiliser.abandon(revision), None, outcome.code
        else:
            verdict = self._judged(answer.request, outcome, is_final=True)
            transcript = utterance.stabiliser.finish(verdict.words, revision)
            language, error, reasons = outcome.language, None, verdict.reasons
        self.finals += 1
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
            words=whole_words(transcript.committed) if self._start.words else (),
            error=error,
            guard=reasons if self._start.guard else (),
        )
        return [*events, final]

    def _cue_events(self, transcript: Transcript, language: str | None, audio_end_sample: int) -> list[ServerEvent]:
        cues = self._cues.update(transcript, audio_end_sample, language)
        shown = [cue for cue in cues if self._start.partials or cue.state is CueState.FINAL]
        return [CueEvent(self._next_seq(), cue) for cue in shown]


def _latency(ended: _Ended, answer: Answer, now_s: float) -> Latency:
    """Split the time from the end of speech to now; what an eager answer took before the end was known is free."""
    endpoint_s = (ended.event.audio_end_sample - ended.event.voiced_end_sample) / SAMPLE_RATE_HZ
    beyond_s = max(0.0, answer.answered_s - ended.at_s)
    decode_s = min(answer.decode_s, beyond_s)
    queue_s = min(answer.queue_s, beyond_s - decode_s)
    return Latency(endpoint_s, queue_s, decode_s, max(0.0, now_s - max(answer.answered_s, ended.at_s)))
