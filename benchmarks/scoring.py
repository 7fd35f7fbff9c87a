"""Word errors of a transcript: normalised text, and references of several simultaneous speakers. PURE.

English is normalised by OpenAI's English normaliser, so that "21" equals "twenty-one"; other languages by its basic
one. Scripts without spaces are scored by characters.

A transcript cannot represent overlapping speech in order. So the speakers' words are scored against their merge that
fits the transcript best; each person's words keep their order.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from decoder.stabiliser import normalise_word

__all__ = ["CHARACTER_LANGUAGES", "TooManyMerges", "count_errors", "merge_aligned", "normalised", "splitter"]

CHARACTER_LANGUAGES = frozenset({"ja", "th", "yue", "zh"})
"""Scored by characters: only a dictionary could find their word boundaries."""

MAX_TABLE_ENTRIES = 1 << 30
"""Two bytes each: 2 GiB, which every developer's machine has."""

_Costs = npt.NDArray[np.int16]


class TooManyMerges(Exception):
    """The merges of the speakers' words exceed the memory limit."""


def normalised(text: str, language: str | None) -> list[str]:
    """Return the scored units of a text: its words, or characters in scripts without spaces.

    Args:
        text: unnormalised.
        language: ISO-639-1; None: unknown.
    """
    plain = str(_normaliser(language == "en")(text))
    return list("".join(plain.split())) if language in CHARACTER_LANGUAGES else plain.split()


def splitter(language: str | None) -> Callable[[str], list[str]]:
    """Return a function that splits a text into words without case and punctuation, or into characters."""
    return _characters if language in CHARACTER_LANGUAGES else _words


def count_errors(reference: Sequence[Sequence[str]], transcript: Sequence[str]) -> int:
    """Return the number of wrong, missing or surplus words.

    Args:
        reference: words of each person.
        transcript: its words.

    Raises:
        TooManyMerges: the merges exceed the memory limit.
    """
    return int(_costs(reference, transcript)[-1].flat[-1])


def merge_aligned(
    reference: Sequence[Sequence[str]], transcript: Sequence[str]
) -> list[tuple[tuple[int, int] | None, int | None]]:
    """Return pairs of indices with the fewest errors: (person, word) in the reference, and word in the transcript.

    None pairs a surplus word of the other side.

    Args:
        reference: words of each person.
        transcript: its words.

    Raises:
        TooManyMerges: the merges exceed the memory limit.
    """
    costs = _costs(reference, transcript)
    state, written = tuple(len(words) for words in reference), len(transcript)
    pairs: list[tuple[tuple[int, int] | None, int | None]] = []
    while written or any(state):
        person, step = _last_step(costs, reference, transcript, state, written)
        if person is not None:
            state = tuple(place - (number == person) for number, place in enumerate(state))
        written -= step
        pairs.append((None if person is None else (person, state[person]), written if step else None))
    return pairs[::-1]


def _last_step(
    costs: Sequence[_Costs],
    reference: Sequence[Sequence[str]],
    transcript: Sequence[str],
    state: tuple[int, ...],
    written: int,
) -> tuple[int | None, int]:
    """Return the person of the last word in a best merge (None: a surplus word), and how many written words it uses."""
    cost = costs[written][state]
    persons = (person for person, place in enumerate(state) if place)
    for person, step in product(persons, (1, 0)):
        if step > written:
            continue
        earlier = tuple(place - (number == person) for number, place in enumerate(state))
        is_right = step == 1 and reference[person][earlier[person]] == transcript[written - 1]
        if costs[written - step][earlier] + (not is_right) == cost:
            return person, step
    return None, 1


def _costs(reference: Sequence[Sequence[str]], transcript: Sequence[str]) -> list[_Costs]:
    """Return the fewest errors for each number of written words and of words of each person."""
    shape = tuple(len(words) + 1 for words in reference)
    if np.prod(shape, dtype=np.float64) * (len(transcript) + 1) > MAX_TABLE_ENTRIES:
        raise TooManyMerges(f"words of {len(shape)} people, {shape}: expected at most {MAX_TABLE_ENTRIES} merges")
    first = np.zeros(shape, dtype=np.int16)
    for person, size in enumerate(shape):
        first += _along(np.arange(size, dtype=np.int16), person, len(shape))
    costs = [first]
    for word in transcript:
        costs.append(_with_missing(_with_word(costs[-1], reference, word)))
    return costs


def _with_word(costs: _Costs, reference: Sequence[Sequence[str]], word: str) -> _Costs:
    """Return the costs after one more written word: surplus, or a person's, right or wrong."""
    result: _Costs = costs + np.int16(1)
    for person, words in enumerate(reference):
        is_wrong = np.array([other != word for other in words], dtype=np.int16)
        with_it = _dropping(costs, person, -1) + _along(is_wrong, person, costs.ndim)
        target = _dropping(result, person, 0)
        np.minimum(target, with_it, out=target)
    return result


def _with_missing(costs: _Costs) -> _Costs:
    """Return the costs if words of any person may be missing after the written ones."""
    for person, size in enumerate(costs.shape):
        # Each missing word costs one, so the best of all earlier positions is a running minimum.
        missing = _along(np.arange(size, dtype=np.int16), person, costs.ndim)
        costs = np.minimum.accumulate(costs - missing, axis=person) + missing
    return costs


def _along(values: _Costs, axis: int, dimensions: int) -> _Costs:
    return values.reshape([-1 if number == axis else 1 for number in range(dimensions)])


def _dropping(costs: _Costs, axis: int, place: int) -> _Costs:
    """Return a view without the first or the last entry (-1) of an axis."""
    kept = slice(1, None) if place == 0 else slice(None, -1)
    return costs[tuple(kept if number == axis else slice(None) for number in range(costs.ndim))]


def _words(text: str) -> list[str]:
    return [word for word in map(normalise_word, text.split()) if any(map(str.isalnum, word))]


def _characters(text: str) -> list[str]:
    return [character for character in re.sub(r"\s", "", text).casefold() if character.isalnum()]


@cache
def _normaliser(is_english: bool) -> Callable[[str], str]:
    # Marks are vowels in some scripts.
    normaliser: Callable[[str], str] = (
        EnglishTextNormalizer() if is_english else BasicTextNormalizer(preserve_marks=True)
    )
    return normaliser
