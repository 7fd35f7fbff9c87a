"""The journal in Redis: ownership, outages, and what its errors disclose."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr

from gateway.errors import SessionMoved
from gateway.journal.journal import Journal
from gateway.journal.redis_records import Keys
from gateway.journal.store import Batch, Change, Opening
from gateway.settings import JournalSettings
from gateway.sqlite import StateUnavailable, StateVanished
from gateway.wire import ServerEvent, Warning
from tests.certificates import Authority
from tests.events import final, partial_cue, ready
from tests.journals import NOW_S, opening
from tests.redis_servers import MISSING, RedisServer, free_port, redis_server
from vad.errors import LivecueError

if MISSING is None:
    from gateway.journal.redis_store import RedisStore
else:
    pytest.skip(MISSING, allow_module_level=True)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as made:
        yield made


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def stores(settings: JournalSettings, *clocks: Clock) -> AsyncIterator[list[RedisStore]]:
    """Stores of several gateways."""
    async with AsyncExitStack() as stack:
        made = [RedisStore(settings, clock) for clock in clocks]
        for store in made:
            stack.push_async_callback(store.aclose)
        yield made


def is_owner(store: RedisStore) -> bool:
    return store.is_owner


def is_ready(journal: Journal) -> bool:
    return journal.is_ready


# --- ownership -------------------------------------------------------------------------------------------------------


async def test_a_gateway_that_has_lost_a_session_writes_nothing_more_of_it(redis: RedisServer) -> None:
    async with stores(redis.settings(), Clock(), Clock()) as (first, second):
        await first.write(Batch([opening("a"), opening("b")], {("a", 1): ready()}))
        assert await second.acquire("a")
        batch = Batch((), {("a", 2): final(2), ("b", 1): ready()}, {("a", 1)}, [Change("a", NOW_S, ended_s=NOW_S)])
        assert await first.write(batch) == {"a"}
        assert [seq for seq, _ in await second.events("a")] == [1]
        assert [seq for seq, _ in await second.events("b")] == [1], "the other is still its own"
        entry = await second.find("a")
        assert entry is not None
        assert entry.ended_s is None
        assert await second.write(Batch((), {("a", 3): final(3)})) == frozenset()


async def test_a_check_finds_sessions_that_others_have_taken_over(redis: RedisServer) -> None:
    async with stores(redis.settings(), Clock(), Clock()) as (first, second):
        await first.write(Batch([opening("a"), opening("b")]))
        await second.acquire("a")
        assert await first.check() == {"a"}
        assert await first.check() == frozenset(), "once is enough"
        await first.acquire("a")
        assert await second.check() == {"a"}


async def test_a_deleted_session_cannot_be_acquired(redis: RedisServer) -> None:
    async with stores(redis.settings(), Clock()) as (store,):
        await store.acquire("a")
        assert await store.find("a") is None


async def test_a_lease_lasts_from_before_its_renewal(redis: RedisServer) -> None:
    clock = Clock()
    async with stores(redis.settings(lease_s=5.0), clock) as (store,):
        found = [is_owner(store)]
        await store.check()
        for clock.now_s in (4.9, 5.0):
            found.append(is_owner(store))
        await store.check()
        assert [*found, is_owner(store)] == [False, True, False, True]


async def test_only_sessions_of_dead_gateways_are_interrupted(redis: RedisServer) -> None:
    settings = redis.settings()
    async with stores(settings, Clock(), Clock()) as (first, second):
        await first.check()
        await first.write(Batch([Opening("a", "native", None, 0.0, {})]))
        await second.sweep(50.0, None, 100.0, ())
        entry = await second.find("a")
        assert entry is not None
        assert entry.outcome is None, "its gateway is alive"
        await first.sweep(50.0, None, 100.0, ["a"])
        await first.aclose()
        await second.sweep(50.0, None, 100.0, ())
        entry = await second.find("a")
        assert entry is not None
        assert (entry.outcome, entry.ended_s) == ("interrupted", 0.0)


async def test_a_session_that_failed_to_be_resumed_here_is_interrupted(redis: RedisServer) -> None:
    async with stores(redis.settings(), Clock()) as (store,):
        await store.check()
        await store.write(Batch([Opening("a", "native", None, 0.0, {})]))
        await store.sweep(50.0, None, 100.0, ())
        entry = await store.find("a")
        assert entry is not None
        assert entry.outcome == "interrupted"


async def test_a_listed_session_without_content_is_forgotten(redis: RedisServer) -> None:
    settings = redis.settings()
    redis.command("ZADD", Keys(settings.prefix).sessions, "1", "a")
    async with stores(settings, Clock()) as (store,):
        assert await store.entries() == []
        await store.sweep(50.0, None, 100.0, ())
        assert b"*0" in redis.command("ZRANGE", Keys(settings.prefix).sessions, "0", "-1")


# --- outages ---------------------------------------------------------------------------------------------------------


async def test_an_outage_is_an_error_and_lost_data_is_detected_after_it(own_server: RedisServer) -> None:
    async with stores(own_server.settings(), Clock()) as (store,):
        await store.check()
        await store.write(Batch([opening()], {("a", 1): ready()}))
        own_server.stop()
        with pytest.raises(StateUnavailable, match=r"journal\.url = 'redis://127\.0\.0\.1:\d+': "):
            await store.find("a")
        own_server.start()
        with pytest.raises(StateVanished, match="its data was lost"):
            await store.check()
        assert await store.check() == frozenset()
        await store.write(Batch([opening()], {("a", 2): final(2)}))
        assert [seq for seq, _ in await store.events("a")] == [2]


async def test_a_wrong_password_is_reported_without_it(own_server: RedisServer) -> None:
    own_server.command("CONFIG", "SET", "requirepass", "right")
    wrong = own_server.settings(url=SecretStr(f"redis://:wr0ng@127.0.0.1:{own_server.port}"))
    async with stores(wrong, Clock()) as (store,):
        with pytest.raises(StateUnavailable, match="password") as refused:
            await store.check()
    assert "wr0ng" not in str(refused.value)
    async with stores(own_server.settings(password=SecretStr("right")), Clock()) as (store,):
        assert await store.check() == frozenset()


async def test_tls_trusts_the_authority_of_the_url_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.sign()
    with redis_server(tmp_path) as server:
        tls = {"tls-cert-file": files.cert, "tls-key-file": files.key, "tls-ca-cert-file": authority.path}
        options = tls | {"tls-auth-clients": "no", "tls-port": (port := free_port())}
        server.stop()
        server.start(*(word for option, value in options.items() for word in (f"--{option}", str(value))))
        url = f"rediss://127.0.0.1:{port}"
        async with stores(server.settings(url=SecretStr(url)), Clock()) as (store,):
            with pytest.raises(StateUnavailable, match="certificate"):
                await store.check()
        trusted = server.settings(url=SecretStr(f"{url}?ssl_ca_certs={authority.path}"))
        async with stores(trusted, Clock()) as (store,):
            assert await store.check() == frozenset()


# --- two gateways ----------------------------------------------------------------------------------------------------


class Sink:
    """Receives what one session publishes."""

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []
        self.error: LivecueError | None = None
        self.closed = anyio.Event()
        self.changed = anyio.Event()

    def publish(self, event: ServerEvent) -> None:
        self.events.append(event)
        self.changed.set()

    def close(self, error: LivecueError | None) -> None:
        self.error = error
        self.closed.set()

    async def has(self, event: ServerEvent) -> None:
        with anyio.fail_after(10):
            while event not in self.events:
                self.changed = anyio.Event()
                await self.changed.wait()


@asynccontextmanager
async def running(store: RedisStore) -> AsyncIterator[Journal]:
    journal = Journal(store, JournalSettings(), 60.0, lambda: NOW_S)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        yield journal
        tasks.cancel_scope.cancel()


async def test_a_gateway_that_was_paused_publishes_nothing_of_a_session_that_was_taken_over(
    redis: RedisServer,
) -> None:
    clock, settings = Clock(), redis.settings()
    async with stores(settings, clock, Clock()) as (first, second), running(first) as journal:
        sink = Sink()
        log = journal.open(opening("a"), sink, count(10_000).__next__)
        log.append(ready())
        await sink.has(ready())
        while not is_owner(first):  # the first check
            await anyio.lowlevel.checkpoint()
        await second.acquire("a")
        clock.now_s = settings.lease_s
        for event in (partial_cue(2), final(3)):
            log.append(event)
        with anyio.fail_after(10):
            await sink.closed.wait()
        assert sink.events == [ready()]
        assert isinstance(sink.error, SessionMoved)
        log.append(final(4, 2))
        assert sink.events == [ready()]
        assert [seq for seq, _ in await second.events("a")] == [1]
        assert journal.counts.lost == 0, "the other gateway has them"


async def test_a_gateway_that_was_paused_goes_on_if_nobody_took_its_sessions(redis: RedisServer) -> None:
    clock, settings = Clock(), redis.settings()
    async with stores(settings, clock) as (store,), running(store) as journal:
        sink = Sink()
        log = journal.open(opening("a"), sink, count(10_000).__next__)
        log.append(ready())
        await sink.has(ready())
        clock.now_s = settings.lease_s
        log.append(partial_cue(2))
        await sink.has(partial_cue(2))
        assert [seq for seq, _ in await store.events("a")] == [1, 2]


async def test_captions_go_on_during_an_outage_and_are_written_after_it(own_server: RedisServer) -> None:
    async with stores(own_server.settings(), Clock()) as (store,), running(store) as journal:
        sink = Sink()
        log = journal.open(opening("a"), sink, count(3).__next__)
        log.append(ready())
        await sink.has(ready())
        assert is_ready(journal)
        own_server.command("CONFIG", "SET", "maxmemory", "1")  # every write is refused, and no data is lost
        log.append(final(2))
        await sink.has(final(2))
        while is_ready(journal):
            await anyio.lowlevel.checkpoint()
        assert [event.code for event in sink.events if isinstance(event, Warning)] == ["journal_unavailable"]
        log.append(final(4, 2))
        assert final(4, 2) in sink.events, "nothing is held meanwhile"
        own_server.command("CONFIG", "SET", "maxmemory", "0")
        with anyio.fail_after(10):
            while not is_ready(journal):
                await anyio.lowlevel.checkpoint()
        assert [seq for seq, _ in await store.events("a")] == [1, 2, 3, 4]
        assert journal.counts.lost == 0
