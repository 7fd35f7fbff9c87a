"""Recall and false alarms of terms: names and words that matter more than others. PURE."""

from collections.abc import Iterable, Sequence

from clients.bench.alignment import aligned
from clients.bench.result import Terms

__all__ = ["count_terms", "summed_terms"]


def count_terms(reference: Sequence[str], transcript: Sequence[str], terms: Iterable[Sequence[str]]) -> Terms:
    """Return how many spoken terms a transcript has in their places, and how many it has in others.

    Args:
        reference: words that were spoken, as they are compared.
        transcript: words of the finals, as they are compared.
        terms: words of each term, as they are compared; spoken or not.
    """
    pairs = aligned(reference, transcript)
    right = {i: j for i, j in pairs if i is not None and j is not None and reference[i] == transcript[j]}
    spoken = recognized = written = 0
    for term in {tuple(term) for term in terms if term}:
        places = _places(term, reference)
        spoken += len(places)
        recognized += sum(_is_whole([right.get(place + number) for number in range(len(term))]) for place in places)
        written += len(_places(term, transcript))
    return _terms(spoken, recognized, written - recognized)


def summed_terms(terms: Iterable[Terms]) -> Terms:
    """Return the counts of several streams together."""
    counts = [(each.spoken, each.recognized, each.false_alarms) for each in terms]
    return _terms(*(sum(column) for column in zip((0, 0, 0), *counts, strict=True)))


def _is_whole(places: Sequence[int | None]) -> bool:
    first = places[0]
    return first is not None and list(places) == list(range(first, first + len(places)))


def _places(term: Sequence[str], words: Sequence[str]) -> list[int]:
    return [place for place in range(len(words) - len(term) + 1) if tuple(words[place : place + len(term)]) == term]


def _terms(spoken: int, recognized: int, false_alarms: int) -> Terms:
    return Terms(spoken, recognized, false_alarms, recognized / spoken if spoken else None)
