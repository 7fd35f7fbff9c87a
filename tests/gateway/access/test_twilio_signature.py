"""Twilio's signature of the URL that it calls."""

import pytest

from gateway.access.twilio_signature import is_signed, signed_urls

URL, TOKEN = "wss://captions.example/v1/twilio", "12345"
SIGNATURE = "nuHGbm3Ms+C3EoSpuW4q0tXcr80="
"""`printf wss://captions.example/v1/twilio | openssl dgst -sha1 -hmac 12345 -binary | base64`"""


def test_a_url_is_signed_with_the_token_of_the_account() -> None:
    assert is_signed(URL, SIGNATURE, TOKEN)
    assert not is_signed(URL + "?", SIGNATURE, TOKEN)
    assert not is_signed(URL, SIGNATURE, "54321")
    assert not is_signed(URL, "ü", TOKEN)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("a.example", ["a.example", "a.example:443"]),
        ("a.example:8443", ["a.example:8443", "a.example", "a.example:443"]),
        ("[::1]", ["[::1]", "[::1]:443"]),
    ],
)
def test_a_port_may_be_signed_or_not(host: str, names: list[str]) -> None:
    assert list(signed_urls(host, "/v1/twilio?x=1", None)) == [f"wss://{name}/v1/twilio?x=1" for name in names]


def test_behind_a_proxy_its_address_alone_is_signed() -> None:
    assert list(signed_urls("10.0.0.1", "/v1/twilio", "wss://a.example/prefix/")) == [
        "wss://a.example/prefix/v1/twilio"
    ]
