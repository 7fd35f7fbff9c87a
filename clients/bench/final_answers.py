"""Ends of speech and the finals that answer them. PURE.

An end of speech is answered if a final has its last word, right or wrong. The time from its end to that final is what
an agent that waits for the final waits (time to final segment, TTFS).

A final is premature if it ends between two words of an utterance without a pause between them, and comes before the
second of them is over, or leaves it to another final.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clients.bench.matched_words import MatchedWord, Matches
from clients.bench.result import Finals
from clients.bench.trace import Cut

__all__ = ["FinalAnswers", "final_answers"]

_CUT_MARGIN_S = 1.0
"""Audio may be lost on a cut connection for this long before the cut."""


@dataclass(frozen=True, slots=True)
class FinalAnswers:
    """How finals answer the ends of speech of one stream.

    Attributes:
        lags_s: from each answered end of speech to its final.
        finals: counts.
    """

    lags_s: tuple[float, ...]
    finals: Finals


def final_answers(matches: Matches, cuts: Sequence[Cut], premature_pause_s: float) -> FinalAnswers:
    """Return the answers to the ends of speech of one stream.

    Args:
        matches: of its words.
        cuts: of its connection; a final at a cut is not premature.
        premature_pause_s: words closer together have no pause between them.
    """
    ends = [word for word in matches.words if word.speech_ends_s is not None]
    lags_s = [
        word.final_s - word.speech_ends_s
        for word in ends
        if word.final_s is not None and word.speech_ends_s is not None
    ]
    premature = sum(
        _is_premature(matches, end, cuts, premature_pause_s) for end in matches.segment_ends if end is not None
    )
    return FinalAnswers(tuple(lags_s), Finals(len(ends), len(lags_s), premature, len(ends) - len(lags_s)))


def _is_premature(matches: Matches, end: int, cuts: Sequence[Cut], premature_pause_s: float) -> bool:
    word, rest = matches.words[end], _rest_of_utterance(matches.words, end)
    if not rest or rest[0].spoken.start_s - word.spoken.end_s >= premature_pause_s:
        return False
    # Where the last words of an utterance are lost, its final ends before them, but is not early.
    final_s = word.final_s or 0.0
    is_early = final_s < rest[0].spoken.end_s or any(later.written for later in rest)
    return is_early and not any(word.spoken.end_s - _CUT_MARGIN_S <= cut.at_s <= final_s for cut in cuts)


def _rest_of_utterance(words: Sequence[MatchedWord], place: int) -> Sequence[MatchedWord]:
    ends = (number for number in range(place, len(words)) if words[number].speech_ends_s is not None)
    return words[place + 1 : next(ends, len(words)) + 1]
