"""Reader of Scenarist Closed Captions: pop-on captions of channel CC1, as a decoder displays them. PURE."""

import re
from dataclasses import dataclass, field, replace

from gateway.checks.subtitle import Malformed, Subtitle
from gateway.exports.cea608 import BASIC, COLUMNS, EDM, ENM, EOC, EXTENDED, RCL, ROW_CODES, ROWS, SPECIAL, has_parity
from gateway.exports.time_code import frame_of_time_code, ms_of_frame, time_code

__all__ = ["read_scc"]

_HEADER = "Scenarist_SCC V1.0"
_LINE = re.compile(r"(?P<time>\S+)\s+(?P<words>[0-9a-fA-F]{4}(?:\s+[0-9a-fA-F]{4})*)")
_DATA_BITS = 0x7F7F
_FIRST_TEXT = 0x2000
_TAB_OFFSETS = range(0x1721, 0x1724)
_ROWS_BY_CODE = {code: row for row, code in ROW_CODES.items()}
_PREAMBLE_ROW = 0x7F60  # without indentation and colour
_IS_INDENT = 0x10
_INDENT_BITS = 0x0E
_COLUMNS_PER_STEP = 2  # of the indentation's bits, which count in twos


def read_scc(text: str) -> list[Subtitle]:
    """Return the captions as they are displayed; wrong parity, lateness and characters beyond a row are faults.

    Captions in other modes than pop-on are not read.

    Raises:
        Malformed: the header is missing, or a line is not a time code with words of four hexadecimal digits.
    """
    header, *lines = text.removeprefix("\ufeff").splitlines() or [""]
    if header.strip() != _HEADER:
        raise Malformed(f"line 1: {header.strip()[:40]!r}, expected {_HEADER}")
    decoder = _Decoder()
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise Malformed(f"line {number}: expected a time code and words of four hexadecimal digits")
        try:
            frame = frame_of_time_code(found["time"])
        except ValueError as error:
            raise Malformed(f"line {number}: {error}") from error
        decoder.transmit(frame, [int(word, 16) for word in found["words"].split()])
    return decoder.finish()


@dataclass(slots=True)
class _Decoder:
    """A decoder of one channel."""

    captions: list[Subtitle] = field(default_factory=list)
    loading: dict[int, str] = field(default_factory=dict)
    """Row → its text so far, of the memory that is not displayed."""
    row: int = ROWS
    shown_since: int | None = None
    shown: tuple[str, ...] = ()
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    """Of what is being loaded."""
    shown_faults: tuple[tuple[str, str, str], ...] = ()
    before: int | None = None
    """The control code that came last, whose repetition is ignored."""
    next_frame: int = 0

    def transmit(self, frame: int, words: list[int]) -> None:
        if frame < self.next_frame:
            self.faults.append(
                ("transmission", f"begins at {time_code(frame)}", f"{time_code(self.next_frame)} or later")
            )
        for offset, word in enumerate(words):
            if not has_parity(word):
                self.faults.append(("parity", f"{word:04x} at {time_code(frame + offset)}", "odd parity in both bytes"))
            self._receive(frame + offset, word & _DATA_BITS)
        self.next_frame = frame + len(words)

    def finish(self) -> list[Subtitle]:
        self._erase(self.next_frame)
        return self.captions

    def _receive(self, frame: int, word: int) -> None:
        if word >= _FIRST_TEXT or word == 0:
            self.before = None if word else self.before
            for code in word.to_bytes(2):
                self._write(BASIC.get(code, ""))
            return
        if word == self.before:
            self.before = None
            return
        self.before = word
        if word == EOC[0]:
            self._display(frame)
        elif word == EDM[0]:
            self._erase(frame)
        elif word == ENM[0]:
            self.loading = {}
        elif word in SPECIAL:
            self._write(SPECIAL[word])
        elif word in EXTENDED:
            self.loading[self.row] = self.loading.get(self.row, "")[:-1]
            self._write(EXTENDED[word])
        elif word in _TAB_OFFSETS:
            self._write(" " * (word - _TAB_OFFSETS.start + 1))
        elif word != RCL[0]:
            self._move(word)

    def _move(self, word: int) -> None:
        """Begin the row of a preamble address code; other codes, such as colours, change nothing."""
        row = _ROWS_BY_CODE.get(word & _PREAMBLE_ROW)
        if row is None:
            return
        self.row = row
        indent = (word & _INDENT_BITS) * _COLUMNS_PER_STEP if word & _IS_INDENT else 0
        self.loading[row] = " " * indent

    def _write(self, text: str) -> None:
        if text:
            self.loading[self.row] = self.loading.get(self.row, "") + text

    def _display(self, frame: int) -> None:
        self._erase(frame)
        rows = [self.loading[row] for row in sorted(self.loading)]
        wide = [("columns", f"text up to column {len(row)}", str(COLUMNS)) for row in rows if len(row) > COLUMNS]
        self.shown_faults = (*self.faults, *wide)
        self.shown = tuple(row.strip() for row in rows if row.strip())
        self.shown_since, self.loading, self.faults = frame, {}, []

    def _erase(self, frame: int) -> None:
        if self.shown_since is not None:
            number, start_ms = len(self.captions) + 1, ms_of_frame(self.shown_since)
            self.captions.append(Subtitle(number, start_ms, ms_of_frame(frame), self.shown, self.shown_faults))
        elif self.faults and self.captions:
            self.captions[-1] = replace(self.captions[-1], faults=(*self.captions[-1].faults, *self.faults))
            self.faults = []
        self.shown_since = None
