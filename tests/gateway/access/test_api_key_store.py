"""The API keys that are written down."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.api_keys import FormerSecret, Key, digest_of
from gateway.access.scopes import DEFAULT_SCOPES, Scope
from gateway.access.terms import Terms, parse_networks
from gateway.errors import ConfigurationError
from gateway.sqlite import Schema, StateDatabase

CREATED_S = 1_000.0


@contextmanager
def opened(path: Path) -> Iterator[KeyStore]:
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        yield KeyStore(database)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    with opened(path) as store:
        yield store


def test_a_key_is_kept_as_a_hash_and_never_in_clear(store: KeyStore, path: Path) -> None:
    secret = store.create("demo", CREATED_S)
    assert secret.startswith("lc_")
    assert len(secret) >= 35
    written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert secret.encode() not in written
    assert digest_of(secret) in written


def test_keys_are_listed_with_what_they_allow(store: KeyStore) -> None:
    first = store.create("first", CREATED_S)
    store.create("second", CREATED_S + 1, requests_per_minute=60, credit_s=3_600.0)
    (one, two) = store.all()
    assert (one.key.name, one.last_four, one.created_s) == ("first", first[-4:], CREATED_S)
    assert (one.key.requests_per_minute, one.key.credit_s, one.key.used_s) == (None, None, 0.0)
    assert (two.key.requests_per_minute, two.key.credit_s) == (60, 3_600.0)


def test_two_keys_are_never_the_same(store: KeyStore) -> None:
    assert len({store.create(f"key-{number}", CREATED_S) for number in range(20)}) == 20


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "é", "a" * 65, "static-1", "a\nb", "a\n"])
def test_a_name_that_metrics_and_lists_could_not_show_is_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(ConfigurationError, match="1 to 64 letters"):
        store.create(name, CREATED_S)


def test_a_name_is_given_once_even_after_its_key_was_revoked(store: KeyStore) -> None:
    store.create("demo", CREATED_S)
    with pytest.raises(ConfigurationError, match="a key has, or had, that name"):
        store.create("demo", CREATED_S)
    store.revoke("demo")
    with pytest.raises(ConfigurationError, match="a key has, or had, that name"):
        store.create("demo", CREATED_S)


def test_a_grant_adds_to_the_credit(store: KeyStore) -> None:
    store.create("demo", CREATED_S, credit_s=10.0)
    store.grant("demo", 5.0)
    assert store.all()[0].key.credit_s == 15.0


def test_a_key_without_a_limit_can_be_granted_nothing(store: KeyStore) -> None:
    store.create("demo", CREATED_S)
    with pytest.raises(ConfigurationError, match="credit of this key is unlimited"):
        store.grant("demo", 5.0)


def test_a_name_that_no_key_has_is_refused_naming_those_there_are(store: KeyStore, path: Path) -> None:
    with pytest.raises(ConfigurationError, match="existing: none"):
        store.revoke("demo")
    assert not path.exists(), "nothing was made to find that out"
    for name in ("first", "second", "third"):
        store.create(name, CREATED_S, credit_s=1.0)
    store.revoke("second")
    for change in (store.revoke, lambda name: store.grant(name, 1.0)):
        for name in ("demo", "second"):
            with pytest.raises(ConfigurationError, match="no such key; existing: first, third"):
                change(name)


def test_two_gateways_that_charge_one_key_do_not_overwrite_each_other(path: Path) -> None:
    with opened(path) as store:
        store.create("demo", CREATED_S, credit_s=1_000.0)

    def charge() -> None:
        with opened(path) as store:
            for _ in range(20):
                store.charge({"demo": 0.5})

    gateways = [threading.Thread(target=charge) for _ in range(2)]
    for gateway in gateways:
        gateway.start()
    for gateway in gateways:
        gateway.join()
    with opened(path) as store:
        assert store.all()[0].key.used_s == 20.0


def test_a_revoked_key_is_still_charged_for_what_it_has_used(store: KeyStore) -> None:
    store.create("demo", CREATED_S, credit_s=10.0)
    store.revoke("demo")
    (stored,) = store.charge({"demo": 3.0})
    assert stored.key.used_s == 3.0
    assert stored.key.is_revoked


def test_only_what_others_have_written_is_news(store: KeyStore, path: Path) -> None:
    assert store.changed() is None
    store.create("demo", CREATED_S)
    assert [stored.key.name for stored in store.changed() or ()] == ["demo"]
    assert store.changed() is None
    with opened(path) as other:
        other.charge({"demo": 1.0})
    assert [stored.key.used_s for stored in store.changed() or ()] == [1.0]
    assert store.changed() is None


# --- terms and rotation ----------------------------------------------------------------------------------------------


def test_the_terms_of_a_key_are_stored_as_they_were_chosen_and_changed_as_a_whole(store: KeyStore) -> None:
    chosen = Terms(frozenset({Scope.READ}), 2_000.0, 3, parse_networks(["192.0.2.0/24", "2001:db8::1"]), "studio")
    store.create("player", CREATED_S, terms=chosen)
    assert store.find("player").key.terms == chosen
    store.change("player", Terms())
    assert store.find("player").key.terms == Terms()


@pytest.mark.parametrize("owner", ["no spaces", "static-1", ""])
def test_an_owner_has_the_name_of_a_key_of_the_database(store: KeyStore, owner: str) -> None:
    with pytest.raises(ConfigurationError, match="expected 1 to 64 letters"):
        store.create("player", CREATED_S, terms=Terms(owner=owner))


def test_a_rotated_key_keeps_all_but_its_secret(store: KeyStore) -> None:
    first = store.create("demo", CREATED_S, 5, 10.0, Terms(max_open=2))
    store.charge({"demo": 3.0})
    before = store.find("demo").key
    second = store.rotate("demo", 500.0)
    stored = store.find("demo")
    assert stored.key == replace(before, digest=digest_of(second), former=FormerSecret(digest_of(first), 500.0))
    assert stored.last_four == second[-4:]
    third = store.rotate("demo", 600.0)
    assert store.find("demo").key.former == FormerSecret(digest_of(second), 600.0)
    assert len({first, second, third}) == 3


def test_a_key_that_is_not_there_or_revoked_is_neither_changed_nor_rotated(store: KeyStore) -> None:
    store.create("demo", CREATED_S)
    store.revoke("demo")
    for change in (lambda: store.change("demo", Terms()), lambda: store.rotate("demo", 1.0)):
        with pytest.raises(ConfigurationError, match="no such key; existing: none"):
            change()


def test_keys_of_a_database_from_before_there_were_scopes_keep_what_they_could_do(path: Path) -> None:
    with closing(StateDatabase(path, (Schema("keys", KEYS_SCHEMA.steps[:1]),))) as before:
        row = ("old", digest_of("secret"), "cret", CREATED_S)
        before.write(
            lambda connection: connection.execute(
                "INSERT INTO keys (name, digest, last_four, created_s) VALUES (?, ?, ?, ?)", row
            )
        )
    with opened(path) as store:
        assert store.find("old").key == Key("old", digest_of("secret"), terms=Terms(DEFAULT_SCOPES))
