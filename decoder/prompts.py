"""Condenses repetitive prompts, and detects words of a hypothesis that come from the prompt. PURE."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

__all__ = ["condense_prompt", "is_confirmed", "repeats_prompt"]

MIN_SINGLE_REPEATS = 3
"""A single word twice may be a name ("Duran Duran"); a longer passage twice is condensed."""

MAX_SHARED_WORDS = 3
"""Names and phrases are this long; four consecutive words shared with the prompt are a sentence of it."""

SHARED_RATIO = 0.5
"""From this share of words on, a hypothesis mostly repeats the prompt."""

SIMILAR_RATIO = 0.5
"""Similarity of letters from which two spellings are pronounced alike: "Doctor Meyer" and "Dr. Maier" have 0.56,
"Kubernetes" and "Cuban nets" 0.74; words pronounced differently reach a third at most."""

_WORD = re.compile(r"\s*[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\s*[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Scripts without spaces are compared character by character."""

_SENTENCE = re.compile(r".+?(?:[.!?]+(?=\s|$)|[。！？]+|\n|$)", re.DOTALL)


def condense_prompt(prompt: str) -> str:
    """Return the prompt without its repetitions, which make a model repeat it instead of transcribing the audio.

    A sentence is removed if it occurs again later; so is a first sentence that is the end of a later one, where a long
    prompt was truncated. A passage repeated immediately is kept once.

    Args:
        prompt: any text.
    """
    sentences = _SENTENCE.findall(prompt)
    spelled = [_letters(sentence) for sentence in sentences]
    kept = [text for place, text in enumerate(sentences) if not _occurs_later(spelled, place)]
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
    """Return whether the text shares so many words with the prompt that it may come from it."""
    text_words = _split(text)
    runs = _shared_runs(text_words, _split(prompt))
    if not runs:
        return False
    longer = [run.length for run in runs if run.length > 1]
    all_shared = sum(run.length for run in runs) == len(text_words)
    return all_shared or sum(longer) >= SHARED_RATIO * len(text_words) or max(longer, default=0) > MAX_SHARED_WORDS


def is_confirmed(text: str, prompt: str, unprompted: str) -> bool:
    """Return whether the words that the text shares with the prompt were also decoded without it.

    Other spellings count as the same words: correct spelling, of names above all, is the purpose of a prompt.

    Args:
        text: decoded with the prompt.
        prompt: the prompt.
        unprompted: decoded from the same audio without the prompt.
    """
    text_words, unprompted_words = _split(text), _split(unprompted)
    opcodes = SequenceMatcher(None, text_words, unprompted_words, autojunk=False).get_opcodes()
    runs = _shared_runs(text_words, _split(prompt))
    suspects = [run for run in runs if run.length > 1] or runs
    return all(_is_similar(run, text_words, unprompted_words, opcodes) for run in suspects)


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive words of the text that are consecutive words of the prompt too."""

    first: int
    length: int


def _shared_runs(text_words: Sequence[str], prompt_words: Sequence[str]) -> list[_Run]:
    """Return the longest runs shared with the prompt, in the order of the text."""
    runs: list[_Run] = []
    place = 0
    while place < len(text_words):
        starts = [start for start, word in enumerate(prompt_words) if word == text_words[place]]
        length = max((_common_prefix(text_words[place:], prompt_words[start:]) for start in starts), default=0)
        if length:
            runs.append(_Run(place, length))
        place += max(length, 1)
    return runs


def _common_prefix(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for word, same in zip(one, other, strict=False):
        if word != same:
            break
        count += 1
    return count


def _is_similar(
    run: _Run,
    text_words: Sequence[str],
    unprompted_words: Sequence[str],
    opcodes: Sequence[tuple[str, int, int, int, int]],
) -> bool:
    prompted: list[str] = []
    unprompted: list[str] = []
    for operation, first, end, unprompted_first, unprompted_end in opcodes:
        overlap = range(max(first, run.first), min(end, run.first + run.length))
        if operation == "equal" and overlap:
            same = text_words[overlap.start : overlap.stop]
            prompted += same
            unprompted += same
        elif operation != "equal" and (overlap or (first == end and run.first < first < run.first + run.length)):
            prompted += text_words[first:end]
            unprompted += unprompted_words[unprompted_first:unprompted_end]
    return SequenceMatcher(None, "".join(prompted), "".join(unprompted), autojunk=False).ratio() >= SIMILAR_RATIO


def _occurs_later(spelled: Sequence[str], place: int) -> bool:
    """Return whether a sentence occurs later, or, as the first, ends a later one; false if it has no letters."""
    this, later = spelled[place], spelled[place + 1 :]
    return bool(this) and (this in later or (place == 0 and any(other.endswith(this) for other in later)))


def _first_repetition(keys: Sequence[str], period: int) -> tuple[int, int] | None:
    """Return the half-open span of the first part that repeats its first `period` words."""
    ids = {key: number for number, key in enumerate(keys)}
    codes = np.array([ids[key] for key in keys])
    same = codes[period:] == codes[:-period]
    edges = np.flatnonzero(np.diff(same, prepend=False, append=False))
    repeats = MIN_SINGLE_REPEATS if period == 1 else 2
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        again = (end - first) // period
        if again >= repeats - 1:
            return first, first + (again + 1) * period
    return None


def _split(text: str) -> list[str]:
    return [letters for word in _WORD.findall(text) if (letters := _letters(word))]


def _letters(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())
