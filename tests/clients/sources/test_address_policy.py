from ipaddress import IPv4Address

import pytest

from clients.sources.address_policy import AddressPolicy
from clients.sources.errors import SourceRefused

PRIVATE = [
    "10.0.0.1",
    "127.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd00::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
]

SPECIAL = [
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    str(IPv4Address(0)),
    "::",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
]

PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]


def test_a_named_host_may_be_private() -> None:
    policy = AddressPolicy(("camera.lan",))
    for address in PRIVATE + PUBLIC:
        policy.check_address("camera.lan", address)


def test_another_host_is_refused_before_its_name_is_resolved() -> None:
    with pytest.raises(SourceRefused, match=r"host db\.lan is not allowed: expected a\.example\.com") as refused:
        AddressPolicy(("a.example.com",)).check_host("db.lan")
    assert "--allow-host db.lan allows it" in str(refused.value)


@pytest.mark.parametrize("address", SPECIAL)
def test_a_name_never_stands_for_a_link_local_or_special_address(address: str) -> None:
    for policy in (AddressPolicy(("a.example.com",)), AddressPolicy(("public",))):
        with pytest.raises(SourceRefused):
            policy.check_address("a.example.com", address)


def test_a_link_local_address_that_is_named_itself_may_be_contacted() -> None:
    AddressPolicy(("169.254.7.7",)).check_address("169.254.7.7", "169.254.7.7")


@pytest.mark.parametrize("address", PRIVATE)
def test_public_only_refuses_private_addresses_even_of_named_hosts(address: str) -> None:
    with pytest.raises(SourceRefused, match="has the private address"):
        AddressPolicy(("a.example.com",), public_only=True).check_address("a.example.com", address)


@pytest.mark.parametrize("address", PRIVATE)
def test_the_word_public_allows_any_host_but_no_private_address(address: str) -> None:
    policy = AddressPolicy(("camera.lan", "public"))
    for each in PUBLIC:
        policy.check_address("cdn.example.net", each)
    policy.check_address("camera.lan", address)
    with pytest.raises(SourceRefused, match="expected a public one"):
        policy.check_address("cdn.example.net", address)


def test_a_pattern_allows_the_names_below_it_and_not_the_name_itself() -> None:
    policy = AddressPolicy(("*.example.com",))
    policy.check_host("a.b.Example.com")
    for other in ("example.com", "badexample.com", "example.com.example.net"):
        with pytest.raises(SourceRefused):
            policy.check_host(other)


def test_names_are_compared_without_case_and_the_root_dot() -> None:
    AddressPolicy(("A.example.com.",)).check_host("a.example.COM")


def test_a_host_with_one_forbidden_address_among_others_is_refused() -> None:
    policy = AddressPolicy(("public",))
    assert policy.checked("a.example.com", PUBLIC) == PUBLIC
    with pytest.raises(SourceRefused):
        policy.checked("a.example.com", [*PUBLIC, "10.0.0.1"])


def test_a_teredo_address_is_judged_by_its_client() -> None:
    with pytest.raises(SourceRefused):
        AddressPolicy(("public",)).check_address("a.example.com", "2001:0:4136:e378:8000:63bf:f5ff:fffe")
