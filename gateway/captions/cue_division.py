"""Division of complete text into cues and lines. PURE.

The fewest cues that hold the text, of similar width: if each were filled to the limit, the last might be left with one
word, or in Chinese with half a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.captions.cue_profiles import CueProfile
from gateway.captions.line_breaking import Lexicon, LineAim, Piece, best_break, line_width
from vad.audio import s_to_samples

__all__ = ["MIN_LINE_SHARE", "Break", "divide", "lasts_too_long", "lines_needed", "wrap"]

MIN_LINE_SHARE = 2 / 3
"""Minimum width of a line as a share of its ideal width, where another break is possible."""

# The same for a cue, where a break at a clause matters more than balance.
_MIN_CUE_SHARE = 1 / 2


@dataclass(frozen=True, slots=True)
class Break:
    """A break before the piece at `position`; it ends the line and, with `ends_cue`, the cue."""

    position: int
    ends_cue: bool


def divide(pieces: Sequence[Piece], profile: CueProfile, lexicon: Lexicon) -> list[Break]:
    """Return breaks that divide the pieces into the fewest cues and lines, of similar width.

    Args:
        pieces: of an utterance, from the start of a cue to its end; may be empty.
        profile: of the cues.
        lexicon: of the language.
    """
    limits = [_cue_limit(pieces, start, profile) for start in range(len(pieces))]
    cues = [0] * (len(pieces) + 1)
    for start in reversed(range(len(pieces))):
        cues[start] = 1 + cues[limits[start]]
    breaks: list[Break] = []
    start = 0
    while start < len(pieces):
        end = len(pieces)
        if cues[start] > 1:
            earliest = next(end for end in range(start + 1, end) if cues[end] < cues[start])
            allowed = range(earliest - start, limits[start] - start + 1)
            aim = _share(line_width(pieces[start:]), cues[start])
            end = start + best_break(pieces[start : limits[start] + 1], allowed, aim, lexicon)
        inner = wrap(pieces[start:end], profile.max_chars_per_line, lexicon)
        breaks += [Break(start + position, ends_cue=False) for position in inner]
        breaks += [Break(end, ends_cue=True)] if end < len(pieces) else []
        start = end
    return breaks


def wrap(pieces: Sequence[Piece], max_width: int, lexicon: Lexicon) -> list[int]:
    """Return the positions that break the pieces into the fewest lines, of similar width.

    Args:
        pieces: of one cue; may be empty.
        max_width: of a line, in columns.
        lexicon: of the language.
    """
    positions: list[int] = []
    start = 0
    while (lines := lines_needed(pieces[start:], max_width)) > 1:
        limit = _line_limit(pieces, start, max_width)
        allowed = range(start + 1, limit + 1)
        earliest = next(end for end in allowed if lines_needed(pieces[end:], max_width) < lines)
        width = line_width(pieces[start:])
        aim = LineAim(width / lines, max(width / lines * MIN_LINE_SHARE, width - (lines - 1) * max_width))
        start += best_break(pieces[start : limit + 1], range(earliest - start, limit - start + 1), aim, lexicon)
        positions.append(start)
    return positions


def lines_needed(pieces: Sequence[Piece], max_width: int) -> int:
    """Return the number of lines that the pieces take if each is filled.

    Args:
        pieces: in order; may be empty.
        max_width: of a line, in columns.
    """
    start = lines = 0
    while start < len(pieces):
        start, lines = _line_limit(pieces, start, max_width), lines + 1
    return lines


def lasts_too_long(pieces: Sequence[Piece], profile: CueProfile) -> bool:
    """Return whether the pieces last longer than one cue may be displayed; a single piece never does.

    Args:
        pieces: in order, at least one.
        profile: of the cue.
    """
    return _late_position(pieces, 0, len(pieces), profile) < len(pieces)


def _share(width: int, cues: int) -> LineAim:
    """Return the aim for the first of several cues: an equal share, which leaves no less for the others."""
    share = width / cues
    return LineAim(share, share * _MIN_CUE_SHARE, width - (cues - 1) * share * _MIN_CUE_SHARE)


def _cue_limit(pieces: Sequence[Piece], start: int, profile: CueProfile) -> int:
    """Return the last position where a cue that starts at a piece may end."""
    end = start
    for _ in range(profile.max_lines):
        end = _line_limit(pieces, end, profile.max_chars_per_line)
    return _late_position(pieces, start, end, profile)


def _line_limit(pieces: Sequence[Piece], start: int, max_width: int) -> int:
    width = 0
    for position in range(start, len(pieces)):
        width += pieces[position].width + (pieces[position].spaced and position > start)
        if width > max_width:
            return position
    return len(pieces)


def _late_position(pieces: Sequence[Piece], start: int, end: int, profile: CueProfile) -> int:
    """Return the first piece after `start` that is too late for the cue, or `end`."""
    if profile.max_duration_s is None:
        return end
    latest_sample = pieces[start].start_sample + s_to_samples(profile.max_duration_s)
    return next((late for late in range(start + 1, end) if pieces[late].end_sample > latest_sample), end)
