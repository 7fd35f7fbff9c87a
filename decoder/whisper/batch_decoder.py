"""Decode batches of requests of different sessions with Whisper."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from decoder.settings import EngineSettings
from decoder.truncation import Cut, find_cut, wants_cut
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, Word
from decoder.whisper.batch_plan import Plan, runs
from decoder.whisper.continuation import rest_of, so_far
from decoder.whisper.hypothesis_words import final_words, partial_words, word_tokens
from decoder.whisper.language_detection import SessionLanguages
from decoder.whisper.network import Generated, Network
from decoder.whisper.prompt_tokens import goes_on_from
from decoder.whisper.recognizer import Recognizer
from decoder.whisper.request_planner import RequestPlanner
from decoder.whisper.utterance_cache import UtteranceStore

__all__ = ["BatchDecoder", "Decoded"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The outcome of a batch.

    Attributes:
        answers: one per request, in the batch's order.
        learned: session → its updated language state.
    """

    answers: tuple[Hypothesis | EngineError, ...]
    learned: dict[str, SessionLanguages]


class BatchDecoder:
    """A loaded model that answers requests. Not thread-safe: one call at a time."""

    def __init__(self, network: Network, settings: EngineSettings, utterances: UtteranceStore) -> None:
        """Create a decoder.

        Args:
            network: for this decoder alone; its model may be shared.
            settings: of the engine.
            utterances: cached state of the utterances in progress; may be shared.
        """
        self._network = network
        self._settings = settings
        self._utterances = utterances
        self._planner = RequestPlanner(network, settings, utterances)
        self._recognizer = Recognizer(network, settings)

    def decode(
        self, batch: Sequence[DecodeRequest], known: Mapping[str, SessionLanguages], proceed: Callable[[], None]
    ) -> Decoded:
        """Return one answer per request, in the same order.

        Args:
            batch: any mixture of requests.
            known: session → its language state before the batch.
            proceed: called between the steps; an exception from it ends the decode.
        """
        answers: dict[int, Hypothesis | EngineError] = {}
        plans = []
        for place, request in enumerate(batch):
            planned = self._planner.plan(place, request)
            if isinstance(planned, Plan):
                plans.append(planned)
            else:
                answers[place] = planned
        learned: dict[str, SessionLanguages] = {}
        try:
            while plans:
                plans.sort(key=lambda plan: (plan.group, plan.request.language or ""))
                texts = self._recognizer.recognize(plans, known, learned, proceed)
                answers |= self._partials(texts, proceed)
                finals, plans = self._finals(texts, proceed)
                answers |= finals
        except (RuntimeError, ValueError, MemoryError) as error:
            answers |= {plan.place: _failed(error) for plan in plans}
        for request in batch:
            if request.kind.ends_utterance:
                self._utterances.drop(request)
        return Decoded(tuple(answers[place] for place in range(len(batch))), learned)

    def _partials(self, texts: list[Generated], proceed: Callable[[], None]) -> dict[int, Hypothesis]:
        """Return the answers to partials, and choose where later requests truncate the long ones."""
        partials = [item for item in texts if item.plan.is_partial]
        answers = {}
        for item in partials:
            self._keep_hypothesis(item)
            answer = _answer(item, partial_words(item, self._network.vocabulary))
            answers[item.plan.place] = replace(answer, is_timed=item.peaks is not None)
        if self._settings.partial_window == "trimmed":
            for item, words in self._timed([item for item in partials if wants_cut(item.plan.request)], proceed):
                self._cut(item, words)
        return answers

    def _finals(self, texts: list[Generated], proceed: Callable[[], None]) -> tuple[dict[int, Hypothesis], list[Plan]]:
        """Return the answers to complete finals, and plans for the rest of the others."""
        answers: dict[int, Hypothesis] = {}
        plans: list[Plan] = []
        for item, words in self._timed([item for item in texts if not item.plan.is_partial], proceed):
            rest_samples = rest_of(item)
            expected = self._keep_hypothesis(item)
            if rest_samples is None:
                answers[item.plan.place] = _answer(item, words)
            else:
                plans.append(replace(self._rest(item, words, rest_samples), draft=expected))
        return answers, plans

    def _rest(self, text: Generated, words: tuple[Word, ...], first: int) -> Plan:
        """Return the plan for the audio after `first` samples, with the text before it as its context."""
        plan, request = text.plan, text.plan.request
        rest = replace(
            request,
            samples=request.samples[first:],
            start_sample=request.start_sample + first,
            language=text.language,
        )
        context = goes_on_from((*plan.context[1:], *text.tokens), self._network.vocabulary)
        frames = self._network.window_frames(len(rest.samples), self._planner.window(request))
        return replace(plan, request=rest, before=so_far(text, words), context=context, frames=frames)

    def _timed(
        self, texts: list[Generated], proceed: Callable[[], None]
    ) -> Iterator[tuple[Generated, tuple[Word, ...]]]:
        # `align` accepts one start sequence per call, which determines language and task
        texts = sorted(texts, key=lambda item: (item.language, item.plan.request.task))
        for first, end in runs([(item.language, item.plan.request.task) for item in texts]):
            proceed()
            for item, alignment in zip(texts[first:end], self._network.align(texts[first:end]), strict=True):
                yield item, final_words(item, self._network.vocabulary, alignment)

    def _keep_hypothesis(self, text: Generated) -> tuple[int, ...]:
        """Store the utterance's words, and return the tokens that are expected after them.

        The utterance's next request probably repeats most of these words. After a text that does not reach the end of
        its audio, the words of the previous hypothesis are expected.
        """
        if not self._network.verifies_drafts:
            return ()
        vocabulary, request = self._network.vocabulary, text.plan.request
        before = tuple(vocabulary.tokens(word.text) for word in text.plan.before.words)
        words = before + word_tokens(text, vocabulary)
        expected = self._utterances.hypothesis(request)[len(words) :] if text.rest_sample is not None else ()
        self._utterances.keep_hypothesis(request, words + expected)
        return tuple(chain.from_iterable(expected))

    def _cut(self, text: Generated, words: tuple[Word, ...]) -> None:
        request = text.plan.request
        found = find_cut(words, len(request.prefix), request.samples, request.start_sample)
        if found is not None:
            count, sample = found
            committed = (*text.plan.before.words, *request.prefix[:count])
            self._utterances.keep_cut(request, Cut(sample, tuple(word.text for word in committed)))


def _answer(text: Generated, words: tuple[Word, ...]) -> Hypothesis:
    whole = so_far(text, words)
    avg_logprob = whole.logprob / whole.tokens if whole.tokens else None
    return Hypothesis.answering(text.plan.request, whole.words, text.language, avg_logprob, whole.no_speech_probability)


def _failed(error: Exception) -> EngineFailed:
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        advice = "a smaller model, an int8 compute type or a smaller batch reduces memory use"
        failed = EngineFailed(f"Whisper ran out of memory: {advice}")
    else:
        failed = EngineFailed(f"Whisper failed: {error}")
    failed.__cause__ = error
    return failed
