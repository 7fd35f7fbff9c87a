"""Lags of the words of one stream, in seconds since each word's end. PURE.

Only words that the finals have right have lags of their display: nothing else says when a word was displayed. Wrong and
lost words are counted elsewhere, so lags are to be read together with the word errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from clients.bench.matched_words import MatchedWord, utterances

__all__ = ["Lags", "lag_over_time", "lags_of", "update_gaps_s"]


@dataclass(slots=True)
class Lags:
    """Lags of any number of words.

    Attributes:
        first_shown_s: end of a word → first display of it, or of another word in its place.
        shown_s: end of a word → since when it is displayed without interruption.
        committed_s: end of a word → since when it is committed.
        final_s: end of a word → the final that has it.
        first_partial_s: start of an utterance → the first display of any of its words.
    """

    first_shown_s: list[float] = field(default_factory=list)
    shown_s: list[float] = field(default_factory=list)
    committed_s: list[float] = field(default_factory=list)
    final_s: list[float] = field(default_factory=list)
    first_partial_s: list[float] = field(default_factory=list)

    def add(self, other: "Lags") -> None:
        """Add those of other words."""
        self.first_shown_s += other.first_shown_s
        self.shown_s += other.shown_s
        self.committed_s += other.committed_s
        self.final_s += other.final_s
        self.first_partial_s += other.first_partial_s


def lags_of(words: Sequence[MatchedWord]) -> Lags:
    """Return the lags of the right words of a stream, and of the first display of each utterance."""
    right = [word for word in words if word.is_right]
    first_displays = [
        (utterance[0].spoken.start_s, [word.first_shown_s for word in utterance if word.first_shown_s is not None])
        for utterance in utterances(words)
    ]
    return Lags(
        first_shown_s=_lags_s(right, [word.first_shown_s for word in right]),
        shown_s=_lags_s(right, [word.shown_s for word in right]),
        committed_s=_lags_s(right, [word.committed_s for word in right]),
        final_s=_lags_s(right, [word.final_s for word in right]),
        first_partial_s=[min(times_s) - start_s for start_s, times_s in first_displays if times_s],
    )


def update_gaps_s(words: Sequence[MatchedWord], updates_s: Sequence[float]) -> list[float]:
    """Return the times between two updates of the display within the same utterance.

    Args:
        words: of the stream.
        updates_s: times at which the displayed words changed, in order.
    """
    gaps_s: list[float] = []
    for utterance in utterances(words):
        start_s, end_s = utterance[0].spoken.start_s, utterance[-1].speech_ends_s
        within = [at_s for at_s in updates_s if end_s is not None and start_s <= at_s <= end_s]
        gaps_s += [later - earlier for earlier, later in pairwise(within)]
    return gaps_s


def lag_over_time(words: Sequence[MatchedWord]) -> list[tuple[float, float]]:
    """Return the end and the lag of the latest displayed word of each second, in order."""
    worst: dict[int, tuple[float, float]] = {}
    for word in words:
        if word.shown_s is not None:
            entry = (word.spoken.end_s, word.shown_s - word.spoken.end_s)
            second = int(word.spoken.end_s)
            worst[second] = max(entry, worst.get(second, entry), key=lambda each: each[1])
    return [worst[second] for second in sorted(worst)]


def _lags_s(words: Sequence[MatchedWord], times_s: Sequence[float | None]) -> list[float]:
    return [at_s - word.spoken.end_s for word, at_s in zip(words, times_s, strict=True) if at_s is not None]
