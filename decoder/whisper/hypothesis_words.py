"""Turn generated tokens into the words of an answer, on the session's time line."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from decoder.types import Word
from decoder.whisper.batch_plan import POSITION_SAMPLES
from decoder.whisper.network import Alignment, Generated
from decoder.whisper.pause_alignment import without_pauses
from decoder.whisper.vocabulary import Vocabulary
from decoder.whisper.word_alignment import (
    Spelling,
    align_words,
    join_punctuation,
    keep_order,
    spread_words,
    token_starts,
    with_lengths,
)

__all__ = ["final_words", "partial_words", "spell", "word_tokens"]


def partial_words(generated: Generated, spelled: Sequence[Spelling]) -> tuple[Word, ...]:
    """Return the committed words, and the new ones at the times of their attention peaks.

    Without peaks the new words are spread over the audio after the committed words.

    Args:
        generated: the text, after the committed words.
        spelled: its words, as `spell` returns them.
    """
    request = generated.plan.request
    committed = len(request.prefix)
    before = generated.plan.before.words + request.prefix
    # The estimated end of a committed word may lie after the cut.
    start_sample = max(request.start_sample, before[-1].end_sample) if before else request.start_sample
    start_sample = min(start_sample, request.end_sample)
    new_words = spelled[committed:]
    if generated.peaks is None:
        return request.prefix + spread_words(new_words, start_sample, request.end_sample)
    forced = len(generated.plan.prefix_tokens)
    spans = [generated.peaks[word.first_token - forced : word.end_token - forced] for word in new_words]
    timed = [
        Word(
            word.text,
            request.start_sample + min(peaks) * POSITION_SAMPLES,
            request.start_sample + (max(peaks) + 1) * POSITION_SAMPLES,
        )
        for word, peaks in zip(new_words, spans, strict=True)
    ]
    return request.prefix + with_lengths(keep_order(timed, start_sample, request.end_sample))


def final_words(generated: Generated, spelled: Sequence[Spelling], alignment: Alignment) -> tuple[Word, ...]:
    """Return the words with the times at which they were spoken.

    Args:
        generated: the text, after the committed words.
        spelled: its words, as `spell` returns them.
        alignment: of the text with the audio.
    """
    request = generated.plan.request
    timed = align_words(spelled, token_starts(alignment.path, request.start_sample), alignment.probabilities)
    ordered = keep_order(timed, request.start_sample, request.end_sample)
    return with_lengths(without_pauses(ordered, request.samples, request.start_sample))


def word_tokens(generated: Generated, spelled: Sequence[Spelling]) -> tuple[tuple[int, ...], ...]:
    """Return the tokens of each word with its punctuation, committed words included.

    Args:
        generated: the text, after the committed words.
        spelled: its words, as `spell` returns them.
    """
    tokens = (*generated.plan.prefix_tokens, *generated.tokens)
    starts = [word.first_token for word in spelled]
    return tuple(tokens[first:end] for first, end in pairwise([*starts, len(tokens)]))


def spell(generated: Generated, vocabulary: Vocabulary) -> list[Spelling]:
    """Return the words of the forced prefix unchanged, then the new ones.

    Args:
        generated: of a partial or a final.
        vocabulary: of its tokens.
    """
    plan = generated.plan
    ends = list(accumulate((len(tokens) for tokens in plan.prefix), initial=0))
    committed = [
        Spelling(word.text, first, end)
        for word, first, end in zip(plan.request.forced, ends[:-1], ends[1:], strict=True)
    ]
    texts, tokens = vocabulary.split_words(generated.tokens, plan, generated.language)
    ends = list(accumulate((len(piece) for piece in tokens), initial=ends[-1]))
    pieces = (Spelling(text, first, end) for text, first, end in zip(texts, ends[:-1], ends[1:], strict=True))
    return committed + join_punctuation(pieces)
