"""Credentials from headers and WebSocket subprotocols."""

from base64 import urlsafe_b64encode

import pytest
from starlette.requests import Request
from starlette.types import Message
from starlette.websockets import WebSocket

from gateway.access.credentials import address_of, authorization_of, subprotocol_of
from gateway.errors import InvalidRequest


async def _receive() -> Message:
    return {}


async def _send(_: Message) -> None:
    pass


def socket(*subprotocols: str, authorization: str | None = None) -> WebSocket:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return WebSocket({"type": "websocket", "headers": headers, "subprotocols": subprotocols}, _receive, _send)


def offered(key: str) -> str:
    return "livecue-key." + urlsafe_b64encode(key.encode()).decode().rstrip("=")


@pytest.mark.parametrize("key", ["k", "ke", "key", "a longer key with ümlauts"])
def test_a_subprotocol_stands_for_the_authorization_header(key: str) -> None:
    assert authorization_of(socket("livecue", offered(key))) == f"Bearer {key}"


def test_a_header_takes_precedence_over_a_subprotocol() -> None:
    assert authorization_of(socket(offered("other"), authorization="Bearer key")) == "Bearer key"


def test_a_connection_without_a_key_has_no_authorization() -> None:
    assert authorization_of(socket("livecue")) is None


@pytest.mark.parametrize("encoded", ["k=y", "a", "_w", "a b"])
def test_a_malformed_key_is_refused(encoded: str) -> None:
    with pytest.raises(InvalidRequest, match="expected a key in base64url"):
        authorization_of(socket(f"livecue-key.{encoded}"))


def test_only_the_subprotocol_of_livecue_is_accepted() -> None:
    assert subprotocol_of(socket(offered("key"), "livecue")) == "livecue"
    assert subprotocol_of(socket("chat")) is None


def test_the_address_is_that_of_the_client() -> None:
    assert address_of(Request({"type": "http", "client": ("192.0.2.7", 1)})) == "192.0.2.7"
    assert address_of(Request({"type": "http", "client": None})) is None
