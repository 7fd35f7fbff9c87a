"""Subtitle files of any format that is read, by their suffix. PURE."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.checks.scc_reader import read_scc
from gateway.checks.subtitle import Malformed, Subtitle
from gateway.checks.text_readers import read_ass, read_srt, read_vtt
from gateway.checks.ttml_reader import read_ttml

__all__ = ["FORMATS", "SubtitleFormat"]


@dataclass(frozen=True, slots=True)
class SubtitleFormat:
    """A format of subtitle files.

    Attributes:
        read: returns the subtitles of a file; raises `Malformed`.
        tolerance_ms: by how much its times may be rounded.
        profile: the profile that its files are checked against by default.
    """

    read: Callable[[bytes], list[Subtitle]]
    tolerance_ms: int
    profile: str = "web"


def _text(read: Callable[[str], list[Subtitle]]) -> Callable[[bytes], list[Subtitle]]:
    def read_bytes(content: bytes) -> list[Subtitle]:
        try:
            return read(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise Malformed(f"byte {error.start} is not UTF-8: expected a text file in UTF-8") from error

    return read_bytes


_TTML = SubtitleFormat(read_ttml, tolerance_ms=1)

FORMATS: Mapping[str, SubtitleFormat] = MappingProxyType(
    {
        ".srt": SubtitleFormat(_text(read_srt), tolerance_ms=1),
        ".vtt": SubtitleFormat(_text(read_vtt), tolerance_ms=1),
        ".ass": SubtitleFormat(_text(read_ass), tolerance_ms=10),  # centiseconds
        ".ttml": _TTML,
        ".dfxp": _TTML,
        ".xml": _TTML,
        ".scc": SubtitleFormat(_text(read_scc), tolerance_ms=34, profile="608"),  # frames of 29.97 Hz
    }
)
"""Suffix of a file → its format."""
