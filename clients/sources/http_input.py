"""HTTP for FFmpeg, in place of its own: each address is checked, also of redirects and of a playlist's entries."""

import base64
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO
from urllib.parse import urljoin

from clients.sources.address_policy import AddressPolicy
from clients.sources.connecting import Resolve, connected, resolved
from clients.sources.errors import SourceError, SourceRefused
from clients.sources.playlist import has_ended, is_playlist, prepared
from clients.sources.source_url import SourceUrl, parse_source_url

__all__ = ["HttpFile", "HttpInput"]

_MAX_REDIRECTS = 5
_MAX_PLAYLIST_BYTES = 4 * 2**20
"""A day of segments of two seconds, with long addresses."""

_PROBE_BYTES = 16
"""Enough to recognise a playlist."""

_MAX_RESUMES = 5
"""Attempts in a row to go on with a file whose connection was lost."""

_REDIRECTS = (301, 302, 303, 307, 308)
_FINAL_STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.GONE)


class HttpInput:
    """Opens what FFmpeg asks for.

    Args:
        url: of the stream; its user and password are sent to its host only.
        policy: hosts and addresses that may be contacted.
        resolve: returns the addresses of a host.
    """

    def __init__(self, url: SourceUrl, policy: AddressPolicy, resolve: Resolve = resolved) -> None:
        self._url = url
        self._policy = policy
        self._resolve = resolve
        self.is_whole = False
        """Whether its end is known: a file of known length, or a playlist that has its last entry."""
        self.failure: SourceError | None = None
        """Why the latest request failed."""
        self._has_playlist = False

    def open(self, url: str, _flags: int = 0, options: Mapping[str, str] | None = None) -> "HttpFile | BytesIO":
        """Open an address for FFmpeg, whose parameters these are.

        Args:
            url: absolute.
            options: `offset` and `end_offset` select bytes of it.

        Raises:
            SourceRefused: the address, or one that it redirects to, is not allowed.
            SourceError: it cannot be reached, or refuses.
        """
        begin, end = int((options or {}).get("offset", 0)), int((options or {}).get("end_offset", 0))
        try:
            response, final_url = self.request(url, begin, end)
            first = _read(response, _PROBE_BYTES)
            if is_playlist(first):
                with response:
                    return self._playlist(first + _read(response, _MAX_PLAYLIST_BYTES), final_url)
        except SourceError as error:
            self.failure = error
            raise
        self.is_whole = self.is_whole if self._has_playlist else response.length is not None
        return HttpFile(self, final_url, response, first, begin)

    def _playlist(self, text: bytes, url: str) -> BytesIO:
        self._has_playlist = True
        self.is_whole = has_ended(text)
        return BytesIO(prepared(text.decode(errors="replace"), url).encode())

    def request(self, url: str, begin: int = 0, end: int = 0) -> tuple[HTTPResponse, str]:
        """Return the response of an address, and the address that it came from in the end.

        Args:
            url: absolute.
            begin: first byte.
            end: byte after the last; 0: all.

        Raises:
            SourceRefused, SourceError: see `open`.
        """
        target = parse_source_url(url)
        for _ in range(_MAX_REDIRECTS + 1):
            if not target.protocol.is_http:
                raise SourceRefused(f"{target.displayed}: a stream over HTTP may lead to HTTP only")
            response = self._response(target, begin, end)
            if response.status not in _REDIRECTS:
                return self._succeeded(response, target, is_range=bool(begin or end)), url
            response.close()
            url = urljoin(url, response.headers.get("Location", ""))
            before, target = target, parse_source_url(url)
            if before.protocol.uses_tls and not target.protocol.uses_tls:
                raise SourceRefused(f"{before.displayed} redirects to {target.displayed}, which is not encrypted")
        raise SourceError(f"{self._url.displayed}: more than {_MAX_REDIRECTS} redirects")

    def _response(self, target: SourceUrl, begin: int, end: int) -> HTTPResponse:
        headers = {"Host": target.netloc, "User-Agent": "livecue", "Accept": "*/*", "Connection": "close"}
        if begin or end:
            headers["Range"] = f"bytes={begin}-{end - 1 if end else ''}"
        if self._url.user is not None and (target.host, target.port) == (self._url.host, self._url.port):
            credentials = f"{self._url.user}:{self._url.password or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        connection = HTTPConnection(target.host, target.port)
        connection.sock = connected(
            target.host, target.port, self._policy, uses_tls=target.protocol.uses_tls, resolve=self._resolve
        )
        try:
            connection.request("GET", target.path or "/", headers=headers)
            return connection.getresponse()
        except (OSError, HTTPException) as error:
            connection.close()
            raise SourceError(f"{target.displayed} cannot be read ({error or type(error).__name__})") from error

    def _succeeded(self, response: HTTPResponse, target: SourceUrl, *, is_range: bool) -> HTTPResponse:
        expected = HTTPStatus.PARTIAL_CONTENT if is_range else HTTPStatus.OK
        if response.status == expected:
            return response
        response.close()
        message = f"{target.displayed} answered HTTP {response.status} {response.reason}: expected {expected.value}"
        raise (SourceRefused if response.status in _FINAL_STATUSES else SourceError)(message)


class HttpFile:
    """A response that FFmpeg reads, and where the server allows it, seeks in. A lost connection is resumed.

    Args:
        source: opened it.
        url: where it came from.
        response: to read from.
        first: its first bytes, which were read.
        begin: its first byte's position.
    """

    def __init__(self, source: HttpInput, url: str, response: HTTPResponse, first: bytes, begin: int) -> None:
        self._source = source
        self._url = url
        self._response = response
        self._first = first
        self._position = begin
        self._is_whole = begin == 0
        self._length = None if response.length is None else begin + len(first) + response.length
        self._takes_ranges = response.headers.get("Accept-Ranges") == "bytes"

    def read(self, most_bytes: int) -> bytes:
        """Return the next bytes; empty at the end.

        Raises:
            SourceError: the connection is lost and cannot be resumed.
        """
        for _ in range(_MAX_RESUMES):
            data, self._first = self._first[:most_bytes], self._first[most_bytes:]
            data = data or self._received(most_bytes)
            self._position += len(data)
            if data or self._length is None or self._position >= self._length:
                return data
            if not self.seekable():
                break
            self.seek(self._position)
        raise SourceError(f"the connection was lost after {self._position} of {self._length} bytes")

    def seekable(self) -> bool:
        """Return whether it can be read from another position."""
        return self._takes_ranges and self._length is not None and self._is_whole

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Request it from another position on.

        Raises:
            SourceRefused, SourceError: see `HttpInput.open`.
        """
        assert self._length is not None
        self._position = {SEEK_SET: 0, SEEK_CUR: self._position, SEEK_END: self._length}[whence] + offset
        self._response.close()
        self._first = b""
        if self._position < self._length:
            self._response, _ = self._source.request(self._url, self._position, self._length)
        return self._position

    def close(self) -> None:
        """Close the connection."""
        self._response.close()

    def _received(self, most_bytes: int) -> bytes:
        try:
            return self._response.read1(most_bytes)
        except (OSError, HTTPException):
            return b""


def _read(response: HTTPResponse, most_bytes: int) -> bytes:
    try:
        return response.read(most_bytes)
    except (OSError, HTTPException) as error:
        raise SourceError(f"the response cannot be read ({error or type(error).__name__})") from error
