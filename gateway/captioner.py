"""From answers to captions: utterances speak one after the other, each until its final. PURE."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from decoder.scheduler import Answer
from decoder.settings import StabiliserSettings
from decoder.stabiliser import Stabiliser
from decoder.types import EngineError, Hypothesis, RequestKind, Transcript, Word
from gateway.cues import CueBuilder, CueState
from gateway.wire import CueEvent, Final, Finished, Flushed, Latency, ServerEvent, WordSpan
from vad.audio import SAMPLE_RATE_HZ
from vad.events import SpeechEnded

__all__ = ["Captioner"]


@dataclass(slots=True)
class _Utterance:
    """One utterance from its first sample to its final."""

    utterance_id: int
    start_sample: int
    stabiliser: Stabiliser
    partial: Answer | None = None
    """The newest partial; it waits here while an earlier utterance still speaks."""
    ended: SpeechEnded | None = None
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
        cues: the session's cue builder.
        settings: of the stabilisers.
        next_seq: gives each event its number.
        words: whether finals list their words.
        partials: whether cues are sent before they are final.
    """

    def __init__(
        self,
        cues: CueBuilder,
        settings: StabiliserSettings,
        next_seq: Callable[[], int],
        *,
        words: bool,
        partials: bool,
    ) -> None:
        self.finals = 0
        self._cues = cues
        self._settings = settings
        self._next_seq = next_seq
        self._with_words = words
        self._with_partials = partials
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
        return next((u.ended for u in self._utterances.values() if u.ended is not None), None)

    def committed(self, utterance_id: int) -> tuple[Word, ...]:
        """Return the words of an unfinished utterance that will not change any more."""
        return self._utterances[utterance_id].stabiliser.committed

    def begin(self, utterance_id: int, start_sample: int) -> None:
        """Let an utterance take its place in the queue."""
        utterance = _Utterance(utterance_id, start_sample, Stabiliser(utterance_id, self._settings))
        self._utterances[utterance_id] = utterance
        self._queue.append(utterance)

    def end(self, ended: SpeechEnded) -> None:
        """Note that an utterance is complete and its final request on the way."""
        self._utterances[ended.utterance_id].ended = ended

    def mark(self, event: Flushed | Finished, now_s: float) -> list[ServerEvent]:
        """Say an event when everything before it has been said."""
        self._queue.append(_Mark(event))
        return self._speak(now_s)

    def answer(self, answer: Answer, now_s: float) -> list[ServerEvent]:
        """Take in the answer to a request, and return what can be said now.

        Answers to utterances that have had their final are discarded.
        """
        utterance = self._utterances.get(answer.request.utterance_id)
        if utterance is None:
            return []
        if answer.request.kind is RequestKind.FINAL:
            utterance.final = answer
        elif isinstance(answer.outcome, Hypothesis):
            utterance.partial = answer
        return self._speak(now_s)

    def _speak(self, now_s: float) -> list[ServerEvent]:
        events: list[ServerEvent] = []
        while self._queue:
            head = self._queue[0]
            if isinstance(head, _Mark):
                events.append(self._numbered(head.event))
            elif head.final is not None and head.ended is not None:
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
        transcript = utterance.stabiliser.update(answer.outcome.words, answer.request.revision)
        return self._cue_events(transcript, answer.outcome.language, answer.request.end_sample)

    def _final(self, utterance: _Utterance, ended: SpeechEnded, answer: Answer, now_s: float) -> list[ServerEvent]:
        outcome, revision = answer.outcome, answer.request.revision
        events: list[ServerEvent] = []
        if isinstance(outcome, EngineError):
            events += self._partial(utterance)  # one that waited for its turn has words the stabiliser has not seen
            transcript, language, error = utterance.stabiliser.abandon(revision), None, outcome.code
        else:
            transcript = utterance.stabiliser.finish(outcome.words, revision)
            language, error = outcome.language, None
        self.finals += 1
        events += self._cue_events(transcript, language, ended.heard_sample)
        endpoint_s = (ended.heard_sample - ended.voiced_end_sample) / SAMPLE_RATE_HZ
        delivery_s = max(0.0, now_s - answer.answered_s)
        final = Final(
            seq=self._next_seq(),
            utterance_id=utterance.utterance_id,
            start_sample=utterance.start_sample,
            end_sample=ended.end_sample,
            text="".join(word.text for word in transcript.committed).strip(),
            language=language,
            latency=Latency(endpoint_s, answer.queue_s, answer.decode_s, delivery_s),
            words=_spans(transcript.committed) if self._with_words else (),
            error=error,
        )
        return [*events, final]

    def _cue_events(self, transcript: Transcript, language: str | None, heard_sample: int) -> list[ServerEvent]:
        cues = self._cues.update(transcript, heard_sample, language)
        shown = [cue for cue in cues if self._with_partials or cue.state is CueState.FINAL]
        return [CueEvent(self._next_seq(), cue) for cue in shown]


def _spans(words: Sequence[Word]) -> tuple[WordSpan, ...]:
    return tuple(WordSpan(w.text.strip(), w.start_sample, w.end_sample, w.probability) for w in words)
