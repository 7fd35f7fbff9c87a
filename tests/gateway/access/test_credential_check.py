"""What a key is checked for, at the start of a request and while it lasts, on a clock of the test's own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.authenticator import Authenticator
from gateway.access.caller import Caller
from gateway.access.credential_check import AccessServices
from gateway.access.scopes import ALL_SCOPES, DEFAULT_SCOPES, Scope
from gateway.access.terms import Terms, parse_networks
from gateway.errors import ForbiddenAddress, InsufficientCredits, InsufficientScope, RateLimited, Unauthorized
from gateway.sqlite import StateDatabase

HOME, ELSEWHERE = "192.0.2.7", "198.51.100.1"


class WallClock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    with closing(StateDatabase(tmp_path / "state.db", (KEYS_SCHEMA,))) as database:
        yield KeyStore(database)


@pytest.fixture
def authenticator(tmp_path: Path, clock: WallClock) -> Iterator[Authenticator]:
    with closing(StateDatabase(tmp_path / "state.db", (KEYS_SCHEMA,))) as database:
        yield Authenticator(["master"], database, lambda: 0.0, AccessServices(wall_clock=clock))


def bearer(secret: str) -> str:
    return f"Bearer {secret}"


async def test_a_caller_has_the_scopes_and_the_owner_of_its_key(authenticator: Authenticator, store: KeyStore) -> None:
    player = store.create("player", 0.0, terms=Terms(frozenset({Scope.READ}), owner="studio"))
    caller = await authenticator.admit(bearer(player), HOME, scope=Scope.READ)
    assert (caller.name, caller.owner) == ("player", "studio")
    assert caller.scopes == {Scope.READ}
    assert (await authenticator.admit(bearer("master"))).scopes == ALL_SCOPES
    assert (await authenticator.admit(bearer(store.create("old", 0.0)))).scopes == DEFAULT_SCOPES


async def test_a_key_expires_at_the_start_of_a_request_and_while_it_lasts(
    authenticator: Authenticator, store: KeyStore, clock: WallClock
) -> None:
    secret = store.create("studio", 0.0, terms=Terms(expires_s=2_000.0))
    caller = await authenticator.admit(bearer(secret))
    clock.now_s = 1_999.9
    authenticator.charge(caller, 1.0)
    assert not authenticator.is_revoked("studio")
    clock.now_s = 2_000.0
    assert authenticator.is_revoked("studio"), "and with it its view tokens"
    with pytest.raises(Unauthorized, match="this API key has expired"):
        authenticator.charge(caller, 1.0)
    with pytest.raises(Unauthorized, match="this API key has expired"):
        authenticator.admit_by_proxy(caller)
    with pytest.raises(Unauthorized, match="this API key has expired"):
        await authenticator.admit(bearer(secret))
    assert authenticator.spent_s == {"studio": 2.0}, "what was used is charged"


async def test_a_key_is_bound_to_its_addresses_and_its_clients_with_a_secret_are_not(
    authenticator: Authenticator, store: KeyStore
) -> None:
    secret = store.create("studio", 0.0, terms=Terms(networks=parse_networks(["192.0.2.0/24"])))
    caller = await authenticator.admit(bearer(secret), HOME)
    for address in (ELSEWHERE, None):
        with pytest.raises(ForbiddenAddress):
            await authenticator.admit(bearer(secret), address)
        with pytest.raises(ForbiddenAddress):
            authenticator.credentials.check(Caller("studio", address), Scope.INGEST)
    authenticator.admit_by_proxy(caller)
    assert authenticator.refusals == {"forbidden_address": 2}


async def test_a_refusal_for_a_scope_costs_no_request_and_is_no_failed_login(
    authenticator: Authenticator, store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    secret = store.create("reader", 0.0, 1, terms=Terms(frozenset({Scope.READ})))
    for _ in range(3):
        with pytest.raises(InsufficientScope, match="needs the scope ingest"):
            await authenticator.admit(bearer(secret), HOME)
    await authenticator.admit(bearer(secret), HOME, scope=Scope.READ)
    with pytest.raises(RateLimited):
        await authenticator.admit(bearer(secret), HOME, scope=None)
    authenticator.report_failures()
    assert "authentication failed" not in caplog.text


async def test_only_audio_needs_credit(authenticator: Authenticator, store: KeyStore) -> None:
    secret = store.create("trial", 0.0, credit_s=0.0)
    for scope in (Scope.READ, Scope.DELETE, None):
        await authenticator.admit(bearer(secret), scope=scope)
    with pytest.raises(InsufficientCredits):
        await authenticator.admit(bearer(secret))


async def test_a_key_that_was_changed_is_checked_as_it_is_now(authenticator: Authenticator, store: KeyStore) -> None:
    secret = store.create("studio", 0.0, terms=Terms(max_open=3))
    caller = await authenticator.admit(bearer(secret))
    assert authenticator.credentials.max_open(caller) == 3
    store.change("studio", Terms(frozenset({Scope.READ}), max_open=None))
    await authenticator.sync()
    assert authenticator.credentials.max_open(caller) is None
    authenticator.credentials.check(caller, Scope.READ)
    with pytest.raises(InsufficientScope):
        authenticator.charge(caller, 1.0)
    assert authenticator.credentials.max_open(Caller(None)) is None


async def test_a_rotated_key_is_charged_under_its_name_whichever_secret_is_used(
    authenticator: Authenticator, store: KeyStore, clock: WallClock
) -> None:
    old = store.create("studio", 0.0, credit_s=100.0)
    authenticator.charge(await authenticator.admit(bearer(old)), 10.0)
    new = store.rotate("studio", 2_000.0)
    authenticator.charge(await authenticator.admit(bearer(new)), 10.0)
    authenticator.charge(await authenticator.admit(bearer(old)), 10.0)
    await authenticator.sync()
    assert store.find("studio").key.used_s == 30.0
    clock.now_s = 2_000.0
    with pytest.raises(Unauthorized, match="unknown API key"):
        await authenticator.admit(bearer(old))
    await authenticator.admit(bearer(new))
