"""Line and cue breaks of one utterance, while it grows and when it is complete. PURE."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, repeat, takewhile

from decoder.stabiliser import normalise_word
from decoder.types import Transcript, Word
from gateway.captions.cue_division import MIN_LINE_SHARE, Break, divide, lasts_too_long, lines_needed, wrap
from gateway.captions.cue_profiles import CueProfile, to_latin
from gateway.captions.line_breaking import (
    Lexicon,
    LineAim,
    Piece,
    best_break,
    lexicon_of,
    line_text,
    line_width,
    pieces_of,
)
from vad.audio import s_to_samples

__all__ = ["Block", "CueLayout"]

# Share of a line: seven Chinese characters, or one English word. Less is too short for a cue of its own.
_ORPHAN_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Block:
    """The text of one cue with its times.

    Attributes:
        lines: not empty.
        stable_chars: leading characters of the lines, joined by newlines, that stay while the utterance is partial.
        start_sample: of its first word, at 16 kHz.
        end_sample: of its last word.
    """

    lines: tuple[str, ...]
    stable_chars: int
    start_sample: int
    end_sample: int


class CueLayout:
    """Decides the line and cue breaks of one utterance.

    While it is partial, a break is added when a line overflows or a cue lasts too long. It is kept while the pieces
    before it are unchanged, even if the text after it disappears for a while. A settled piece is committed and never
    changes its line. The final keeps the breaks before the first changed word, and divides the rest evenly.

    Args:
        profile: of the cues.
    """

    def __init__(self, profile: CueProfile) -> None:
        self._profile = profile
        # A live line is broken in its last third: committed text before that never moves.
        self._settled_width = profile.max_chars_per_line * MIN_LINE_SHARE
        self._orphan_width = profile.max_chars_per_line * _ORPHAN_SHARE
        self._pieces: tuple[Piece, ...] = ()
        self._breaks: list[Break] = []
        self._settled = 0

    def update(self, transcript: Transcript, language: str | None) -> list[Block]:
        """Keep the valid breaks, add those that are needed, and return the text of each cue.

        Args:
            transcript: of the utterance, the last one final.
            language: ISO 639-1 code of the words; None: unknown.

        Raises:
            ValueError: a partial transcript has changed settled pieces.
        """
        before, self._pieces = self._pieces, self._pieces_of(transcript.committed + transcript.tail)
        if transcript.is_final:
            self._keep_breaks(_common_prefix(map(_identity_of_word, before), map(_identity_of_word, self._pieces)))
            self._finish(lexicon_of(language))
            self._settled = len(self._pieces)
            return self._blocks()
        unchanged = _common_prefix(map(_identity, before), map(_identity, self._pieces))
        if unchanged < self._settled:
            raise ValueError(f"committed words of utterance {transcript.utterance_id} have changed")
        self._keep_breaks(unchanged)
        self._add_breaks(lexicon_of(language))
        self._settled = self._count_settled(len(self._pieces_of(transcript.committed)))
        return self._blocks()

    def _pieces_of(self, words: Sequence[Word]) -> tuple[Piece, ...]:
        if self._profile.latin_only:
            words = [replace(word, text=to_latin(word.text)) for word in words]
        return pieces_of(words, self._profile.max_chars_per_line)

    def _keep_breaks(self, unchanged: int) -> None:
        """Keep the breaks after unchanged pieces, as long as the lines fit."""
        bounds = [0, *(ended.position for ended in self._breaks)]
        fits = (
            end <= unchanged and line_width(self._pieces[start:end]) <= self._profile.max_chars_per_line
            for start, end in pairwise(bounds)
        )
        self._breaks = self._breaks[: _common_prefix(fits, repeat(True))]

    def _blocks(self) -> list[Block]:
        if not self._pieces:
            return []
        length = len(self._pieces)
        ends = [end.position for end in self._breaks if end.ends_cue and end.position < length]
        return [self._block(start, end) for start, end in pairwise([0, *ends, length])]

    def _block(self, start: int, end: int) -> Block:
        return Block(
            lines=self._lines(start, end),
            stable_chars=len("\n".join(self._lines(start, min(end, self._settled)))),
            start_sample=self._pieces[start].start_sample,
            end_sample=self._pieces[end - 1].end_sample,
        )

    def _lines(self, start: int, end: int) -> tuple[str, ...]:
        inner = [ended.position for ended in self._breaks if start < ended.position < end]
        bounds = [start, *inner, end] if start < end else []
        return tuple(line_text(self._pieces[first:last]) for first, last in pairwise(bounds))

    # --- complete utterances -----------------------------------------------------------------------------------------

    def _finish(self, lexicon: Lexicon) -> None:
        """Lay out the last cue again, together with the one before it if the last would be too short."""
        kept = [ended for ended in self._breaks if ended.position < len(self._pieces)]
        starts = [0, *(ended.position for ended in kept if ended.ends_cue)]
        is_orphan = len(starts) > 1 and line_width(self._pieces[starts[-1] :]) < self._orphan_width
        start = starts[-2] if is_orphan else starts[-1]
        lines = [] if is_orphan else [ended for ended in kept if ended.position > start]
        self._breaks = [ended for ended in kept if ended.position <= start]
        if lines and self._holds(start, [ended.position for ended in lines]):
            last = lines[-1].position
            inner = wrap(self._pieces[last:], self._profile.max_chars_per_line, lexicon)
            self._breaks += [*lines, *(Break(last + position, ends_cue=False) for position in inner)]
        else:
            divided = divide(self._pieces[start:], self._profile, lexicon)
            self._breaks += [replace(ended, position=start + ended.position) for ended in divided]

    def _holds(self, start: int, lines: Sequence[int]) -> bool:
        """Return whether a cue with these line breaks holds all that follows its start."""
        needed = len(lines) + lines_needed(self._pieces[lines[-1] :], self._profile.max_chars_per_line)
        return needed <= self._profile.max_lines and not lasts_too_long(self._pieces[start:], self._profile)

    # --- growing utterances ------------------------------------------------------------------------------------------

    def _add_breaks(self, lexicon: Lexicon) -> None:
        while True:
            line_start = self._breaks[-1].position if self._breaks else 0
            lines_before = list(takewhile(lambda ended: not ended.ends_cue, reversed(self._breaks)))
            cue_start = next((ended.position for ended in reversed(self._breaks) if ended.ends_cue), 0)
            misfit, is_late = self._misfit(line_start, cue_start)
            if misfit is None:
                return
            if misfit == line_start or (is_late and self._is_stub(line_start, misfit, cue_start)):
                self._breaks[-1] = Break(line_start, ends_cue=True)
                continue
            allowed = range(max(self._settled, line_start + 1) - line_start, misfit - line_start + 1)
            aim = self._aim(line_start, misfit, is_late=is_late)
            position = line_start + best_break(self._pieces[line_start : misfit + 1], allowed, aim, lexicon)
            is_full = len(lines_before) + 1 == self._profile.max_lines
            self._breaks.append(Break(position, ends_cue=is_late or is_full))

    def _is_stub(self, line_start: int, misfit: int, cue_start: int) -> bool:
        """Return whether a short line that is too late for its cue can become the start of the next one."""
        is_movable = cue_start < line_start and self._settled <= line_start
        return is_movable and line_width(self._pieces[line_start:misfit]) < self._orphan_width

    def _misfit(self, line_start: int, cue_start: int) -> tuple[int | None, bool]:
        """Return the first piece that does not fit the line, and whether it is too late for the cue."""
        width = 0
        for position in range(line_start, len(self._pieces)):
            width += self._pieces[position].width + (self._pieces[position].spaced and position > line_start)
            if width > self._profile.max_chars_per_line:
                return position, False
            if position > cue_start and self._is_late(position, cue_start):
                return position, True
        return None, False

    def _is_late(self, position: int, cue_start: int) -> bool:
        # Committed words may get new times; settled pieces stay in their cue regardless.
        if self._profile.max_duration_s is None or position < self._settled:
            return False
        duration_samples = self._pieces[position].end_sample - self._pieces[cue_start].start_sample
        return duration_samples > s_to_samples(self._profile.max_duration_s)

    def _aim(self, line_start: int, misfit: int, *, is_late: bool) -> LineAim:
        """Return the aim: fill the line, as far as the cue has time."""
        full = self._profile.max_chars_per_line
        if is_late:
            full = max(1, line_width(self._pieces[line_start:misfit]))
        return LineAim(full, full * MIN_LINE_SHARE)

    def _count_settled(self, committed: int) -> int:
        line_start = max((kept.position for kept in self._breaks if kept.position <= committed), default=0)
        width, position = 0, line_start
        while position < committed and width < self._settled_width:
            width += self._pieces[position].width + (self._pieces[position].spaced and position > line_start)
            position += 1
        return position


def _common_prefix(left: Iterable[object], right: Iterable[object]) -> int:
    """Return the number of equal leading items."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _identity(piece: Piece) -> tuple[str, bool]:
    return piece.text, piece.spaced


def _identity_of_word(piece: Piece) -> tuple[str, bool]:
    """Return the same without case and punctuation: a comma added by the final must not move lines."""
    return normalise_word(piece.text), piece.spaced
