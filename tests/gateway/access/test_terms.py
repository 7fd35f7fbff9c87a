"""The terms of a key: scopes, expiry, and addresses, however those are written."""

import pytest

from gateway.access.scopes import Scope
from gateway.access.terms import Terms, check_scope, is_within, parse_networks
from gateway.errors import ConfigurationError, ForbiddenAddress, InsufficientScope, Unauthorized

READER = frozenset({Scope.READ})


@pytest.mark.parametrize(
    ("networks", "address", "is_in"),
    [
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.0/24", "192.0.3.7", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.0/24", "::ffff:192.0.2.7", True),
        ("192.0.2.0/24", "::ffff:c000:0207", True),
        ("192.0.2.0/24", "::ffff:192.0.3.7", False),
        ("192.0.2.0/24", "::192.0.2.7", False),
        ("::ffff:192.0.2.0/120", "192.0.2.7", True),
        ("::ffff:192.0.2.0/120", "::ffff:192.0.2.7", True),
        ("::ffff:192.0.2.0/120", "192.0.3.7", False),
        ("::/0", "192.0.2.7", False),
        ("::/0", "::ffff:192.0.2.7", False),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8:1::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("192.0.2.1,2001:db8::/32", "2001:db8::1", True),
        ("192.0.2.0/24", "localhost", False),
        ("192.0.2.0/24", "", False),
        ("0.0.0.0/0", None, False),
        ("192.0.2.7", "192.0.2.07", False),
    ],
)
def test_an_address_is_found_in_its_networks_only(networks: str, address: str | None, is_in: bool) -> None:
    assert is_within(address, parse_networks(networks.split(","))) is is_in


def test_networks_are_listed_once_and_as_they_are_compared() -> None:
    assert [str(each) for each in parse_networks(["::ffff:192.0.2.0/120", " 192.0.2.0/24", "::1"])] == [
        "192.0.2.0/24",
        "::1/128",
    ]


@pytest.mark.parametrize("text", ["192.0.2.7/24", "example.com", "", "192.0.2.0/33", "192.0.2.*"])
def test_what_is_no_network_is_refused_with_what_one_is(text: str) -> None:
    with pytest.raises(ConfigurationError, match="expected an IP address, or a network as"):
        parse_networks([text])


def test_a_key_without_networks_is_accepted_from_anywhere_and_another_only_from_there() -> None:
    Terms().check_address(None)
    limited = Terms(networks=parse_networks(["192.0.2.0/24"]))
    limited.check_address("192.0.2.1")
    with pytest.raises(ForbiddenAddress, match=r"not accepted from address 198\.51\.100\.1"):
        limited.check_address("198.51.100.1")
    with pytest.raises(ForbiddenAddress, match="not accepted from address unknown"):
        limited.check_address(None)


def test_an_expired_key_is_unauthorized_before_its_scopes_are_looked_at() -> None:
    terms = Terms(READER, expires_s=100.0)
    terms.check(Scope.READ, 99.9)
    assert not Terms().has_expired(1e12)
    with pytest.raises(Unauthorized, match="expired"):
        terms.check(Scope.INGEST, 100.0)


def test_a_missing_scope_is_named_with_those_that_are_there() -> None:
    check_scope(READER, Scope.READ)
    check_scope(frozenset(), None)
    with pytest.raises(InsufficientScope, match="needs the scope ingest; the credentials have: read"):
        check_scope(READER, Scope.INGEST)
    with pytest.raises(InsufficientScope, match="have: none"):
        check_scope(frozenset(), Scope.READ)
