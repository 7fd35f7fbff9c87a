"""Captions as Scenarist Closed Captions: CEA-608 pop-on captions for 29.97 Hz video, in drop-frame time codes. PURE.

A frame carries two bytes. So a caption is loaded in the frames before it is displayed, while the one before it may
still be on the screen, and its line in the file has the time code of the first of these frames:

    ├─ RCL ENM, rows of text ─┤ EOC │            …            │ EDM │
    time code of the line       displayed                       erased
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from decoder.types import Word
from gateway.captions.cue_division import wrap
from gateway.captions.line_breaking import Lexicon, lexicon_of, line_text, pieces_of
from gateway.exports.cea608 import (
    COLUMNS,
    EDM,
    ENM,
    EOC,
    MAX_ROWS,
    RCL,
    ROWS,
    Unit,
    latin_of,
    position,
    text_units,
    with_parity,
)
from gateway.exports.document import Caption, Document, displayed_lines
from gateway.exports.time_code import frame_of, ms_of_frame, time_code
from gateway.text import join_lines
from vad.errors import LivecueError

__all__ = ["NotLatin", "SccFile", "to_scc"]

_HEADER = "Scenarist_SCC V1.0\n\n"

_MAX_LOST_SHARE = 0.1
"""Of the characters; a text that has lost more cannot be read."""

_MIN_DISPLAY_FRAMES = 15
"""Of a caption that is displayed late: half a second, the least that an eye takes in."""

_LATE_FRAMES = 3
"""A caption within a tenth of a second of its time is in time."""


class NotLatin(LivecueError):
    """The text is in a script that CEA-608 does not have."""

    code = "not_latin"


@dataclass(frozen=True, slots=True)
class SccFile:
    """A file, and what it could not express.

    Attributes:
        text: the file.
        spelt: number of characters that were spelt with others.
        lost: number of characters that became `?`.
        late: number of captions that are displayed late, for they did not fit the frames before.
        latest_ms: the longest delay of a caption, in milliseconds.
    """

    text: str
    spelt: int = 0
    lost: int = 0
    late: int = 0
    latest_ms: int = 0


def to_scc(document: Document) -> SccFile:
    """Return a file of pop-on captions, centred at the bottom, in channel CC1.

    Lines wider than 32 columns are wrapped again, to up to four rows.

    Args:
        document: its passages are not used; captions that overlap are displayed one after the other.

    Raises:
        NotLatin: more than a tenth of the characters cannot be transliterated.
    """
    captions: list[Caption] = []
    spelt = lost = characters = 0
    lexicon = lexicon_of(document.language)
    for caption, lines in displayed_lines(document):
        latin = [latin_of(line) for line in lines]
        spelt, lost = spelt + sum(line.spelt for line in latin), lost + sum(line.lost for line in latin)
        characters += sum(map(len, lines))
        written = tuple(text for line in latin if (text := line.text.strip()))
        captions += _fitted(replace(caption, lines=written), lexicon) if written else []
    if lost > characters * _MAX_LOST_SHARE:
        raise NotLatin(f"{lost} of {characters} characters are not in CEA-608: expected text in Latin letters")
    transmissions, delays = _scheduled(captions)
    late = [delay for delay in delays if delay > _LATE_FRAMES]
    return SccFile(
        _HEADER + "".join(map(_line, transmissions)), spelt, lost, len(late), ms_of_frame(max(late, default=0))
    )


def _fitted(caption: Caption, lexicon: Lexicon) -> Iterator[Caption]:
    """Yield the caption in rows that fit; as several, which share its time, if it has more than four."""
    rows = caption.lines
    if len(rows) > MAX_ROWS or any(len(row) > COLUMNS for row in rows):
        pieces = pieces_of([Word(join_lines(rows), 0, 0, None)], COLUMNS)
        bounds = [0, *wrap(pieces, COLUMNS, lexicon), len(pieces)]
        rows = tuple(line_text(pieces[start:end]) for start, end in pairwise(bounds))
    total, done = sum(map(len, rows)), 0
    for first in range(0, len(rows), MAX_ROWS):
        own = rows[first : first + MAX_ROWS]
        start_ms = caption.start_ms + (caption.end_ms - caption.start_ms) * done // total
        done += sum(map(len, own))
        end_ms = caption.start_ms + (caption.end_ms - caption.start_ms) * done // total
        yield replace(caption, start_ms=start_ms, end_ms=end_ms, lines=own)


@dataclass(frozen=True, slots=True)
class _Transmission:
    """Words of consecutive frames, from `frame` on."""

    frame: int
    units: Sequence[Unit]


def _scheduled(captions: Sequence[Caption]) -> tuple[list[_Transmission], list[int]]:
    """Return what is sent and when, and by how many frames each caption is late."""
    sent: list[_Transmission] = []
    delays: list[int] = []
    free = 0  # the first frame that is not taken
    erase: int | None = None  # when the caption on the screen is to disappear
    for caption in captions:
        units, target = _loading(caption), frame_of(caption.start_ms)
        begin = max(free, target - _frames(units))
        if erase is not None and erase + len(EDM) <= begin:
            sent.append(_Transmission(erase, [EDM]))
            begin = max(erase + len(EDM), target - _frames(units))
        elif erase is not None and erase + len(EDM) <= begin + _frames(units):
            begin = max(free, target - _frames(units) - len(EDM))
            units = _with_erasure(units, erase - begin)
        displayed = begin + _frames(units)
        sent.append(_Transmission(begin, [*units, EOC]))
        delays.append(displayed - target)
        free = displayed + len(EOC)
        earliest = displayed + (_MIN_DISPLAY_FRAMES if displayed > target else len(EOC))
        erase = max(frame_of(caption.end_ms), earliest)
    if erase is not None:
        sent.append(_Transmission(erase, [EDM]))
    return sent, delays


def _loading(caption: Caption) -> list[Unit]:
    """Return the words that load a caption, without the one that displays it."""
    top = ROWS - len(caption.lines) + 1
    rows = (
        unit
        for row, line in enumerate(caption.lines, start=top)
        for unit in (*position(row, (COLUMNS - len(line)) // 2), *text_units(line))
    )
    return [RCL, ENM, *rows]


def _with_erasure(units: Sequence[Unit], frame: int) -> list[Unit]:
    """Return the words with the erasure of the displayed caption among them, at that frame or soon after."""
    position_in_units = passed = 0
    while passed < frame and position_in_units < len(units):
        passed += len(units[position_in_units])
        position_in_units += 1
    return [*units[:position_in_units], EDM, *units[position_in_units:]]


def _frames(units: Sequence[Unit]) -> int:
    return sum(map(len, units))


def _line(transmission: _Transmission) -> str:
    words = (f"{with_parity(word):04x}" for unit in transmission.units for word in unit)
    return f"{time_code(transmission.frame)}\t{' '.join(words)}\n\n"
