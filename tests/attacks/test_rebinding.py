"""Foreign web pages that reach a gateway without keys: by DNS rebinding, or with a simple POST."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.errors import ForbiddenHost
from gateway.http.app import create_app
from gateway.http.host_check import check_host, known_hosts
from tests.servers import Served
from tests.uploading import serving_files

KNOWN = known_hosts(("captions.example:8443",), "gateway.example", ("wss://calls.example/x", None))

OWN = (
    *(
        "localhost",
        "LOCALHOST:8000",
        "127.0.0.1:8000",
        "[::1]:8000",
        "192.168.1.20:8000",
        "a.localhost",
        "livecue:8000",
    ),
    *("captions.example", "captions.example:9", "gateway.example.", "calls.example", None),
)

FOREIGN = (
    *("attacker.example", "localhost.attacker.example", "127.0.0.1.nip.io", "captions.example@attacker.example.org"),
    *("", "[::1", "attacker.example:8000", "captions.example.attacker.org"),
)

UNLISTED = ("/", "/docs", "/openapi.json", "/watch/x", "/watch/x/qr.svg", "/assets/style.css", "/nowhere")
"""What the documentation of the interface does not have."""

SOCKETS = ("/v1/stream", "/v1/realtime", "/v1/listen", "/v2/listen", "/v1/twilio", "/v1/vosk", "/v1/sessions/x/events")

REBOUND = {"host": "rebound.attacker.example:8000"}


@asynccontextmanager
async def client(
    settings: dict[str, dict[str, object]] | None = None,
) -> AsyncIterator[tuple[Served, httpx2.AsyncClient]]:
    async with serving_files(settings=settings) as served, httpx2.AsyncClient(base_url=served.url) as http:
        yield served, http


def routes(served: Served) -> list[tuple[str, str]]:
    """Return method and path of every HTTP route."""
    described = create_app(served.gateway).openapi()["paths"]
    listed = [(method.upper(), path) for path, methods in described.items() for method in methods]
    return [*listed, ("POST", "/v1/listen"), *(("GET", path) for path in UNLISTED)]


@pytest.mark.parametrize("host", OWN)
def test_names_of_the_gateway_are_answered(host: str | None) -> None:
    check_host(host, KNOWN)


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_not(host: str) -> None:
    with pytest.raises(ForbiddenHost, match="allowed_hosts"):
        check_host(host, KNOWN)


async def test_no_route_answers_under_a_foreign_name() -> None:
    async with client() as (served, http):
        for method, path in routes(served):
            reply = await http.request(method, path, headers=REBOUND)
            assert reply.status_code == 421, (method, path)
        port = urlsplit(served.url).port
        for path in SOCKETS:
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://rebound.attacker.example{path}", host="127.0.0.1", port=port)
            assert refused.value.response.status_code == 421, path


async def test_a_gateway_with_keys_answers_under_any_name_until_it_has_a_list() -> None:
    keys: dict[str, object] = {"api_keys": ["secret"]}
    async with client({"server": keys}) as (_, http):
        assert (await http.get("/healthz", headers=REBOUND)).status_code == 200
    async with client({"server": keys | {"allowed_hosts": ["captions.example"]}}) as (_, http):
        assert (await http.get("/healthz", headers=REBOUND)).status_code == 421
        assert (await http.get("/healthz", headers={"host": "captions.example"})).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": "https://attacker.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
async def test_no_foreign_page_posts_or_deletes(headers: dict[str, str]) -> None:
    async with client() as (served, http):
        for method, path in routes(served):
            if method not in ("GET", "HEAD"):
                reply = await http.request(method, path, headers=headers, content=b"a=1")
                assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden_origin"), (method, path)


async def test_the_gateways_own_pages_and_allowed_ones_post() -> None:
    async with client({"server": {"allowed_origins": ["https://studio.example"]}}) as (served, http):
        for origin in (served.url, "https://studio.example"):
            reply = await http.post("/v1/realtime/client_secrets", headers={"origin": origin})
            assert reply.status_code == 200, origin


@pytest.mark.parametrize("path", ["/docs", "/healthz", "/", "/nowhere", "/openapi.json"])
async def test_nothing_can_be_put_into_a_frame(path: str) -> None:
    async with client() as (_, http):
        reply = await http.get(path)
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
