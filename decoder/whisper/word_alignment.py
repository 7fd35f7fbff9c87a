"""PURE: join Whisper's tokens into words, and assign times to words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from decoder.types import Word
from decoder.whisper.batch_plan import POSITION_SAMPLES

__all__ = ["Spelling", "align_words", "join_punctuation", "keep_order", "spread_words", "token_starts", "with_lengths"]

# Both sets are openai/whisper's.
OPENING_MARKS = frozenset("\"'“¿([{-")
CLOSING_MARKS = frozenset("\"'.。,，!！?？:：”)]}、")
SENTENCE_MARKS = tuple(".。!！?？")

LONGEST_MEDIAN_SAMPLES = 11_200
"""0.7 s. A greater median indicates a failed alignment, not slow speech (openai/whisper)."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """A word and the tokens of its text.

    Attributes:
        text: as written, with its leading space and the punctuation joined to it.
        first_token: index of its first token.
        end_token: one past its last token. Punctuation joined to it is left out, as it takes no time.
    """

    text: str
    first_token: int
    end_token: int


def join_punctuation(pieces: Iterable[Spelling]) -> list[Spelling]:
    """Return the words with opening marks joined to the word after, closing marks to the word before.

    Args:
        pieces: the tokenizer's pieces, in order; those of white space only are dropped.
    """
    words: list[Spelling] = []
    opening: Spelling | None = None
    for piece in pieces:
        marks = set(piece.text.strip())
        if not marks:
            continue
        if opening is None and words and marks <= CLOSING_MARKS and not piece.text.startswith(" "):
            words[-1] = replace(words[-1], text=words[-1].text + piece.text)
        elif piece.text.startswith(" ") and marks <= OPENING_MARKS:
            opening = replace(piece, text=(opening.text if opening else "") + piece.text)
        else:
            words.append(replace(piece, text=opening.text + piece.text) if opening else piece)
            opening = None
    return [*words, opening] if opening else words


def spread_words(words: Sequence[Spelling], start_sample: int, end_sample: int) -> tuple[Word, ...]:
    """Return the words spread over the span by their number of characters, without probabilities."""
    characters = sum(len(word.text) for word in words)
    spread = []
    before = 0
    for word in words:
        after = before + len(word.text)
        first, last = (start_sample + (end_sample - start_sample) * n // characters for n in (before, after))
        spread.append(Word(word.text, first, last))
        before = after
    return tuple(spread)


def align_words(
    words: Sequence[Spelling], token_starts: Sequence[int], probabilities: Sequence[float]
) -> tuple[Word, ...]:
    """Return the words at the times of their tokens.

    Args:
        words: in order.
        token_starts: int[tokens + 1], the sample where each token starts, and where the text ends.
        probabilities: float[tokens], 0..1.
    """
    aligned = [
        Word(
            word.text,
            token_starts[word.first_token],
            token_starts[word.end_token],
            _mean(probabilities[word.first_token : word.end_token]),
        )
        for word in words
    ]
    return tuple(_without_pauses(aligned))


def token_starts(alignment: Sequence[tuple[int, int]], start_sample: int) -> list[int]:
    """Return the sample where each token starts, and where the text ends.

    Args:
        alignment: (token, encoder position) along the path of dynamic time warping.
        start_sample: where the encoder's position 0 is.
    """
    starts: dict[int, int] = {}
    for token, position in alignment:
        starts.setdefault(token, start_sample + position * POSITION_SAMPLES)
    return [starts[token] for token in sorted(starts)]


def keep_order(words: Iterable[Word], start_sample: int, end_sample: int) -> tuple[Word, ...]:
    """Return the words clamped to the span, none starting before the end of the previous word."""
    ordered = []
    floor = start_sample
    for word in words:
        first = min(max(word.start_sample, floor), end_sample)
        floor = min(max(word.end_sample, first), end_sample)
        ordered.append(replace(word, start_sample=first, end_sample=floor))
    return tuple(ordered)


def with_lengths(words: Sequence[Word]) -> tuple[Word, ...]:
    """Return the words; those of zero length share the time of a neighbour.

    The path of the alignment may pass several words at one position. They share the time of the longer of the two words
    around them, by number of characters; if all words have zero length, they are unchanged.

    Args:
        words: in order, none overlapping.
    """
    timed = list(words)
    place = 0
    while place < len(timed):
        end = place
        while end < len(timed) and timed[end].end_sample <= timed[end].start_sample:
            end += 1
        if end > place:
            around = [other for other in (place - 1, end) if 0 <= other < len(timed)]
            longest = max(around, key=lambda other: timed[other].end_sample - timed[other].start_sample, default=place)
            first, last = min(place, longest), max(end, longest + 1)
            timed[first:last] = _sharing(timed[first:last], timed[longest])
        place = end + 1
    return tuple(timed)


def _sharing(words: Sequence[Word], span: Word) -> list[Word]:
    spellings = [Spelling(word.text, 0, 0) for word in words]
    shared = spread_words(spellings, span.start_sample, span.end_sample)
    return [
        replace(word, start_sample=part.start_sample, end_sample=part.end_sample)
        for word, part in zip(words, shared, strict=True)
    ]


def _without_pauses(words: list[Word]) -> Iterable[Word]:
    # The alignment does not model silence and adds a pause to the word after it. So a word at the start of the
    # utterance or of a sentence, where pauses occur, keeps at most twice the median duration (as in openai/whisper).
    durations = [word.end_sample - word.start_sample for word in words if word.end_sample > word.start_sample]
    if not durations:
        return words
    longest = 2 * min(int(median(durations)), LONGEST_MEDIAN_SAMPLES)
    follows_pause = [True, *(before.text.endswith(SENTENCE_MARKS) for before, _ in pairwise(words))]
    return [
        replace(word, start_sample=max(word.start_sample, word.end_sample - longest)) if paused else word
        for word, paused in zip(words, follows_pause, strict=True)
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
