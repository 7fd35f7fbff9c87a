"""The files of the pages over HTTP, and the QR code of a viewer's address."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import segno

from tests.uploading import serving_files

WEB = Path(__file__).parents[3] / "clients" / "web"

PAGES = {
    "/": "captioner.html",
    "/watch/abc": "viewer.html",
    "/watch/abc?overlay=1": "overlay.html",
    "/e/weekly": "viewer.html",
    "/e/weekly?overlay=1": "overlay.html",
}


@asynccontextmanager
async def client(settings: dict[str, dict[str, object]] | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving_files(settings=settings) as served, httpx2.AsyncClient(base_url=served.url) as http:
        yield http


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_served_as_it_is(path: str) -> None:
    async with client() as http:
        reply = await http.get(path)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.content == (WEB / PAGES[path]).read_bytes()


async def test_all_that_pages_are_made_of_is_served_by_the_gateway() -> None:
    async with client() as http:
        for file in WEB.iterdir():
            reply = await http.get(f"/assets/{file.name}")
            assert reply.status_code == 200, file.name
            assert reply.content == file.read_bytes()
            for name in re.findall(r'(?:src|href)="([^"]*)"|from "([^"]*)"', reply.text):
                assert not re.match(r"\w+:|//", "".join(name)), "pages request nothing from other hosts"


@pytest.mark.parametrize(
    "path", [*PAGES, "/assets/style.css", "/watch/abc/qr.svg", "/e/weekly/qr.svg", "/e/weekly/link.json"]
)
async def test_nothing_foreign_runs_in_a_page_and_its_address_goes_nowhere(path: str) -> None:
    async with client({"server": {"public_url": "https://captions.example.com"}}) as http:
        headers = (await http.get(path)).headers
    policy = dict(directive.split(" ", 1) for directive in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["style-src"] == ("'self' 'unsafe-inline'" if "overlay" in path else "'self'")
    assert policy["frame-ancestors"] == "'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_browser_that_has_a_file_is_not_sent_it_again() -> None:
    async with client() as http:
        first = await http.get("/assets/style.css")
        etag = first.headers["etag"]
        again = await http.get("/assets/style.css", headers={"If-None-Match": f'"other", W/{etag}'})
        changed = await http.get("/assets/style.css", headers={"If-None-Match": '"other"'})
    assert first.headers["cache-control"] == "no-cache"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert changed.status_code == 200


async def test_the_service_worker_applies_to_all_pages_and_is_always_current() -> None:
    async with client() as http:
        reply = await http.get("/service-worker.js")
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.content == (WEB / "service-worker.js").read_bytes()


async def test_a_page_can_be_requested_without_its_body() -> None:
    async with client() as http:
        reply = await http.head("/watch/abc")
    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("name", ["nothing.js", "%2e%2e%2f__init__.py", "..%2F..%2Fpyproject.toml", "x" * 500])
async def test_a_file_that_is_none_of_the_pages_is_not_found(name: str) -> None:
    async with client() as http:
        reply = await http.get(f"/assets/{name}")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "not_found"
    assert len(reply.text) < 400


async def test_pages_need_no_key() -> None:
    async with client({"server": {"api_keys": ["secret"]}}) as http:
        assert (await http.get("/watch/abc")).status_code == 200
        assert (await http.get("/v1/sessions")).status_code == 401


@pytest.mark.parametrize(
    ("query", "way"), [("", "/watch/abc%20d"), ("?token=vt_a%2Bb%26c", "/watch/abc%20d?token=vt_a%2Bb%26c")]
)
async def test_the_qr_code_has_the_viewers_address(query: str, way: str) -> None:
    async with client({"server": {"public_url": "https://captions.example.com"}}) as http:
        reply = await http.get(f"/watch/abc%20d/qr.svg{query}")
        shared = await http.get(f"/watch/abc%20d/link.json{query}")
    address = f"https://captions.example.com{way}"
    assert shared.json() == {"url": address, "reach": "network"}
    assert reply.headers["content-type"] == "image/svg+xml"
    assert reply.headers["cache-control"] == "no-store"
    assert modules_of(reply.content) == modules_of(segno.make_qr(address, error="m").svg_inline(dark="#000").encode())


async def test_an_address_of_this_machine_only_is_marked_as_such_and_has_no_qr_code() -> None:
    async with client() as http:
        shared = await http.get("/watch/abc/link.json")
        refused = await http.get("/watch/abc/qr.svg")
    assert shared.json()["reach"] == "this_machine"
    assert refused.status_code == 404
    assert "server.public_url" in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", [f"/watch/{'x' * 201}", f"/watch/abc/qr.svg?token={'x' * 201}", "/watch/a?overlay=2"])
async def test_an_address_that_is_none_is_refused(path: str) -> None:
    async with client() as http:
        assert (await http.get(path)).status_code == 400


def modules_of(svg: bytes) -> str:
    """Return the dark modules of a QR code, as the path that draws them."""
    (path,) = re.findall(r'stroke="#000" d="([^"]*)"', svg.decode())
    return str(path)
