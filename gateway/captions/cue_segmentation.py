"""Division of a whole text into cues, by sentences, reading speed and duration. PURE.

Each way to divide the text has a cost; the division of the lowest cost is found by dynamic programming, from the end of
the text to its start. Sources of the rules: Netflix, Timed Text Style Guide; BBC, Subtitle Guidelines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from gateway.captions.cue_profiles import CueProfile
from gateway.captions.line_breaking import AFTER_SENTENCE, Lexicon, Piece, gap_score, line_text
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["MAX_TRAIL_S", "cue_ends", "reading_end_sample"]

MAX_TRAIL_S = 1.5
"""Longest display after the last word: BBC, 5.2."""

# Costs are in units of one cue more: what the others weigh is what they are worth in cues.
_CUE = 1.0
_BREAK = 0.5
"""Of each point that a break between cues scores below the end of a sentence (`gap_score`)."""

_INNER_SENTENCE = 0.4
"""Of a sentence that ends within a cue: BBC 3.2 has one sentence in each, but joins short ones (3.8)."""

_STRADDLING = 1.5
"""Of a cue with the end of one sentence and a piece of the next."""

_TOO_FAST = 6.0
"""Of the share of the reading time that is missing."""

_TOO_SHORT = 4.0
"""Of the share of the minimum duration that is missing."""

_UNDERFILLED = 0.5
"""Of the square of the share of the cue that is empty: two cues of similar width rather than a full and a short one."""

_INNER_PAUSE = 1.0
"""Of each second of a pause within a cue, beyond `_UNNOTICED_PAUSE_S`: its text would be there too early."""

_UNNOTICED_PAUSE_S = 0.5

_PAUSE_SCORE = 2.0
"""Added to the score of a break for each second of pause: in text without punctuation, sentences end at pauses."""


def cue_ends(pieces: Sequence[Piece], profile: CueProfile, lexicon: Lexicon, next_sample: int | None) -> list[int]:
    """Return the positions where cues end, ascending, the last one `len(pieces)`.

    Args:
        pieces: of the text; may be empty.
        profile: of the cues; its widths and maximum duration are kept, but for a single piece that lasts longer.
        lexicon: of the language.
        next_sample: start of the speech after the text; None: there is none.
    """
    scores = [_score(before, after, lexicon) for before, after in pairwise(pieces)]
    text = _Text(pieces, (*scores, AFTER_SENTENCE), profile, next_sample)
    costs = [0.0] * (len(pieces) + 1)
    ends = [0] * len(pieces)
    for start in reversed(range(len(pieces))):
        costs[start] = inf
        for end in range(start + 1, text.last_end(start) + 1):
            cost = text.cost(start, end) + costs[end]
            if cost < costs[start]:
                costs[start], ends[start] = cost, end
    found: list[int] = []
    while (start := found[-1] if found else 0) < len(pieces):
        found.append(ends[start])
    return found


def reading_end_sample(lines: Sequence[str], start_sample: int, end_sample: int, profile: CueProfile) -> int:
    """Return until when a cue is displayed, if nothing follows: as long as it takes to read, within limits.

    Args:
        lines: of the cue.
        start_sample: when it appears.
        end_sample: end of its last word.
        profile: of the cue.
    """
    wanted_samples = _samples(max(profile.min_duration_s, profile.reading_s(lines)))
    latest_sample = max(end_sample + _samples(MAX_TRAIL_S), start_sample + _samples(profile.min_duration_s))
    wanted_sample = min(max(end_sample, start_sample + wanted_samples), latest_sample)
    if profile.max_duration_s is None:
        return wanted_sample
    return min(wanted_sample, start_sample + _samples(profile.max_duration_s))


@dataclass(frozen=True, slots=True)
class _Text:
    """The text that is divided.

    Attributes:
        pieces: all of it.
        scores: of the break after each piece.
        profile: of the cues.
        next_sample: start of the speech after it.
    """

    pieces: Sequence[Piece]
    scores: Sequence[float]
    profile: CueProfile
    next_sample: int | None

    def last_end(self, start: int) -> int:
        """Return the last position where a cue that starts at a piece may end."""
        lines, width = 1, 0
        for position in range(start, len(self.pieces)):
            piece = self.pieces[position]
            width += piece.width + (piece.spaced and width > 0)
            if width > self.profile.max_chars_per_line:
                lines, width = lines + 1, piece.width
            if position > start and (lines > self.profile.max_lines or self._is_late(start, position)):
                return position
        return len(self.pieces)

    def cost(self, start: int, end: int) -> float:
        """Return the cost of a cue."""
        inner = [score >= AFTER_SENTENCE for score in self.scores[start : end - 1]]
        ends_sentence = self.scores[end - 1] >= AFTER_SENTENCE
        cost = _CUE + _BREAK * (AFTER_SENTENCE - self.scores[end - 1]) + _INNER_SENTENCE * sum(inner)
        if any(inner) and not ends_sentence:
            cost += _STRADDLING
        return cost + self._cost_of_time(start, end) + self._cost_of_pauses(start, end)

    def _cost_of_time(self, start: int, end: int) -> float:
        text = line_text(self.pieces[start:end])
        full = self.profile.max_chars_per_line * self.profile.max_lines
        cost = _UNDERFILLED * max(0.0, 1 - len(text) / full) ** 2
        available_s = max(0.0, self._available_s(start, end))
        reading_s = self.profile.reading_s((text,))
        if reading_s > available_s:
            cost += _TOO_FAST * (1 - available_s / reading_s)
        if self.profile.min_duration_s > available_s:
            cost += _TOO_SHORT * (1 - available_s / self.profile.min_duration_s)
        return cost

    def _cost_of_pauses(self, start: int, end: int) -> float:
        pauses_s = (self._pause_s(position) for position in range(start + 1, end))
        return _INNER_PAUSE * sum(pause_s - _UNNOTICED_PAUSE_S for pause_s in pauses_s if pause_s > _UNNOTICED_PAUSE_S)

    def _available_s(self, start: int, end: int) -> float:
        """Return how long a cue can be displayed."""
        latest_sample = self.pieces[end - 1].end_sample + _samples(MAX_TRAIL_S)
        next_sample = self.pieces[end].start_sample if end < len(self.pieces) else self.next_sample
        if next_sample is not None:
            latest_sample = min(latest_sample, next_sample - _samples(self.profile.gap_s))
        return (latest_sample - self.pieces[start].start_sample) / SAMPLE_RATE_HZ

    def _pause_s(self, position: int) -> float:
        return (self.pieces[position].start_sample - self.pieces[position - 1].end_sample) / SAMPLE_RATE_HZ

    def _is_late(self, start: int, position: int) -> bool:
        if self.profile.max_duration_s is None:
            return False
        latest_sample = self.pieces[start].start_sample + _samples(self.profile.max_duration_s)
        return self.pieces[position].end_sample > latest_sample


def _score(before: Piece, after: Piece, lexicon: Lexicon) -> float:
    """Return how good a cue's end between two pieces is: at most that of a sentence."""
    pause_s = max(0, after.start_sample - before.end_sample) / SAMPLE_RATE_HZ
    return min(AFTER_SENTENCE, gap_score(before, after, lexicon) + _PAUSE_SCORE * pause_s)


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)
