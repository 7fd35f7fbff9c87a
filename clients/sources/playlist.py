"""HLS playlists, made ready for FFmpeg: absolute addresses, and of several variants the smallest. PURE."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from clients.sources.errors import SourceRefused

__all__ = ["has_ended", "is_playlist", "prepared"]

_HEADER, _END = b"#EXTM3U", b"#EXT-X-ENDLIST"
_URI = re.compile(r'URI="([^"]*)"')
_KEY = re.compile(r"#EXT-X-(?:SESSION-)?KEY:.*METHOD=(?!NONE)([A-Z0-9\-]+)")
_VARIANT = "#EXT-X-STREAM-INF:"
_BANDWIDTH = re.compile(r"[:,]BANDWIDTH=(\d+)")


def is_playlist(begin: bytes) -> bool:
    """Return whether a response that begins so is a playlist."""
    return begin.removeprefix(b"\xef\xbb\xbf").startswith(_HEADER)


def has_ended(playlist: bytes) -> bool:
    """Return whether a playlist of segments has its last one."""
    return _END in playlist


def prepared(playlist: str, url: str) -> str:
    """Return a playlist with absolute addresses, and of its variants the one of the lowest bandwidth.

    FFmpeg would take relative addresses for relative to the URL before a redirect. The variants differ in their
    pictures more than in their speech.

    Args:
        playlist: RFC 8216.
        url: where it was received from, after redirects.

    Raises:
        SourceRefused: its segments are encrypted.
    """
    lines = playlist.removeprefix("\ufeff").splitlines()
    if (key := next(filter(None, map(_KEY.match, lines)), None)) is not None:
        raise SourceRefused(f"the playlist is encrypted ({key[1]}): only open HLS streams can be read")
    return "".join(f"{_absolute(line, url)}\n" for line in _smallest_variant(lines))


def _absolute(line: str, url: str) -> str:
    if line.startswith("#"):
        return _URI.sub(lambda found: f'URI="{urljoin(url, found[1])}"', line)
    return urljoin(url, line.strip()) if line.strip() else ""


def _smallest_variant(lines: list[str]) -> Iterator[str]:
    variants = [index for index, line in enumerate(lines) if line.startswith(_VARIANT)]
    chosen = min(variants, key=lambda index: _bandwidth(lines[index]), default=None)
    is_dropped = False
    for index, line in enumerate(lines):
        if index in variants:
            is_dropped = index != chosen
        if not is_dropped:
            yield line
        elif line.strip() and not line.startswith("#"):  # the address ends its variant
            is_dropped = False


def _bandwidth(line: str) -> int:
    found = _BANDWIDTH.search(line)
    return 0 if found is None else int(found[1])
