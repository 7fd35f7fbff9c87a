"""Answers a batch with Moonshine: encodes the audio of one request after the other, generates the texts together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from decoder.audio_checks import refused_audio
from decoder.engine import EngineWork
from decoder.engines.moonshine.batch_search import Generation, generate_together, memory_groups
from decoder.engines.moonshine.draft_cache import Draft, DraftStore
from decoder.engines.moonshine.greedy_search import Text, generate, token_limit
from decoder.engines.moonshine.network import RUN_ERRORS, Network
from decoder.engines.moonshine.word_alignment import avg_logprob, words_of
from decoder.truncation import Cut, carried_on, find_cut, wants_cut
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, RequestKind, Task, Word

__all__ = ["LANGUAGE", "BatchDecoder"]

LANGUAGE = "en"

DOUBTFUL_END_PROBABILITY = 1e-4
"""Probability of an empty text at which speech and no speech are equally likely. Moonshine has no token for silence,
but an empty text is likelier without speech: its probability is 0.0002 to 0.0055 in 45 stretches of noise, hum, music
and silence, and below 0.0001 for 92 of 100 utterances, meetings and noisy ones included."""


@dataclass(frozen=True, slots=True, eq=False)
class _Encoded:
    """A request with its audio encoded.

    Attributes:
        place: its index in the batch.
        request: as received.
        before_cut: words before the cut of its utterance.
        rest: the request for the audio after the cut.
        prefix: tokens of each committed word of the rest.
        tokens_before_cut: tokens of the words before the cut.
        generation: of its text.
    """

    place: int
    request: DecodeRequest
    before_cut: tuple[Word, ...]
    rest: DecodeRequest
    prefix: tuple[tuple[int, ...], ...]
    tokens_before_cut: tuple[int, ...]
    generation: Generation


@dataclass(frozen=True, slots=True)
class BatchDecoder:
    """Answers the requests of one batch.

    Attributes:
        network: the model.
        drafts: of the sessions.
        work: the counts that are added to.
        proceed: called between steps; an exception that it raises stops decoding.
    """

    network: Network
    drafts: DraftStore
    work: EngineWork
    proceed: Callable[[], None]

    def answers(self, batch: Sequence[DecodeRequest]) -> tuple[Hypothesis | EngineError, ...]:
        """Return one answer per request, in the same order."""
        answers: dict[int, Hypothesis | EngineError] = {}
        encoded: list[_Encoded] = []
        for place, request in enumerate(batch):
            outcome = self._encode(place, request)
            if isinstance(outcome, _Encoded):
                encoded.append(outcome)
            else:
                answers[place] = outcome
        for group in memory_groups([item.generation for item in encoded]):
            items = [encoded[place] for place in group]
            answers |= zip((item.place for item in items), self._generate(items), strict=True)
        return tuple(answers[place] for place in range(len(batch)))

    def _encode(self, place: int, request: DecodeRequest) -> _Encoded | Hypothesis | EngineError:
        """Return the request with its audio encoded, or its answer if there is nothing to decode."""
        self.proceed()
        unsupported = _unsupported(request)
        if unsupported is not None:
            return unsupported
        draft = self.drafts.of(request)
        before_cut, rest = carried_on(request, draft.cut if request.kind is RequestKind.PARTIAL else None)
        before, drafted = (draft.before, draft.tokens) if before_cut else ((), draft.before + draft.tokens)
        try:
            prefix = tuple(tuple(self.network.tokenizer.tokens(word.text)) for word in rest.forced)
            forced = tuple(chain.from_iterable(prefix))
            limit = token_limit(len(rest.samples))
            if not len(rest.samples) or len(forced) >= limit:  # no room for another word
                return _hypothesis(request, request.forced)
            encoded = self.network.encode(rest.samples, self.work)
        except UnicodeEncodeError as error:  # lone surrogates
            return EngineFailed(f"prefix is not valid text: {error}")
        except RUN_ERRORS as error:
            return _failed(error)
        generation = Generation(generate(forced, drafted, limit), encoded, limit)
        return _Encoded(place, request, before_cut, rest, prefix, before, generation)

    def _generate(self, items: Sequence[_Encoded]) -> list[Hypothesis | EngineError]:
        try:
            texts = generate_together(self.network, [item.generation for item in items], self.work, self.proceed)
        except RUN_ERRORS as error:
            return [_failed(error) for _ in items]
        return [self._answer(item, text) for item, text in zip(items, texts, strict=True)]

    def _answer(self, item: _Encoded, text: Text) -> Hypothesis:
        tokenizer = self.network.tokenizer
        words = words_of(text, sum(map(len, item.prefix)), item.rest, tokenizer)
        cut = self.drafts.of(item.request).cut if item.before_cut else None
        draft = Draft(item.tokens_before_cut, text.tokens, cut)
        if wants_cut(item.rest):
            draft = _cut(draft, item.before_cut, words, item.rest, item.prefix)
        self.drafts.keep(item.request, draft)
        return _hypothesis(item.request, item.before_cut + words, text, avg_logprob(text, tokenizer))


def _failed(error: Exception) -> EngineFailed:
    failed = EngineFailed(f"Moonshine failed: {error}")
    failed.__cause__ = error
    return failed


def _cut(
    draft: Draft,
    before_cut: tuple[Word, ...],
    words: tuple[Word, ...],
    rest: DecodeRequest,
    prefix: Sequence[Sequence[int]],
) -> Draft:
    """Return the draft of an utterance, cut between two of its committed words if there is a place for a cut.

    Args:
        draft: the draft so far.
        before_cut: words before the existing cut; empty without a cut.
        words: the words after them.
        rest: the request that these words answer.
        prefix: tokens of each of its committed words.
    """
    found = find_cut(words, len(rest.forced), rest.samples, rest.start_sample)
    if found is None:
        return draft
    count, sample = found
    place = sum(map(len, prefix[:count]))
    texts = tuple(word.text for word in (*before_cut, *words[:count]))
    return Draft(draft.before + draft.tokens[:place], draft.tokens[place:], Cut(sample, texts))


def _unsupported(request: DecodeRequest) -> EngineFailed | None:
    """Return the error of a request that cannot be decoded; None if it can."""
    if request.language not in (None, LANGUAGE):
        return EngineFailed(f"language {request.language!r}: this Moonshine model supports only {LANGUAGE!r}")
    if request.task is Task.TRANSLATE:
        return EngineFailed("task translate: this model is monolingual and only transcribes")
    return refused_audio(request.samples)


def _hypothesis(
    request: DecodeRequest, words: tuple[Word, ...], text: Text | None = None, avg_logprob: float | None = None
) -> Hypothesis:
    no_speech_probability = _no_speech_probability(text.end_probability) if text else None
    return Hypothesis.answering(request, words, LANGUAGE, avg_logprob, no_speech_probability)


def _no_speech_probability(end_probability: float) -> float:
    return end_probability / (end_probability + DOUBTFUL_END_PROBABILITY)
