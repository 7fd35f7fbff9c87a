"""A subtitle as it stands in a file. PURE."""

from dataclasses import dataclass, field

from vad.errors import LivecueError

__all__ = ["Malformed", "Subtitle"]


class Malformed(LivecueError):
    """The file is not of its format; the message names the line."""

    code = "malformed_subtitles"


@dataclass(frozen=True, slots=True)
class Subtitle:
    """One subtitle.

    Attributes:
        number: of its place in the file, from 1.
        start_ms: as in the file.
        end_ms: as in the file; it may be wrong.
        lines: visible text, without mark-up; may be empty.
        faults: what the format does not allow, as `(rule, got, allowed)`.
    """

    number: int
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    faults: tuple[tuple[str, str, str], ...] = field(default=())
