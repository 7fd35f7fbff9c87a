"""The URLs of sinks, as operators and clients write them. PURE."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import parse_qsl, urldefrag, urlsplit

from gateway.errors import ConfigurationError
from gateway.sinks.sink import SINKS, SinkTarget, kind_of

__all__ = ["address_of", "check_client_target", "parse_target"]

_HOSTS = {
    "*.zoom.us": "zoom",
    "upload.youtube.com": "youtube",
    "api.captions.office.microsoft.com": "teams",
}
"""Services whose own caption URLs need no prefix."""

_INSECURE_HOSTS = ("upload.youtube.com",)
"""YouTube gives its captioners an http URL."""


def parse_target(name: str, url: str, *, is_clients: bool = False) -> SinkTarget:
    """Return a sink.

    Args:
        name: of it.
        url: `KIND+https://…`, `file:///…`, or any other form of docs/sinks.md, with options after `#`.
        is_clients: whether a client has brought it.

    Raises:
        ConfigurationError: it is not the URL of a sink, or has unknown options.
    """
    try:
        return _parse(name, url, is_clients=is_clients)
    except ValueError as error:  # urllib's, for a malformed address
        raise ConfigurationError(f"sink {name}: {error}") from error


def _parse(name: str, url: str, *, is_clients: bool) -> SinkTarget:
    bare, fragment = urldefrag(url.strip())
    prefix, plus, rest = bare.partition("+")
    if plus and "/" not in prefix and ":" not in prefix:
        kind_name, bare = prefix, rest
    else:
        kind_name = _kind_name(bare)
    kind = kind_of(kind_name)
    options = dict(parse_qsl(fragment, keep_blank_values=True))
    if unknown := sorted(options.keys() - kind.options):
        allowed = ", ".join(sorted(kind.options)) or "none"
        raise ConfigurationError(f"sink {name}: no option {unknown[0]!r}: sinks of kind {kind_name} have {allowed}")
    target = SinkTarget(name, kind_name, bare, options, is_clients)
    kind.check(target)
    return target


def _kind_name(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        host = parts.hostname or ""
        return next((kind for pattern, kind in _HOSTS.items() if fnmatchcase(host, pattern)), "webhook")
    if parts.scheme in SINKS:
        return parts.scheme
    raise ConfigurationError(
        f"sink with the scheme {parts.scheme!r}: expected https:// or one of {', '.join(f'{kind}:' for kind in SINKS)}"
    )


def check_client_target(target: SinkTarget, hosts: Iterable[str]) -> None:
    """Check that a client may bring a sink; its addresses are checked when it connects.

    Args:
        target: with a checked URL.
        hosts: patterns of host names that are allowed.

    Raises:
        ConfigurationError: its kind, scheme, port or host is not allowed.
    """
    if not kind_of(target.kind).is_for_clients:
        raise ConfigurationError(f"sink {target.name}: only the operator can configure sinks of kind {target.kind}")
    parts = urlsplit(target.url)
    host = parts.hostname or ""
    if not any(fnmatchcase(host, pattern) for pattern in hosts):
        raise ConfigurationError(f"sink {target.name}: host {host!r} is not one of sinks.client_hosts")
    if parts.scheme != "https" and host not in _INSECURE_HOSTS:
        raise ConfigurationError(f"sink {target.name}: expected https://")
    if parts.username is not None or parts.port not in (None, 443, 80):
        raise ConfigurationError(f"sink {target.name}: expected no user and no port in the URL")


def address_of(target: SinkTarget) -> str:
    """Return where a sink sends, without secrets: scheme and host, or the path of a file."""
    parts = urlsplit(target.url)
    if parts.scheme in ("file", "hls"):
        return f"{parts.scheme}:{parts.path}"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"
