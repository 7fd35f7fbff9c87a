"""Keeps an RTSP server from sending its client elsewhere. PURE.

FFmpeg follows redirects to any address and has no option against it, so the replies are checked on their way.
"""

from clients.sources.errors import SourceError, SourceRefused

__all__ = ["RtspGuard"]

_LOCATION = b"location:"
_INTERLEAVED = b"$"
_PLAY = b"PLAY "

_MAX_LINE_BYTES = 65_536
"""No line of a reply is longer; FFmpeg reads 1 kB of one."""


class RtspGuard:
    """Checks both directions of one connection, until the client has requested the audio.

    FFmpeg ignores carriage returns, and takes a line that begins with `$` for interleaved audio, which cannot come
    before `PLAY`. From then on it follows no redirect.
    """

    def __init__(self) -> None:
        self._is_playing = False
        self._line = bytearray()
        """Of the server, so far."""

    def sent(self, data: bytes) -> None:
        """Check bytes of the client: a request, as FFmpeg sends it at once."""
        self._is_playing = self._is_playing or data.startswith(_PLAY)

    def received(self, data: bytes) -> None:
        """Check bytes of the server.

        Raises:
            SourceRefused: they redirect the client.
            SourceError: they are no replies.
        """
        if self._is_playing:
            return
        *lines, rest = data.replace(b"\r", b"").split(b"\n")
        for line in lines:
            self._check(bytes(self._line) + line)
            self._line.clear()
        self._line += rest
        self._check_begin(self._line)
        if len(self._line) > _MAX_LINE_BYTES:
            raise SourceError(f"the server sent a line of more than {_MAX_LINE_BYTES} bytes")

    def _check(self, line: bytes) -> None:
        self._check_begin(line)
        if line.lower().startswith(_LOCATION):
            target = line[len(_LOCATION) :].strip()[:100].decode(errors="replace")
            raise SourceRefused(f"the server redirects to {target!r}: RTSP redirects are not followed; give that URL")

    @staticmethod
    def _check_begin(line: bytes | bytearray) -> None:
        if line.startswith(_INTERLEAVED):
            raise SourceError("the server sent audio before it was requested")
