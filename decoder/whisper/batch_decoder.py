"""Decode batches of requests of different sessions with Whisper."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

from decoder.settings import EngineSettings
from decoder.truncation import Cut, find_cut, wants_cut
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, Word
from decoder.whisper.batch_plan import Plan, runs
from decoder.whisper.continuation import rest_of, so_far
from decoder.whisper.hypothesis_words import final_words, partial_words, spell, word_tokens
from decoder.whisper.language_detection import SessionLanguages
from decoder.whisper.network import Generated, Network
from decoder.whisper.prompt_tokens import goes_on_from
from decoder.whisper.recognizer import Recognizer
from decoder.whisper.request_planner import RequestPlanner
from decoder.whisper.utterance_cache import UtteranceStore
from decoder.whisper.word_alignment import Spelling

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


class _Spelled(NamedTuple):
    """A text, and its words, which are spelled once."""

    text: Generated
    words: Sequence[Spelling]


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
        partials = self._spelled(item for item in texts if item.plan.is_partial)
        answers = {}
        for partial in partials:
            self._keep_hypothesis(partial)
            answer = _answer(partial.text, partial_words(partial.text, partial.words))
            answers[partial.text.plan.place] = replace(answer, is_timed=partial.text.peaks is not None)
        if self._settings.partial_window == "trimmed":
            for partial, words in self._timed([it for it in partials if wants_cut(it.text.plan.request)], proceed):
                self._cut(partial.text, words)
        return answers

    def _finals(self, texts: list[Generated], proceed: Callable[[], None]) -> tuple[dict[int, Hypothesis], list[Plan]]:
        """Return the answers to complete finals, and plans for the rest of the others."""
        answers: dict[int, Hypothesis] = {}
        plans: list[Plan] = []
        finals = self._spelled(item for item in texts if not item.plan.is_partial)
        for final, words in self._timed(finals, proceed):
            rest_samples = rest_of(final.text)
            expected = self._keep_hypothesis(final)
            if rest_samples is None:
                answers[final.text.plan.place] = _answer(final.text, words)
            else:
                plans.append(replace(self._rest(final.text, words, rest_samples), draft=expected))
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

    def _spelled(self, texts: Iterable[Generated]) -> list[_Spelled]:
        return [_Spelled(text, spell(text, self._network.vocabulary)) for text in texts]

    def _timed(
        self, spelled: list[_Spelled], proceed: Callable[[], None]
    ) -> Iterator[tuple[_Spelled, tuple[Word, ...]]]:
        # `align` accepts one start sequence per call, which determines language and task
        spelled = sorted(spelled, key=lambda item: _start_of(item.text))
        for first, end in runs([_start_of(item.text) for item in spelled]):
            proceed()
            group = spelled[first:end]
            for item, alignment in zip(group, self._network.align([item.text for item in group]), strict=True):
                yield item, final_words(item.text, item.words, alignment)

    def _keep_hypothesis(self, spelled: _Spelled) -> tuple[int, ...]:
        """Store the utterance's words, and return the tokens that are expected after them.

        The utterance's next request probably repeats most of these words. After a text that does not reach the end of
        its audio, the words of the previous hypothesis are expected.
        """
        if not self._network.verifies_drafts:
            return ()
        text, request = spelled.text, spelled.text.plan.request
        before = tuple(self._network.vocabulary.tokens(word.text) for word in text.plan.before.words)
        words = before + word_tokens(text, spelled.words)
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


def _start_of(text: Generated) -> tuple[str, str]:
    return text.language, text.plan.request.task


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
