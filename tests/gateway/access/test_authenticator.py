"""Admission of clients: keys, request rates, and audio credit."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.api_keys import Key
from gateway.access.authenticator import Authenticator
from gateway.access.authenticator_opening import open_authenticator
from gateway.access.caller import Caller
from gateway.errors import ConfigurationError, InsufficientCredits, RateLimited, Unauthorized
from gateway.settings import Settings, load_settings
from gateway.sqlite import StateDatabase, StateUnavailable, data_path

NO_DATABASE = Path("/nonexistent/state.db")

EVERYWHERE = "0.0.0.0"  # noqa: S104  # refused, or never bound


class Clock:
    """A clock that the test advances."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    """Return the keys as the command line has them: over a connection of its own."""
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        yield KeyStore(database)


@contextmanager
def keeping(path: Path, clock: Clock, *static_keys: str) -> Iterator[Authenticator]:
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        yield Authenticator(static_keys, database, clock)


def make(store: KeyStore, name: str, requests_per_minute: int | None = None, credit_s: float | None = None) -> str:
    """Make a key, and return the header that shows it."""
    return f"Bearer {store.create(name, 0.0, requests_per_minute, credit_s)}"


def stored(store: KeyStore, name: str) -> Key:
    return next(found.key for found in store.all() if found.key.name == name)


def is_there(path: Path) -> bool:
    return path.exists()


def damage(path: Path) -> None:
    path.write_text("these are no tables\n" * 100)


def settings_of(path: Path, **server: object) -> Settings:
    return load_settings({"server": server, "state": {"database": path, "write_interval_s": 0.001}})


async def admitted(header: str | None, *static_keys: str) -> Caller:
    with keeping(NO_DATABASE, Clock(), *static_keys) as authenticator:
        return await authenticator.admit(header)


# --- keys of the settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Bearer first-key", "bearer first-key", "BEARER   first-key "])
async def test_a_key_of_the_settings_opens_and_has_a_number_for_a_name(header: str) -> None:
    assert await admitted(header, "first-key", "second-key") == Caller("static-1")
    assert await admitted(header, "second-key", "first-key") == Caller("static-2")


@pytest.mark.parametrize("header", [None, "", "first-key", "Basic first-key", "Bearerfirst-key", " Bearer first-key"])
async def test_the_refusal_of_a_request_without_a_key_has_how_to_send_one(header: str | None) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer KEY"):
        await admitted(header, "first-key")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer first-ke", "Bearer first-key,second-key", "Bearer é"])
async def test_a_wrong_key_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized, match="unknown API key"):
        await admitted(header, "first-key", "second-key")


@pytest.mark.parametrize("header", [None, "", "Bearer anything"])
async def test_without_keys_everybody_may_connect(header: str | None) -> None:
    assert await admitted(header) == Caller(None)


@given(st.text())
async def test_a_refusal_never_repeats_what_was_sent(key: str) -> None:
    secret = f"sk-{key}"
    with pytest.raises(Unauthorized) as refused:
        await admitted(f"Bearer {secret}", "first-key")
    assert secret not in str(refused.value)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1))
async def test_any_key_without_spaces_can_be_used(key: str) -> None:
    assert (await admitted(f"Bearer {key}", key)).name == "static-1"


async def test_a_key_of_the_settings_may_use_any_amount_and_makes_no_database(path: Path, clock: Clock) -> None:
    with keeping(path, clock, "key") as authenticator:
        for _ in range(1_000):
            caller = await authenticator.admit("Bearer key")
            authenticator.charge(caller, 3_600.0)
        await authenticator.sync()
        assert authenticator.left_s(caller) is None
        assert authenticator.spent_s == {"static-1": 3_600_000.0}
    assert not is_there(path)


async def test_an_open_gateway_counts_nothing_and_makes_no_database(path: Path, clock: Clock) -> None:
    with keeping(path, clock) as authenticator:
        caller = await authenticator.admit(None)
        authenticator.charge(caller, 3_600.0)
        await authenticator.sync()
        assert authenticator.left_s(caller) is None
        assert not authenticator.spent_s
    assert not is_there(path)


# --- keys of the database -------------------------------------------------------------------------------------------


async def test_keys_of_both_sources_open(path: Path, clock: Clock, store: KeyStore) -> None:
    header = make(store, "demo")
    with keeping(path, clock, "key") as authenticator:
        await authenticator.sync()
        assert await authenticator.admit(header) == Caller("demo")
        assert await authenticator.admit("Bearer key") == Caller("static-1")


async def test_one_request_too_many_in_a_minute_is_refused_until_it_is_time(
    path: Path, clock: Clock, store: KeyStore
) -> None:
    header, other = make(store, "demo", requests_per_minute=3), make(store, "other", requests_per_minute=3)
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        for _ in range(3):
            await authenticator.admit(header)
        with pytest.raises(RateLimited) as refused:
            await authenticator.admit(header)
        assert refused.value.retry_after_s == pytest.approx(20)
        await authenticator.admit(other)
        clock.now_s += 21
        await authenticator.admit(header)
        assert authenticator.refusals == {"rate_limited": 1}


async def test_a_key_whose_credit_is_used_up_is_refused(path: Path, clock: Clock, store: KeyStore) -> None:
    header = make(store, "demo", credit_s=10.0)
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        caller = await authenticator.admit(header)
        authenticator.charge(caller, 9.0)
        assert authenticator.left_s(caller) == 1.0
        with pytest.raises(InsufficientCredits, match="the credit of this API key, 10 s of audio"):
            authenticator.charge(caller, 2.0)
        authenticator.spend(caller, 1.0)
        assert authenticator.left_s(caller) == 0.0
        with pytest.raises(InsufficientCredits):
            await authenticator.admit(header)
        await authenticator.sync()
        assert authenticator.spent_s == {"demo": 12.0}
    assert stored(store, "demo").used_s == 12.0, "processed audio is charged, even beyond the credit"


async def test_spending_is_known_to_the_next_gateway(path: Path, clock: Clock, store: KeyStore) -> None:
    header = make(store, "demo", credit_s=10.0)
    for left_s in (6.0, 2.0):
        async with open_authenticator(settings_of(path)) as authenticator:
            caller = await authenticator.admit(header)
            authenticator.spend(caller, 4.0)
            assert authenticator.left_s(caller) == left_s
    assert stored(store, "demo").used_s == 8.0


async def test_a_gateway_that_crashes_has_written_down_what_was_spent_before_the_last_interval(
    path: Path, store: KeyStore
) -> None:
    header = make(store, "demo", credit_s=10.0)
    async with open_authenticator(settings_of(path)) as authenticator:
        authenticator.spend(await authenticator.admit(header), 4.0)
        with anyio.fail_after(10):
            while stored(store, "demo").used_s != 4.0:
                await anyio.lowlevel.checkpoint()


async def test_two_gateways_share_the_credit_of_a_key(path: Path, clock: Clock, store: KeyStore) -> None:
    header = make(store, "demo", credit_s=10.0)
    with keeping(path, clock) as one, keeping(path, clock) as two:
        await one.sync()
        await two.sync()
        caller = await one.admit(header)
        assert caller == await two.admit(header)
        one.spend(caller, 3.0)
        two.spend(caller, 5.0)
        await one.sync()
        await two.sync()
        await one.sync()
        assert one.left_s(caller) == two.left_s(caller) == 2.0
    assert stored(store, "demo").used_s == 8.0


async def test_audio_used_during_a_write_is_not_lost(path: Path, clock: Clock, store: KeyStore) -> None:
    header = make(store, "demo", credit_s=100.0)
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        caller = await authenticator.admit(header)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                authenticator.spend(caller, 1.0)
                tasks.start_soon(authenticator.sync)
                await anyio.lowlevel.checkpoint()
                authenticator.spend(caller, 1.0)
        await authenticator.sync()
        assert authenticator.left_s(caller) == 80.0
    assert stored(store, "demo").used_s == 20.0


async def test_an_idle_gateway_does_not_wait_for_writers(path: Path, clock: Clock, store: KeyStore) -> None:
    make(store, "demo")
    with keeping(path, clock) as authenticator, closing(sqlite3.connect(path, isolation_level=None)) as other:
        await authenticator.sync()
        other.execute("BEGIN IMMEDIATE")
        await authenticator.sync()
        assert authenticator.failures == 0


# --- keys that change while a gateway runs --------------------------------------------------------------------------


async def test_a_key_just_made_opens_at_once(path: Path, clock: Clock, store: KeyStore) -> None:
    with keeping(path, clock, "key") as authenticator:
        await authenticator.sync()
        assert await authenticator.admit(make(store, "demo")) == Caller("demo")


async def test_the_first_key_closes_the_door_at_the_next_look(path: Path, clock: Clock, store: KeyStore) -> None:
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        assert authenticator.is_open
        header = make(store, "demo")
        await authenticator.sync()
        with pytest.raises(Unauthorized):
            await authenticator.admit(None)
        assert await authenticator.admit(header) == Caller("demo")


async def test_the_door_stays_closed_when_the_last_key_is_revoked(path: Path, clock: Clock, store: KeyStore) -> None:
    make(store, "demo")
    store.revoke("demo")
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        assert not authenticator.is_open
        with pytest.raises(Unauthorized):
            await authenticator.admit(None)


async def test_sessions_of_a_revoked_key_end(path: Path, clock: Clock, store: KeyStore) -> None:
    header = make(store, "demo")
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        caller = await authenticator.admit(header)
        store.revoke("demo")
        await authenticator.sync()
        with pytest.raises(Unauthorized, match="revoked"):
            authenticator.charge(caller, 1.0)
        with pytest.raises(Unauthorized, match="revoked"):
            await authenticator.admit(header)
        await authenticator.sync()
    assert stored(store, "demo").used_s == 1.0


async def test_a_grant_lets_a_key_in_again_at_once(path: Path, clock: Clock, store: KeyStore) -> None:
    header = make(store, "demo", credit_s=0.0)
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        with pytest.raises(InsufficientCredits):
            await authenticator.admit(header)
        store.grant("demo", 5.0)
        assert authenticator.left_s(await authenticator.admit(header)) == 5.0


async def test_a_running_gateway_looks_by_itself(path: Path, store: KeyStore) -> None:
    async with open_authenticator(settings_of(path)) as authenticator:
        make(store, "demo")
        with anyio.fail_after(10):
            while authenticator.is_open:
                await anyio.lowlevel.checkpoint()


async def test_guessing_keys_does_not_keep_the_database_busy(path: Path, clock: Clock, store: KeyStore) -> None:
    make(store, "demo")
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        for number in range(100):
            with pytest.raises(Unauthorized):
                await authenticator.admit(f"Bearer guess-{number}")
        late = make(store, "late")
        with pytest.raises(Unauthorized):
            await authenticator.admit(late)
        clock.now_s += 1.1
        assert await authenticator.admit(late) == Caller("late")


# --- a database that fails ------------------------------------------------------------------------------------------


async def test_a_broken_database_is_refused_at_the_start(path: Path) -> None:
    damage(path)
    with pytest.raises(StateUnavailable, match="not a SQLite database"):
        async with open_authenticator(settings_of(path)):
            pass


async def test_a_database_locked_later_refuses_no_client_and_loses_nothing(
    path: Path, clock: Clock, store: KeyStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.sqlite._BUSY_S", 0.0)
    header = make(store, "demo", credit_s=10.0)
    with keeping(path, clock) as authenticator:
        await authenticator.sync()
        caller = await authenticator.admit(header)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                authenticator.charge(caller, 1.0)
                await authenticator.admit(header)
                with pytest.raises(StateUnavailable, match="locked"):
                    await authenticator.sync()
            with pytest.raises(Unauthorized):
                await authenticator.admit("Bearer unknown")
            other.execute("ROLLBACK")
        assert authenticator.left_s(caller) == 7.0
        assert authenticator.failures == 3
        assert [record.levelno for record in caplog.records] == [logging.WARNING], "logged once, not every second"
        await authenticator.sync()
    assert stored(store, "demo").used_s == 3.0


async def test_usage_that_was_never_written_is_logged_at_the_end(
    path: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.sqlite._BUSY_S", 0.0)
    header = make(store, "demo", credit_s=10.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        async with open_authenticator(settings_of(path)) as authenticator:
            caller = await authenticator.admit(header)
            other.execute("BEGIN IMMEDIATE")
            authenticator.spend(caller, 1.0)
        other.execute("ROLLBACK")
    assert "is lost" in caplog.messages[-1]
    assert header.removeprefix("Bearer ") not in caplog.text


# --- an open door ---------------------------------------------------------------------------------------------------


async def test_without_any_key_another_address_than_loopback_is_refused(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="livecue keys create"):
        async with open_authenticator(settings_of(path, host=EVERYWHERE)):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
async def test_loopback_needs_no_key(path: Path, host: str) -> None:
    async with open_authenticator(settings_of(path, host=host)) as authenticator:
        assert authenticator.is_open


async def test_a_key_of_either_source_opens_any_address_and_so_does_insecure(path: Path, store: KeyStore) -> None:
    async with open_authenticator(settings_of(path, host=EVERYWHERE, api_keys=["key"])) as authenticator:
        assert not authenticator.is_open
    async with open_authenticator(settings_of(path, host=EVERYWHERE, insecure=True)) as authenticator:
        assert authenticator.is_open
    make(store, "demo")
    async with open_authenticator(settings_of(path, host=EVERYWHERE)) as authenticator:
        assert not authenticator.is_open


# --- keys that are lost ---------------------------------------------------------------------------------------------


async def opened(path: Path, **server: object) -> bool:
    async with open_authenticator(settings_of(path, **server)) as authenticator:
        return authenticator.is_open


def lose(path: Path, content: bytes | None = None) -> None:
    """Delete a state database, or put something else in its place."""
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        file.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)


def forget(path: Path) -> None:
    """Delete the notes that there were keys."""
    for mark in (path.with_name(f"{path.name}.keys-were-made"), data_path("keys-were-made")):
        mark.unlink()


@pytest.fixture
async def used(path: Path, store: KeyStore) -> Path:
    """Return the state of a gateway that has had a key."""
    make(store, "demo")
    assert not await opened(path)
    return path


@pytest.mark.parametrize("content", [None, b""])
async def test_a_gateway_that_had_keys_does_not_open_without_its_state(used: Path, content: bytes | None) -> None:
    lose(used, content)
    with pytest.raises(ConfigurationError, match=r"there were API keys .*missing, empty or another one; .*--insecure"):
        await opened(used)


async def test_nor_does_it_open_with_another_state(used: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there were API keys"):
        await opened(tmp_path / "elsewhere" / "state.db")


async def test_nor_where_only_the_folder_of_the_state_is_left(
    used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(used)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another home"))
    with pytest.raises(ConfigurationError, match="there were API keys"):
        await opened(used)


async def test_a_key_or_insecure_or_forgetting_lets_it_start(used: Path, tmp_path: Path) -> None:
    lose(used)
    assert not await opened(used, api_keys=["key"])
    assert await opened(used, insecure=True)
    lose(used)
    forget(used)
    assert await opened(used)


async def test_when_all_keys_are_revoked_the_start_logs_that_all_callers_are_refused(
    used: Path, store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.revoke("demo")
    assert not await opened(used)
    assert (
        "the gateway refuses all callers: all keys are revoked; make one with 'livecue keys create NAME'" in caplog.text
    )
