"""Addresses of servers: what a user writes, and the URL that a dialect makes of it. PURE."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["address", "detect", "query_of"]

Pairs = list[tuple[str, str]]
"""Query parameters, which may repeat a name."""

_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}

_DIALECTS_BY_PATH = {
    "/v1/stream": "native",
    "/v1/realtime": "openai-realtime",
    "/v1/listen": "deepgram",
    "/v2/listen": "deepgram-flux",
    "/v1/vosk": "vosk",
    "/asr": "whisperlivekit",
    "/v3/ws": "assemblyai",
    "/audio/transcriptions": "openai-rest",
}
"""End of a path → dialect."""

_DIALECTS_BY_HOST = {
    "api.openai.com": "openai-realtime",
    "api.deepgram.com": "deepgram",
    "streaming.assemblyai.com": "assemblyai",
    "streaming.eu.assemblyai.com": "assemblyai",
}
"""Host of a cloud service → dialect, where the URL has no path of its own."""


def address(url: str, path: str, query: Iterable[tuple[str, str]] = (), *, http: bool = False) -> str:
    """Return the complete URL of a dialect at a server.

    Args:
        url: as users write it: `HOST:PORT`, or a URL, whose path may be missing, the dialect's or the beginning of it
            (`/v1`). Any other path is kept: it is a proxy's.
        path: the dialect's.
        query: the dialect's parameters; one of the same name in `url` replaces them.
        http: whether the scheme is `http` or `https`, rather than `ws` or `wss`.
    """
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    scheme = (_HTTP_SCHEMES if http else _WEBSOCKET_SCHEMES).get(parts.scheme, parts.scheme)
    given = parts.path.rstrip("/")
    own = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in own}
    pairs = [*(pair for pair in query if pair[0] not in names), *own]
    path = path if path.startswith(f"{given}/") else given
    return urlunsplit(parts._replace(scheme=scheme, path=path, query=urlencode(pairs), fragment=""))


def query_of(pairs: Iterable[tuple[str, str | None]], extra: Mapping[str, str]) -> Pairs:
    """Return query parameters: those that are not None, where a user's option of the same name does not replace them.

    Args:
        pairs: name and value; None: it is not sent.
        extra: the user's options.
    """
    kept = [(name, value) for name, value in pairs if value is not None and name not in extra]
    return [*kept, *extra.items()]


def detect(url: str) -> str | None:
    """Return the dialect of the scheme, path or host of a URL; None: they leave it open.

    vLLM's and OpenAI's Realtime have the same path, and `openai-realtime` is returned for both.
    """
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    if parts.scheme == "tcp":
        return "wyoming"
    for path, dialect in _DIALECTS_BY_PATH.items():
        if parts.path.rstrip("/").endswith(path):
            return dialect
    return _DIALECTS_BY_HOST.get(parts.hostname or "")
