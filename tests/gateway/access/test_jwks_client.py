"""Fetching a JWK set: what is refused, and that nobody is followed elsewhere."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from gateway.access import jwks_client
from gateway.access.jwks import JwksUnavailable
from gateway.access.jwks_client import fetch_jwks
from tests.http_server import serving_http

DOCUMENT = b'{"keys": []}'


class Provider(BaseHTTPRequestHandler):
    """A provider whose answers depend on the path."""

    followed = False

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/followed")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        type(self).followed = type(self).followed or self.path == "/followed"
        body = b"x" * 5_000 if self.path == "/long" else DOCUMENT
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_http(Provider) as url:
        yield url


async def test_the_document_is_returned_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # not used for loopback
    assert await fetch_jwks(f"{url}/jwks") == DOCUMENT


async def test_a_redirect_is_not_followed(url: str) -> None:
    with pytest.raises(JwksUnavailable, match="status 302, expected 200"):
        await fetch_jwks(f"{url}/moved")
    assert not Provider.followed


@pytest.mark.parametrize(("path", "message"), [("/broken", "status 500"), ("/long", "more than 1000 bytes")])
async def test_an_error_and_an_endless_document_are_refused(
    url: str, path: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks_client, "_MAX_BYTES", 1_000)
    with pytest.raises(JwksUnavailable, match=message):
        await fetch_jwks(f"{url}{path}")


async def test_a_provider_that_is_down_is_unavailable() -> None:
    with pytest.raises(JwksUnavailable):
        await fetch_jwks("http://127.0.0.1:1/jwks")
