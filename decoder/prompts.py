"""Prompts: repetitions in them are condensed, and words of a hypothesis that they put there are recognised. PURE."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

__all__ = ["condense_prompt", "is_confirmed", "repeats_prompt"]

LEAST_SINGLE_REPEATS = 3
"""A single word twice may be a name ("Duran Duran"); longer parts need not be there twice."""

LONGEST_SHARED_WORDS = 3
"""Names and phrases are this long; four words in a row that stand in the prompt too are its sentence."""

SHARED = 0.5
"""From here on a hypothesis is mostly the prompt's."""

ALIKE = 0.5
"""Share of letters in common from which two spellings sound alike: "Doctor Meyer" and "Dr. Maier" have 0.56,
"Kubernetes" and "Cuban nets" 0.74; what sounds otherwise has a third at most."""

_WORD = re.compile(r"\s*[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\s*[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts without spaces are compared character by character."""

_SENTENCE = re.compile(r".+?(?:[.!?]+(?=\s|$)|[。！？]+|\n|$)", re.DOTALL)


def condense_prompt(prompt: str) -> str:
    """Return the prompt without its repetitions, which make a model repeat it instead of transcribing the audio.

    A sentence that comes again later is left out, so is the end of one at the beginning, where a long prompt was cut;
    a part that repeats itself at once stays once.

    Args:
        prompt: any text.
    """
    sentences = _SENTENCE.findall(prompt)
    spelled = [_letters(sentence) for sentence in sentences]
    kept = [text for place, text in enumerate(sentences) if not _comes_again(spelled, place)]
    words = _WORD.findall("".join(kept))
    keys = [_letters(word) or word.strip() for word in words]
    period = 1
    while 2 * period <= len(words):
        repeated = _first_repetition(keys, period)
        if repeated is None:
            period += 1
            continue
        first, end = repeated
        words[first:end] = words[first : first + period]
        keys[first:end] = keys[first : first + period]
    return "".join(words).strip()


def repeats_prompt(text: str, prompt: str) -> bool:
    """Return whether so much of the text stands in the prompt that it may come from there."""
    text_words = _split(text)
    runs = _shared_runs(text_words, _split(prompt))
    if not runs:
        return False
    longer = [run.length for run in runs if run.length > 1]
    all_shared = sum(run.length for run in runs) == len(text_words)
    return all_shared or sum(longer) >= SHARED * len(text_words) or max(longer, default=0) > LONGEST_SHARED_WORDS


def is_confirmed(text: str, prompt: str, unprompted: str) -> bool:
    """Return whether what the text has in common with the prompt was decoded without the prompt too, if less well
    spelled: names are what prompts are for.

    Args:
        text: decoded with the prompt.
        prompt: that.
        unprompted: decoded from the same audio without it.
    """
    text_words, unprompted_words = _split(text), _split(unprompted)
    opcodes = SequenceMatcher(None, text_words, unprompted_words, autojunk=False).get_opcodes()
    runs = _shared_runs(text_words, _split(prompt))
    suspects = [run for run in runs if run.length > 1] or runs
    return all(_is_alike(run, text_words, unprompted_words, opcodes) for run in suspects)


@dataclass(frozen=True, slots=True)
class _Run:
    """Words in a row of the text that stand so in the prompt."""

    first: int
    length: int


def _shared_runs(text_words: Sequence[str], prompted: Sequence[str]) -> list[_Run]:
    """Return the longest runs of words that stand in the prompt, left to right; of one place or of several there."""
    runs: list[_Run] = []
    place = 0
    while place < len(text_words):
        starts = [start for start, word in enumerate(prompted) if word == text_words[place]]
        length = max((_common(text_words[place:], prompted[start:]) for start in starts), default=0)
        if length:
            runs.append(_Run(place, length))
        place += max(length, 1)
    return runs


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for word, same in zip(one, other, strict=False):
        if word != same:
            break
        count += 1
    return count


def _is_alike(
    run: _Run,
    text_words: Sequence[str],
    unprompted_words: Sequence[str],
    opcodes: Sequence[tuple[str, int, int, int, int]],
) -> bool:
    there: list[str] = []
    here: list[str] = []
    for operation, first, end, unprompted_first, unprompted_end in opcodes:
        overlap = range(max(first, run.first), min(end, run.first + run.length))
        if operation == "equal" and overlap:
            same = text_words[overlap.start : overlap.stop]
            here += same
            there += same
        elif operation != "equal" and (overlap or (first == end and run.first < first < run.first + run.length)):
            here += text_words[first:end]
            there += unprompted_words[unprompted_first:unprompted_end]
    return SequenceMatcher(None, "".join(here), "".join(there), autojunk=False).ratio() >= ALIKE


def _comes_again(spelled: Sequence[str], place: int) -> bool:
    """Return whether a sentence, or one that it is the end of, comes again later. One without letters never does."""
    this, later = spelled[place], spelled[place + 1 :]
    return bool(this) and (this in later or (place == 0 and any(other.endswith(this) for other in later)))


def _first_repetition(keys: Sequence[str], period: int) -> tuple[int, int] | None:
    """Return the half-open span of the first part that repeats its first `period` words."""
    ids = {key: number for number, key in enumerate(keys)}
    codes = np.array([ids[key] for key in keys])
    same = codes[period:] == codes[:-period]
    edges = np.flatnonzero(np.diff(same, prepend=False, append=False))
    repeats = LEAST_SINGLE_REPEATS if period == 1 else 2
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        again = (end - first) // period
        if again >= repeats - 1:
            return first, first + (again + 1) * period
    return None


def _split(text: str) -> list[str]:
    return [letters for word in _WORD.findall(text) if (letters := _letters(word))]


def _letters(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())
