"""Sends the requests of sinks over HTTP. Errors never contain the URL, which has a token."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlencode, urlsplit

import anyio
import httpx2
from anyio import to_thread

from gateway.access.origin import is_loopback
from gateway.errors import ConfigurationError
from gateway.sinks.sink import SessionFacts, Sink, SinkOpener, SinkRefused, SinkTarget, SinkUnavailable

__all__ = ["HttpClient", "HttpReply", "check_http_url", "open_http_client", "over_http", "with_parameters"]

_TIMEOUT_S = 5.0
"""For all of a request: the next captions wait for it."""

_MAX_BODY_BYTES = 4_096
"""Read of a reply: a reason, or a number."""

_MAX_REASON_CHARS = 100

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply.

    Attributes:
        status: of HTTP.
        text: the beginning of its body.
        retry_after_s: of the header Retry-After, in seconds; None: it has none.
    """

    status: int
    text: str
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the request was accepted."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """The status, for a message."""
        phrase = next((each.phrase for each in HTTPStatus if each == self.status), "")
        return f"status {self.status} {phrase}".strip()

    def unavailable(self) -> SinkUnavailable:
        """Return the error of a request that is to be repeated."""
        return SinkUnavailable(self.reason, self.retry_after_s)


class HttpClient:
    """The connections of one sink. Redirects are not followed: they could lead anywhere.

    Args:
        client: of the library.
        only_public: whether to connect to public addresses only.
    """

    def __init__(self, client: httpx2.AsyncClient, *, only_public: bool) -> None:
        self._client = client
        self._only_public = only_public

    async def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> HttpReply:
        """Send a request and return the reply, whatever its status.

        Raises:
            SinkUnavailable: there was no reply.
            SinkRefused: the address of the host is not allowed.
        """
        extensions: dict[str, object] = {}
        target, sent = httpx2.URL(url), dict(headers or {})
        try:
            with anyio.fail_after(_TIMEOUT_S):
                if self._only_public:
                    sent["host"], extensions["sni_hostname"] = target.netloc.decode(), target.host
                    target = target.copy_with(host=await _public_address(target))
                request = self._client.build_request(method, target, content=body, headers=sent, extensions=extensions)
                response = await self._client.send(request, stream=True)
                try:
                    return HttpReply(response.status_code, await _text_of(response), _retry_after_s(response))
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise SinkUnavailable(f"no reply within {_TIMEOUT_S:g} s") from error
        except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
            raise SinkUnavailable(_cause(error)) from error


@asynccontextmanager
async def open_http_client(target: SinkTarget) -> AsyncIterator[HttpClient]:
    """Yield the client of a sink; connections are opened when they are needed."""
    host = urlsplit(target.url).hostname or ""
    # proxies of the environment are not for loopback, and would hide the address of a host
    trust_env = not target.is_clients and not is_loopback(host)
    certificates = await to_thread.run_sync(_certificates)
    async with httpx2.AsyncClient(
        verify=certificates, trust_env=trust_env, timeout=_TIMEOUT_S, follow_redirects=False
    ) as client:
        yield HttpClient(client, only_public=target.is_clients)


def over_http(create: Callable[[HttpClient, SinkTarget, SessionFacts], Sink]) -> SinkOpener:
    """Return what opens the sinks of a kind that needs nothing but an HTTP client.

    Args:
        create: creates a sink; it must not use the client yet.
    """

    @asynccontextmanager
    async def opened(target: SinkTarget, session: SessionFacts) -> AsyncIterator[Sink]:
        async with open_http_client(target) as client:
            yield create(client, target, session)

    return opened


def check_http_url(target: SinkTarget) -> None:
    """Check that a target has an URL for HTTP.

    Raises:
        ConfigurationError: it has not.
    """
    parts = urlsplit(target.url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigurationError(f"sink {target.name}: expected https://HOST… or http://HOST…")


def with_parameters(url: str, **parameters: str | int) -> str:
    """Return a URL with further parameters of its query, which stays as it is: it may be signed."""
    separator = "&" if urlsplit(url).query else "?"
    return f"{url}{separator}{urlencode(parameters)}"


async def _public_address(url: httpx2.URL) -> str:
    """Return a public address of a host; the request goes there, so that no second look-up can change it."""
    port = url.port or _PORTS[url.scheme]
    found = await anyio.getaddrinfo(url.host, port)
    addresses = [str(sockaddr[0]) for *_, sockaddr in found]
    for address in addresses:
        if not _is_public(address):
            raise SinkRefused(f"host {url.host} has the address {address}, which is not public")
    if not addresses:
        raise SinkUnavailable(f"host {url.host} has no address")
    return addresses[0]


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that are trusted; reading them takes a tenth of a second, so all sinks share them."""
    return httpx2.create_ssl_context()


def _is_public(address: str) -> bool:
    found = ip_address(address.partition("%")[0])  # without the zone of a link-local address
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_global and not (mapped or found).is_multicast


async def _text_of(response: httpx2.Response) -> str:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= _MAX_BODY_BYTES:
            break
    return body[:_MAX_BODY_BYTES].decode(errors="replace")


def _retry_after_s(response: httpx2.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _cause(error: Exception) -> str:
    """Return what went wrong; the library's own texts may quote the URL, so only those of the system are kept."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror[:_MAX_REASON_CHARS]
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
