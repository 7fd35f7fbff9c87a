"""Cues: what a viewer reads, when, and how it may still change. PURE.

    utterance ──pieces──► layout (lines and cues that stay put) ──► times (no overlap in the session) ──► revisions

A cue is `partial` until nothing of it can change, then `final`, once. It turns final as soon as all its words are
committed and the first word of the next cue is too; the rest of an utterance's cues with the utterance's final.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise, takewhile
from math import ceil

from decoder.types import Transcript, Word
from gateway.linebreak import Lexicon, LineAim, Piece, best_break, lexicon_of, line_width, pieces_of, text_width
from gateway.profiles import DEFAULT_PROFILE, PROFILES, CueProfile, to_latin
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["DEFAULT_PROFILE", "PROFILES", "Cue", "CueBuilder", "CueHistory", "CueProfile", "CueState"]

# A cue shorter than one frame of 25 Hz video would never be drawn; it also outlasts the rounding to milliseconds.
_SHORTEST_S = 0.04

# A live line is broken in its last third: what stands before it stays put once it is committed.
_SETTLED_SHARE = 2 / 3


class CueState(StrEnum):
    """Whether a cue may still change."""

    PARTIAL = "partial"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Cue:
    """One version of what is shown together.

    Attributes:
        cue_id: unique in the session, the same in all versions: `3.1` is the first cue of utterance 3.
        utterance_id: whose words it shows.
        revision: greater than in any earlier version; it is the transcript's, unless that one came before.
        start_sample: when it appears, at 16 kHz since the session began.
        end_sample: when it disappears, > `start_sample`.
        lines: what it shows; empty only in a partial cue, which is thereby withdrawn: show nothing. A later version may
            bring it back until its utterance is final.
        stable_chars: so many leading characters of `"\\n".join(lines)` are the same in all later versions: their words
            are committed and their place is settled.
        state: a final cue has text, and is the last version.
    """

    cue_id: str
    utterance_id: int
    revision: int
    start_sample: int
    end_sample: int
    lines: tuple[str, ...]
    stable_chars: int
    state: CueState


@dataclass(frozen=True, slots=True)
class CueHistory:
    """What a session had said before it was taken up again.

    Attributes:
        end_sample: of its last final cue; None: there was none.
        open_cues: the final cues of the utterance that had no final yet, in order.
    """

    end_sample: int | None = None
    open_cues: tuple[Cue, ...] = ()


class CueBuilder:
    """Turns the transcripts of one session into cues.

    Utterances come one after the other, each until its final. A line break, once placed, stays while the words before
    it do, so text above the last line never moves. The work of an update grows with its utterance only.

    Args:
        profile: of the cues.
        history: of a session that is taken up again. The first words of its open utterance are not said again.
    """

    def __init__(self, profile: CueProfile, history: CueHistory | None = None) -> None:
        self._profile = profile
        self._shortest_samples = _to_samples(_SHORTEST_S)
        self._gap_samples = _to_samples(profile.gap_s)
        self._earliest_sample = 0
        """Where the next final cue may start."""
        self._last_final_id: int | None = None
        self._utterance: _Utterance | None = None
        if history is not None and history.end_sample is not None:
            self._earliest_sample = history.end_sample + self._gap_samples
        if history is not None and history.open_cues:
            self._utterance = _Utterance.going_on(history.open_cues, profile)

    def update(self, transcript: Transcript, heard_sample: int, language: str | None = None) -> list[Cue]:
        """Take in what an utterance says by now, and return the cues that changed, oldest first.

        A final transcript brings all cues of its utterance that are not final yet, then the withdrawn ones.

        Args:
            transcript: of the utterance of the call before, or of a later one after that one's final.
            heard_sample: how far the stream has been heard; after the utterance nothing is said before it.
            language: ISO-639-1 of the words, for better line breaks; None where unknown.

        Raises:
            ValueError: the utterance is over, another one is not, or committed words have changed.
        """
        utterance = self._utterance_of(transcript.utterance_id)
        utterance.layout.update(transcript, language)
        utterance.revision = max(transcript.revision, utterance.revision + 1)
        first = utterance.final_cues
        blocks = utterance.layout.blocks()[first - utterance.said_cues :]
        spans = self._spans(blocks, heard_sample)
        changed: list[Cue] = []
        for number, (block, (start_sample, end_sample)) in enumerate(zip(blocks, spans, strict=True), start=first):
            if block.is_settled:
                utterance.final_cues += 1
                self._earliest_sample = end_sample + self._gap_samples
            changed += utterance.put(number, block, start_sample, end_sample)
        changed += utterance.withdraw_from(first + len(blocks))
        if transcript.is_final:
            self._last_final_id, self._utterance = transcript.utterance_id, None
        return changed

    def _utterance_of(self, utterance_id: int) -> "_Utterance":
        if self._last_final_id is not None and utterance_id <= self._last_final_id:
            raise ValueError(f"transcript of utterance {utterance_id}: {self._last_final_id} is already final")
        if self._utterance is None:
            self._utterance = _Utterance(utterance_id, _Layout(self._profile))
        if self._utterance.utterance_id != utterance_id:
            raise ValueError(f"transcript of utterance {utterance_id}: {self._utterance.utterance_id} is not yet final")
        return self._utterance

    def _spans(self, blocks: Sequence["_Block"], heard_sample: int) -> list[tuple[int, int]]:
        """Return start and end of each block: in order, apart by the gap, within what was heard."""
        starts: list[int] = []
        earliest_sample = self._earliest_sample
        for block in blocks:
            # Engines stamp words past the end of the sound; followed, they would push all later cues away.
            starts.append(max(earliest_sample, min(block.start_sample, heard_sample - self._shortest_samples)))
            earliest_sample = starts[-1] + self._shortest_samples + self._gap_samples
        # The next utterance may begin at once: a last cue leaves it its gap, but speech is not cut for that.
        last_limit_sample = heard_sample - self._gap_samples
        if blocks:
            last_limit_sample = max(last_limit_sample, min(blocks[-1].end_sample, heard_sample))
        limits = [start_sample - self._gap_samples for start_sample in starts[1:]] + [last_limit_sample]
        ends = map(self._end_sample, blocks, starts, limits)
        return list(zip(starts, ends, strict=True))

    def _end_sample(self, block: "_Block", start_sample: int, limit_sample: int) -> int:
        duration_s = self._profile.min_duration_s
        if self._profile.comfortable_cps is not None:
            duration_s = max(duration_s, text_width(" ".join(block.lines)) / self._profile.comfortable_cps)
        end_sample = min(max(block.end_sample, start_sample + _to_samples(duration_s)), limit_sample)
        if self._profile.max_duration_s is not None:
            end_sample = min(end_sample, start_sample + _to_samples(self._profile.max_duration_s))
        return max(end_sample, start_sample + self._shortest_samples)


@dataclass(slots=True)
class _Utterance:
    """The utterance being captioned, and the last version of each of its cues."""

    utterance_id: int
    layout: "_Layout"
    revision: int = 0
    final_cues: int = 0
    cues: list[Cue] = field(default_factory=list)
    said_cues: int = 0
    """Of the final ones, those said before the session was taken up: the layout has no blocks of them."""

    @classmethod
    def going_on(cls, cues: Sequence[Cue], profile: CueProfile) -> "_Utterance":
        """Return an utterance whose first cues are final."""
        layout = _Layout(profile, sum(_text_chars(line) for cue in cues for line in cue.lines))
        return cls(cues[-1].utterance_id, layout, cues[-1].revision, len(cues), list(cues), len(cues))

    def put(self, index: int, block: "_Block", start_sample: int, end_sample: int) -> list[Cue]:
        """Return the new version of a cue, or nothing if it would be the same."""
        state = CueState.FINAL if block.is_settled else CueState.PARTIAL
        cue_id, stable_chars = f"{self.utterance_id}.{index + 1}", block.stable_chars
        cue = Cue(cue_id, self.utterance_id, self.revision, start_sample, end_sample, block.lines, stable_chars, state)
        if index == len(self.cues):
            self.cues.append(cue)
        elif replace(self.cues[index], revision=self.revision) == cue:
            return []
        self.cues[index] = cue
        return [cue]

    def withdraw_from(self, index: int) -> list[Cue]:
        """Return withdrawing versions of the shown cues from there on."""
        withdrawn: list[Cue] = []
        for number, cue in enumerate(self.cues[index:], start=index):
            if cue.lines:
                self.cues[number] = replace(cue, revision=self.revision, lines=(), stable_chars=0)
                withdrawn.append(self.cues[number])
        return withdrawn


@dataclass(frozen=True, slots=True)
class _Break:
    """A line ends before the piece at `position`, and with it perhaps its cue."""

    position: int
    ends_cue: bool


@dataclass(frozen=True, slots=True)
class _Block:
    """The text of one cue, and when it is said."""

    lines: tuple[str, ...]
    stable_chars: int
    start_sample: int
    end_sample: int
    is_settled: bool
    """Nothing of it will change, nor the start of the next one."""


class _Layout:
    """Where the lines and cues of one utterance break.

    A break is decided when a line overflows or a cue lasts too long, and kept while the pieces before it are the same,
    even if nothing stands after it for a while. A settled piece is committed and moves to no other line any more.
    """

    def __init__(self, profile: CueProfile, said_chars: int = 0) -> None:
        self._profile = profile
        self._said_chars = said_chars
        """Of the utterance's beginning, spaces left out, that is in earlier cues."""
        self._settled_width = profile.max_chars_per_line * _SETTLED_SHARE
        self._pieces: tuple[Piece, ...] = ()
        self._breaks: list[_Break] = []
        self._committed = 0
        self._settled = 0
        self._is_final = False

    def update(self, transcript: Transcript, language: str | None) -> None:
        """Keep the breaks that hold, and add those that are needed.

        Raises:
            ValueError: settled pieces have changed.
        """
        pieces = self._pieces_of(transcript.committed + transcript.tail)
        unchanged = _count_unchanged(self._pieces, pieces)
        if unchanged < self._settled:
            raise ValueError(f"committed words of utterance {transcript.utterance_id} have changed")
        self._pieces, self._is_final = pieces, transcript.is_final
        self._breaks = [kept for kept in self._breaks if kept.position <= unchanged]
        self._committed = len(pieces if transcript.is_final else self._pieces_of(transcript.committed))
        self._add_breaks(lexicon_of(language))
        self._settled = self._count_settled()

    def blocks(self) -> list[_Block]:
        """Return the text of each cue; none is empty."""
        if not self._pieces:
            return []
        length = len(self._pieces)
        ends = [end.position for end in self._breaks if end.ends_cue and end.position < length]
        return [self._block(start, end) for start, end in pairwise([0, *ends, length])]

    def _pieces_of(self, words: Sequence[Word]) -> tuple[Piece, ...]:
        if self._profile.latin_only:
            words = [replace(word, text=to_latin(word.text)) for word in words]
        pieces, chars = pieces_of(words, self._profile.max_chars_per_line), 0
        for said, piece in enumerate(pieces):
            if chars >= self._said_chars:
                return pieces[said:]
            chars += _text_chars(piece.text)
        return pieces if not self._said_chars else ()

    def _block(self, start: int, end: int) -> _Block:
        return _Block(
            lines=self._lines(start, end),
            stable_chars=len("\n".join(self._lines(start, min(end, self._settled)))),
            start_sample=self._pieces[start].start_sample,
            end_sample=self._pieces[end - 1].end_sample,
            is_settled=self._is_final or end < self._committed,
        )

    def _lines(self, start: int, end: int) -> tuple[str, ...]:
        inner = [ended.position for ended in self._breaks if start < ended.position < end]
        bounds = [start, *inner, end] if start < end else []
        return tuple(_text(self._pieces[first:last]) for first, last in pairwise(bounds))

    def _add_breaks(self, lexicon: Lexicon) -> None:
        while True:
            line_start = self._breaks[-1].position if self._breaks else 0
            lines_before = list(takewhile(lambda ended: not ended.ends_cue, reversed(self._breaks)))
            cue_start = next((ended.position for ended in reversed(self._breaks) if ended.ends_cue), 0)
            misfit, is_late = self._misfit(line_start, cue_start)
            if misfit is None:
                return
            if misfit == line_start:
                self._breaks[-1] = _Break(line_start, ends_cue=True)
                continue
            allowed = range(max(self._settled, line_start + 1) - line_start, misfit - line_start + 1)
            aim = self._aim(line_start, misfit, is_late=is_late)
            position = line_start + best_break(self._pieces[line_start : misfit + 1], allowed, aim, lexicon)
            is_full = len(lines_before) + 1 == self._profile.max_lines
            self._breaks.append(_Break(position, ends_cue=is_late or is_full))

    def _misfit(self, line_start: int, cue_start: int) -> tuple[int | None, bool]:
        """Return the first piece that cannot stay on the line, and whether it comes too late for the cue."""
        width = 0
        for position in range(line_start, len(self._pieces)):
            width += self._pieces[position].width + (self._pieces[position].spaced and position > line_start)
            if width > self._profile.max_chars_per_line:
                return position, False
            if position > cue_start and self._is_late(position, cue_start):
                return position, True
        return None, False

    def _is_late(self, position: int, cue_start: int) -> bool:
        # A final may give committed words new times; what is settled stays in its cue all the same.
        if self._profile.max_duration_s is None or position < self._settled:
            return False
        duration_samples = self._pieces[position].end_sample - self._pieces[cue_start].start_sample
        return duration_samples > _to_samples(self._profile.max_duration_s)

    def _aim(self, line_start: int, misfit: int, *, is_late: bool) -> LineAim:
        """Fill a live line; balance the lines of what is complete."""
        if is_late:
            so_far = max(1, line_width(self._pieces[line_start:misfit]))
            return LineAim(so_far, so_far * _SETTLED_SHARE)
        full = self._profile.max_chars_per_line
        if not self._is_final:
            return LineAim(full, self._settled_width)
        rest = line_width(self._pieces[line_start:])
        lines = ceil(rest / full)
        return LineAim(rest / lines, max(rest / lines * _SETTLED_SHARE, rest - (lines - 1) * full))

    def _count_settled(self) -> int:
        if self._is_final:
            return len(self._pieces)
        line_start = max((kept.position for kept in self._breaks if kept.position <= self._committed), default=0)
        width, position = 0, line_start
        while position < self._committed and width < self._settled_width:
            width += self._pieces[position].width + (self._pieces[position].spaced and position > line_start)
            position += 1
        return position


def _text_chars(text: str) -> int:
    return sum(not char.isspace() for char in text)


def _count_unchanged(old: Sequence[Piece], new: Sequence[Piece]) -> int:
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in takewhile(lambda pair: _place(pair[0]) == _place(pair[1]), pairs))


def _place(piece: Piece) -> tuple[str, bool]:
    return piece.text, piece.spaced


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(" " + piece.text if piece.spaced and index else piece.text for index, piece in enumerate(pieces))


def _to_samples(duration_s: float) -> int:
    return round(duration_s * SAMPLE_RATE_HZ)
