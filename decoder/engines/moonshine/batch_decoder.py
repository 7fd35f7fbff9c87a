"""Moonshine's answers: audio encoded one request after the other, texts written together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from decoder.audio_checks import refused_audio
from decoder.engine import EngineWork
from decoder.engines.moonshine.batch_search import Writing, groups, write_together
from decoder.engines.moonshine.draft_cache import Draft, DraftStore
from decoder.engines.moonshine.greedy_search import Text, token_limit, write
from decoder.engines.moonshine.network import RUN_ERRORS, Network
from decoder.engines.moonshine.word_alignment import avg_logprob, words_of
from decoder.truncation import Cut, carried_on, find_cut, wants_cut
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, RequestKind, Task, Word

__all__ = ["LANGUAGE", "BatchDecoder"]

LANGUAGE = "en"

DOUBTFUL_END_PROBABILITY = 1e-4
"""Moonshine has no token for silence, but where nobody speaks an empty text is likelier: its probability is 0.0002 to
0.0055 in 45 stretches of noise, hum, music and silence, and below 0.0001 for 92 of 100 utterances, meetings and noisy
ones included. At this much speech is as likely as none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A request on its way.

    Attributes:
        place: its index in the batch.
        request: as it came.
        before_cut: words before the cut of its utterance.
        rest: the request for what comes after it.
        prefix: tokens of each committed word of the rest.
        before: tokens of the words before the cut.
        writing: its text.
    """

    place: int
    request: DecodeRequest
    before_cut: tuple[Word, ...]
    rest: DecodeRequest
    prefix: tuple[tuple[int, ...], ...]
    before: tuple[int, ...]
    writing: Writing


@dataclass(frozen=True, slots=True)
class BatchDecoder:
    """Answers the requests of one batch.

    Attributes:
        network: that hears and writes.
        drafts: of the sessions.
        work: where what is done is counted.
        proceed: called between steps; what it raises ends the work.
    """

    network: Network
    drafts: DraftStore
    work: EngineWork
    proceed: Callable[[], None]

    def answers(self, batch: Sequence[DecodeRequest]) -> tuple[Hypothesis | EngineError, ...]:
        """Return one answer a request, in the same order."""
        answers: dict[int, Hypothesis | EngineError] = {}
        asked: list[_Asked] = []
        for place, request in enumerate(batch):
            begun = self._begun(place, request)
            if isinstance(begun, _Asked):
                asked.append(begun)
            else:
                answers[place] = begun
        for group in groups([each.writing for each in asked]):
            members = [asked[place] for place in group]
            answers |= zip((each.place for each in members), self._written(members), strict=True)
        return tuple(answers[place] for place in range(len(batch)))

    def _begun(self, place: int, request: DecodeRequest) -> _Asked | Hypothesis | EngineError:
        """Return the request with its audio encoded, or its answer where there is nothing to decode."""
        self.proceed()
        refused = _refuse(request)
        if refused is not None:
            return refused
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
            return EngineFailed(f"prefix is no text: {error}")
        except RUN_ERRORS as error:
            return _failed(error)
        writing = Writing(write(forced, drafted, limit), encoded, limit)
        return _Asked(place, request, before_cut, rest, prefix, before, writing)

    def _written(self, asked: Sequence[_Asked]) -> list[Hypothesis | EngineError]:
        try:
            texts = write_together(self.network, [each.writing for each in asked], self.work, self.proceed)
        except RUN_ERRORS as error:
            return [_failed(error) for _ in asked]
        return [self._answer(each, text) for each, text in zip(asked, texts, strict=True)]

    def _answer(self, asked: _Asked, text: Text) -> Hypothesis:
        tokenizer = self.network.tokenizer
        words = words_of(text, sum(map(len, asked.prefix)), asked.rest, tokenizer)
        cut = self.drafts.of(asked.request).cut if asked.before_cut else None
        written = Draft(asked.before, text.tokens, cut)
        if wants_cut(asked.rest):
            written = _cut(written, asked.before_cut, words, asked.rest, asked.prefix)
        self.drafts.keep(asked.request, written)
        return _hypothesis(asked.request, asked.before_cut + words, text, avg_logprob(text, tokenizer))


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
    """Return the draft of an utterance, cut between two of its committed words where there is a place for it.

    Args:
        draft: what has been written of it.
        before_cut: words before the cut there may be.
        words: those after it.
        rest: what they were written of.
        prefix: tokens of each of its committed words.
    """
    found = find_cut(words, len(rest.forced), rest.samples, rest.start_sample)
    if found is None:
        return draft
    count, sample = found
    place = sum(map(len, prefix[:count]))
    texts = tuple(word.text for word in (*before_cut, *words[:count]))
    return Draft(draft.before + draft.tokens[:place], draft.tokens[place:], Cut(sample, texts))


def _refuse(request: DecodeRequest) -> EngineFailed | None:
    """Return why the request cannot be decoded, or None."""
    if request.language not in (None, LANGUAGE):
        return EngineFailed(f"language {request.language!r}: this Moonshine writes {LANGUAGE!r} only")
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
