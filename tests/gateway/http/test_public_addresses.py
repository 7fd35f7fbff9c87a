"""Links that others can open, whatever address the gateway is bound to."""

import pytest

from gateway.http.public_addresses import is_for_this_machine, lan_address, listening_urls, share_base
from gateway.settings import ServerSettings

EVERYWHERE = "0.0.0.0"  # noqa: S104  # is what is tested
LAN = "192.168.1.5"


@pytest.mark.parametrize(
    ("asked_for", "server", "base"),
    [
        ("http://127.0.0.1:8000/", ServerSettings(), "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", ServerSettings(EVERYWHERE), f"http://{LAN}:8000"),
        ("http://localhost:8000/", ServerSettings("::"), f"http://{LAN}:8000"),
        (f"http://{EVERYWHERE}:8000/", ServerSettings(EVERYWHERE), f"http://{LAN}:8000"),
        (f"http://{EVERYWHERE}:8000/", ServerSettings(), "http://127.0.0.1:8000"),
        ("http://10.0.0.7:8000/", ServerSettings(EVERYWHERE), "http://10.0.0.7:8000"),
        ("https://captions.example.com/", ServerSettings(), "https://captions.example.com"),
        ("http://127.0.0.1:8000/", ServerSettings(public_url="https://example.com/live/"), "https://example.com/live"),
    ],
)
def test_a_link_leads_others_to_the_gateway(asked_for: str, server: ServerSettings, base: str) -> None:
    assert share_base(asked_for, server, LAN) == base


def test_without_a_network_a_link_is_for_this_machine() -> None:
    assert share_base(f"http://{EVERYWHERE}:8000/", ServerSettings(EVERYWHERE), None) == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("server", "host", "urls"),
    [
        (ServerSettings(), "127.0.0.1", ["http://127.0.0.1:8000"]),
        (ServerSettings(EVERYWHERE), EVERYWHERE, ["http://127.0.0.1:8000", f"http://{LAN}:8000"]),
        (ServerSettings("::"), "::", ["http://[::1]:8000", f"http://{LAN}:8000"]),
        (ServerSettings("::1"), "::1", ["http://[::1]:8000"]),
        (ServerSettings(public_url="https://a.example"), "127.0.0.1", ["http://127.0.0.1:8000", "https://a.example"]),
    ],
)
def test_the_start_prints_addresses_that_can_be_opened(server: ServerSettings, host: str, urls: list[str]) -> None:
    assert listening_urls(server, host, 8000, LAN) == urls


@pytest.mark.parametrize(
    ("url", "is_for_this"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000/x", True),
        ("http://localhost", True),
        ("http://app.localhost:3000", True),
        (f"http://{EVERYWHERE}:1", True),
        (f"http://{LAN}:8000", False),
        ("https://example.com", False),
    ],
)
def test_addresses_of_this_machine_only_are_known(url: str, is_for_this: bool) -> None:
    assert is_for_this_machine(url) is is_for_this


def test_the_address_in_the_network_is_none_of_this_machine_only() -> None:
    found = lan_address()
    assert found is None or not is_for_this_machine(f"http://{found}")
