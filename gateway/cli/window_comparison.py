"""Whether finals may be decoded in trimmed windows: the same recordings in both windows, compared. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

import numpy as np

from gateway.cli.word_errors import WordErrors

__all__ = ["MIN_RECORDINGS", "Comparison", "Decoded", "Pair", "Verdict", "advice", "compare"]

MIN_RECORDINGS = 100
"""With as many, some 1 700 words, the interval of tiny.en is 1.4 points wide (docs/performance.md). That of fewer is so
wide that it would mostly speak against trimmed windows, or by chance for them."""

ALLOWED_POINTS = 0.5
"""One word in 200, or in 80 s of speech, where tiny.en has eight wrong in any case. A stricter limit would need several
times as many recordings; a reader would notice a wider one."""

_CONFIDENCE_PERCENT = 95.0

_BLOCKS, _BLOCK_DRAWS = 20, 500
"""10 000 draws, so that the ends of the interval vary by one or two hundredths of a point with the seed; in blocks that
bound the memory."""

_SEED = 1


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one window makes of recordings.

    Attributes:
        errors: of the transcripts.
        encoder_s: audio encoded, padding included, in seconds.
        redecoded: answers decoded again, as loops or doubtful ones are.
    """

    errors: WordErrors
    encoder_s: float
    redecoded: int

    @property
    def wrong_percent(self) -> float:
        """Return words wrong, in percent of the reference's."""
        return 100 * self.errors.wrong / self.errors.words

    def __add__(self, other: "Decoded") -> "Decoded":
        """Return the sum of both."""
        return Decoded(self.errors + other.errors, self.encoder_s + other.encoder_s, self.redecoded + other.redecoded)


@dataclass(frozen=True, slots=True)
class Pair:
    """One recording, or several together, decoded in both windows."""

    full: Decoded
    trimmed: Decoded

    @property
    def more_wrong(self) -> int:
        """Return how many more words are wrong in the trimmed window."""
        return self.trimmed.errors.wrong - self.full.errors.wrong

    def __add__(self, other: "Pair") -> "Pair":
        """Return the sum of both."""
        return Pair(self.full + other.full, self.trimmed + other.trimmed)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All recordings in both windows.

    Attributes:
        recordings: how many.
        total: all of them together.
        difference_points: words wrong in trimmed windows less those in full ones, in percentage points.
        least_points, most_points: of the difference, the ends of its 95 % interval.
    """

    recordings: int
    total: Pair
    difference_points: float
    least_points: float
    most_points: float

    @property
    def verdict(self) -> "Verdict":
        """Return which window the figures speak for."""
        if self.recordings < MIN_RECORDINGS:
            return Verdict.UNDECIDED
        return Verdict.TRIMMED if self.most_points <= ALLOWED_POINTS else Verdict.FULL


class Verdict(Enum):
    """The window for finals of a model."""

    UNDECIDED = auto()
    TRIMMED = auto()
    FULL = auto()


def compare(pairs: Sequence[Pair]) -> Comparison:
    """Return the comparison of recordings, with an interval by bootstrap over them (Efron 1979).

    Recordings are drawn, not words: errors of one recording depend on each other, and a loop spoils all of it. The
    draws are the same each time.

    Args:
        pairs: one a recording, at least one; the references have words.
    """
    total = sum(pairs[1:], start=pairs[0])
    words = np.array([pair.full.errors.words for pair in pairs])
    more_wrong = np.array([pair.more_wrong for pair in pairs])
    random = np.random.default_rng(_SEED)
    draws = (random.integers(len(pairs), size=(_BLOCK_DRAWS, len(pairs))) for _ in range(_BLOCKS))
    points = [100 * more_wrong[places].sum(axis=1) / words[places].sum(axis=1) for places in draws]
    beyond_percent = (100 - _CONFIDENCE_PERCENT) / 2
    least, most = np.percentile(points, (beyond_percent, 100 - beyond_percent))
    difference = 100 * total.more_wrong / total.full.errors.words
    return Comparison(len(pairs), total, difference, float(least), float(most))


def advice(comparison: Comparison) -> str:
    """Return what to do, in a sentence."""
    match comparison.verdict:
        case Verdict.UNDECIDED:
            return f"too few to decide: {comparison.recordings} of at least {MIN_RECORDINGS} recordings"
        case Verdict.TRIMMED:
            return (
                'trimmed windows are as right with this model: set engine.final_window = "trimmed" '
                "(livecue serve --final-window trimmed)"
            )
        case Verdict.FULL:
            may_change = comparison.difference_points <= ALLOWED_POINTS
            return (
                f"keep full windows: with trimmed ones up to {comparison.most_points:.2f} points more words may be "
                f"wrong, expected at most {ALLOWED_POINTS}{'; more recordings may show less' if may_change else ''}"
            )
        case verdict:
            assert_never(verdict)
