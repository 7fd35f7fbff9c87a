"""Requests of sinks: what a failure says, and where they never go."""

import socket

import anyio
import pytest

from gateway.errors import ConfigurationError
from gateway.sinks import http_client
from gateway.sinks.http_client import check_http_url, open_http_client
from gateway.sinks.sink import SinkRefused, SinkTarget, SinkUnavailable
from tests.sinks import receiving

SECRET = "token=very-secret"


def target(url: str, *, is_clients: bool = False) -> SinkTarget:
    return SinkTarget("one", "webhook", url, is_clients=is_clients)


async def test_a_reply_is_returned_whatever_its_status() -> None:
    with receiving(lambda request: (503, b"busy")) as (url, received):
        async with open_http_client(target(url)) as client:
            reply = await client.request("POST", f"{url}/a?b=c", b"text", {"x-test": "1"})
    assert (reply.status, reply.text, reply.is_success) == (503, "busy", False)
    assert reply.reason == "status 503 Service Unavailable"
    assert (received[0].body, received[0].headers["x-test"]) == (b"text", "1")


async def test_a_redirect_is_not_followed() -> None:
    with receiving(lambda request: (307, b"")) as (url, received):
        async with open_http_client(target(url)) as client:
            assert (await client.request("POST", url)).status == 307
    assert len(received) == 1


async def test_an_error_does_not_contain_the_url() -> None:
    async with open_http_client(target("http://127.0.0.1:1")) as client:
        with pytest.raises(SinkUnavailable) as caught:
            await client.request("POST", f"http://127.0.0.1:1/?{SECRET}")
    assert "secret" not in str(caught.value)
    assert str(caught.value)


async def test_a_peer_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with open_http_client(target(url)) as client:
            with pytest.raises(SinkUnavailable, match=r"no reply within 0\.05 s"):
                await client.request("POST", url)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"])
async def test_a_sink_of_a_client_reaches_no_private_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(host: str, port: int) -> list[object]:
        assert (host, port) == ("hook.example.com", 443)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443)), (0, 0, 0, "", (address, 443))]

    monkeypatch.setattr(anyio, "getaddrinfo", look_up)
    async with open_http_client(target("https://hook.example.com/", is_clients=True)) as client:
        with pytest.raises(SinkRefused, match=r"hook\.example\.com has the address .* not public"):
            await client.request("POST", "https://hook.example.com/")


async def test_a_sink_of_a_client_connects_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is looked up twice may lead elsewhere the second time."""
    with receiving() as (url, received):
        port = int(url.rpartition(":")[2])

        async def look_up(host: str, port: int) -> list[object]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(anyio, "getaddrinfo", look_up)
        monkeypatch.setattr(http_client, "_is_public", lambda address: True)
        name = f"http://hook.example.com:{port}"
        async with open_http_client(target(name, is_clients=True)) as client:
            assert (await client.request("POST", f"{name}/a")).is_success
    assert (received[0].path, received[0].headers["host"]) == ("/a", f"hook.example.com:{port}")


@pytest.mark.parametrize("url", ["ftp://example.com/", "https:///path", "example.com"])
def test_an_url_of_http_is_needed(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sink one: expected https://HOST"):
        check_http_url(target(url))
