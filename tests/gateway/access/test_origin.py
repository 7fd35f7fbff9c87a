"""Origins of pages, and addresses of this machine."""

import pytest

from gateway.access.origin import check_origin, is_loopback
from gateway.errors import ForbiddenOrigin


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_addresses_reach_only_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "::", "example.org", ""])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "gateway.example", ()),
        ("https://gateway.example", "gateway.example", ()),
        ("https://page.example", "gateway.example", ("https://page.example",)),
        ("https://page.example", "gateway.example", ("*",)),
    ],
)
def test_own_pages_allowed_origins_and_programs_may_connect(
    origin: str | None, host: str, allowed: tuple[str, ...]
) -> None:
    check_origin(origin, host, allowed)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://gateway.example.evil.example"])
def test_foreign_pages_may_not_connect(origin: str) -> None:
    with pytest.raises(ForbiddenOrigin, match=r"server\.allowed_origins"):
        check_origin(origin, "gateway.example", ("https://page.example",))


def test_a_long_origin_is_cut_in_the_message() -> None:
    with pytest.raises(ForbiddenOrigin) as refused:
        check_origin("https://" + "x" * 10_000, "gateway.example", ())
    assert len(str(refused.value)) < 300
