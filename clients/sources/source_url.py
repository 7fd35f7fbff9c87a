"""URLs of streams: which are taken, and how they are displayed. PURE."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from clients.sources.errors import SourceRefused

__all__ = ["Protocol", "SourceUrl", "is_url", "parse_source_url"]


class Protocol(StrEnum):
    """The protocols, by the scheme of their URLs. HLS is a playlist over HTTP."""

    RTSP = "rtsp"
    RTSPS = "rtsps"
    RTMP = "rtmp"
    RTMPS = "rtmps"
    SRT = "srt"
    HTTP = "http"
    HTTPS = "https"

    @property
    def is_http(self) -> bool:
        """Whether it is HTTP, with TLS or without."""
        return self in (Protocol.HTTP, Protocol.HTTPS)

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted, and the server's certificate checked."""
        return self in (Protocol.RTSPS, Protocol.RTMPS, Protocol.HTTPS)


_DEFAULT_PORTS = {
    Protocol.RTSP: 554,  # RFC 7826 §4.2
    Protocol.RTSPS: 322,
    Protocol.RTMP: 1935,
    Protocol.RTMPS: 443,
    Protocol.HTTP: 80,
    Protocol.HTTPS: 443,
}
"""SRT has none."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
"""Never in a URL (RFC 3986), and read differently by different parsers."""

_HOST = re.compile(r"[A-Za-z0-9._~\-]+|[0-9A-Fa-f:.]+")
"""A name or an address, without the brackets of IPv6."""

_LISTENER = "listener"


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """An address of a stream.

    Attributes:
        protocol: of its scheme.
        host: name or address, in lower case; IPv6 without brackets. Empty for an SRT listener on all interfaces.
        port: 1–65535.
        path: from the first slash, with the query; may be empty.
        user, password: decoded; None: not given.
    """

    protocol: Protocol
    host: str
    port: int
    path: str = ""
    user: str | None = None
    password: str | None = None

    @property
    def netloc(self) -> str:
        """Host and port, as in a URL; the port only where it is not the default one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS.get(self.protocol) else f"{host}:{self.port}"

    @property
    def displayed(self) -> str:
        """The URL without user, password and query, any of which may be secret."""
        return f"{self.protocol}://{self.netloc}{self.path.partition('?')[0]}"

    @property
    def is_listener(self) -> bool:
        """Whether the other side connects to this one: SRT with `?mode=listener`."""
        query = dict(parse_qsl(self.path.partition("?")[2]))
        return self.protocol is Protocol.SRT and query.get("mode") == _LISTENER


def is_url(text: str) -> bool:
    """Return whether a source is a URL, not a path."""
    return _URL.match(text) is not None


def parse_source_url(text: str) -> SourceUrl:
    """Return the parts of a URL.

    Raises:
        SourceRefused: it is no URL of a stream.
    """
    scheme = text.partition(":")[0].lower()
    if not is_url(text) or scheme not in set(Protocol):
        raise SourceRefused(f"{scheme[:20]}: not a protocol of streams: expected {', '.join(Protocol)}")
    protocol = Protocol(scheme)
    if _UNSAFE.search(text):
        raise SourceRefused(f"{protocol} URL: it has a space, a backslash or a control character")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(protocol, 0)
    except ValueError as error:
        raise SourceRefused(f"{protocol} URL: {error}") from error
    url = _source_url(protocol, host, port, parts)
    if not _HOST.fullmatch(host) and not (url.is_listener and not host):
        raise SourceRefused(f"{protocol} URL: host {host[:60]!r} is neither a name nor an address")
    if not port:
        raise SourceRefused(f"{protocol} URL: no port, which SRT needs")
    return url


def _source_url(protocol: Protocol, host: str, port: int, parts: SplitResult) -> SourceUrl:
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    user = None if parts.username is None else unquote(parts.username)
    return SourceUrl(protocol, host, port, path, user, None if parts.password is None else unquote(parts.password))
