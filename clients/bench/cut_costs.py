"""What cut connections cost. PURE.

Lost: spoken words that no final has, in an unbroken series of such words that reaches a cut, and that the same stream
without a cut has, if there was one. Doubled: surplus words of the finals after a cut that repeat words spoken around
it. Both need the times of the spoken words.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from clients.bench.matched_words import MatchedWord, Matches
from clients.bench.percentiles import percentiles
from clients.bench.result import Cuts
from clients.bench.trace import Cut

__all__ = ["CutStream", "cost_of_cuts"]

_BEFORE_S = 5.0
"""An utterance that ended so long before the cut may still have been without its final."""
_AFTER_S = 1.0
"""A server may miss the beginning of the audio on the new connection."""
_REPEATED_S = 10.0
"""A dialect that resumes by sending audio again may repeat so much."""


@dataclass(frozen=True, slots=True)
class CutStream:
    """One stream with cuts.

    Attributes:
        cuts: of its connection.
        matches: of its words; None: their times are unknown.
        uncut: matches of the same audio without a cut; None: there was no such stream.
    """

    cuts: Sequence[Cut]
    matches: Matches | None
    uncut: Matches | None = None


def cost_of_cuts(streams: Iterable[CutStream]) -> Cuts | None:
    """Return what the cuts of all streams cost; None: there was no cut."""
    cut = [stream for stream in streams if stream.cuts]
    if not cut:
        return None
    cuts = [each for stream in cut for each in stream.cuts]
    timed = [(stream, stream.matches) for stream in cut if stream.matches is not None]
    return Cuts(
        cuts=len(cuts),
        resumed=sum(each.resumed for each in cuts),
        words_lost=sum(_lost(*each) for each in timed) if timed else None,
        words_doubled=sum(_doubled(*each) for each in timed) if timed else None,
        live_again=percentiles([each.live_s - each.at_s for each in cuts if each.live_s is not None]),
    )


def _lost(stream: CutStream, matches: Matches) -> int:
    kept_uncut = None
    if stream.uncut is not None:
        kept_uncut = {word.spoken.start_s for word in stream.uncut.words if word.written}
    count = 0
    for is_kept, group in groupby(matches.words, key=lambda word: bool(word.written)):
        lost = list(group)
        if not is_kept and any(_near(cut, lost, _BEFORE_S) for cut in stream.cuts):
            count += sum(kept_uncut is None or word.spoken.start_s in kept_uncut for word in lost)
    return count


def _doubled(stream: CutStream, matches: Matches) -> int:
    count, surplus = 0, list(matches.surplus)
    for cut in stream.cuts:
        around = [word for word in matches.words if word.is_right and _near(cut, [word], _REPEATED_S)]
        spoken = Counter(text for word in around for text in word.compared)
        for part in [part for part in surplus if part.word.shown_s >= cut.at_s]:
            if spoken[part.text]:
                spoken[part.text] -= 1
                surplus.remove(part)
                count += 1
    return count


def _near(cut: Cut, words: Sequence[MatchedWord], before_s: float) -> bool:
    is_over = cut.live_s is not None and words[0].spoken.start_s > cut.live_s + _AFTER_S
    return not is_over and words[-1].spoken.end_s >= cut.at_s - before_s
