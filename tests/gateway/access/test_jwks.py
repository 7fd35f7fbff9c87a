"""The cache of a JWK set: rotation, back-off, and a provider that is down, at the start and later."""

import logging

import anyio
import pytest

from gateway.access.jwks import JwksCache, JwksTiming, JwksUnavailable

TIMING = JwksTiming(refresh_s=300.0, max_stale_s=3_600.0)


class Provider:
    """A provider with a clock; its set is a tuple of key ids."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.keys: tuple[str, ...] = ("a",)
        self.is_down = False
        self.fetches = 0
        self.gate: anyio.Event | None = None
        self.cache = JwksCache(self.fetch, TIMING, lambda: self.now_s)

    async def fetch(self) -> tuple[str, ...]:
        self.fetches += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.is_down:
            raise JwksUnavailable("connection refused")
        return tuple(self.keys)


@pytest.fixture
def provider() -> Provider:
    return Provider()


async def test_the_set_is_fetched_once_for_all_who_wait_for_it(provider: Provider) -> None:
    provider.gate = anyio.Event()
    got: list[tuple[str, ...]] = []

    async def ask() -> None:
        got.append(await provider.cache.keys())

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        provider.gate.set()
    assert got == [("a",)] * 10
    assert provider.fetches == 1


async def test_a_set_that_is_due_is_still_used_at_once(provider: Provider) -> None:
    await provider.cache.keys()
    assert provider.cache.due_s == 300.0
    provider.now_s += 301.0
    assert provider.cache.due_s == 0.0
    assert await provider.cache.keys() == ("a",)
    assert provider.fetches == 1, "`run` fetches it; no request waits"


async def test_a_new_key_is_found_at_once_and_a_withdrawn_one_is_gone_at_the_next_fetch(provider: Provider) -> None:
    old = await provider.cache.keys()
    provider.keys = ("b",)
    provider.now_s += 11.0
    assert await provider.cache.newer_keys(old) == ("b",)
    assert await provider.cache.keys() == ("b",)


async def test_invented_key_ids_do_not_flood_the_provider(provider: Provider) -> None:
    known = await provider.cache.keys()
    for _ in range(100):
        known = await provider.cache.newer_keys(known)
        provider.now_s += 0.5
    assert provider.fetches <= 1 + 50 / 10


async def test_another_set_that_arrived_meanwhile_is_used_without_another_fetch(provider: Provider) -> None:
    old = await provider.cache.keys()
    provider.now_s += 11.0
    provider.keys = ("b",)
    await provider.cache.refresh()
    assert await provider.cache.newer_keys(old) == ("b",)
    assert provider.fetches == 2


async def test_a_provider_that_is_down_at_the_start_is_asked_again_ever_more_seldom(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.is_down = True
    waits_s = []
    for _ in range(8):
        with pytest.raises(JwksUnavailable, match="the keys of the token's issuer cannot be fetched at the moment"):
            await provider.cache.keys()
        waits_s.append(provider.cache.due_s)
        with pytest.raises(JwksUnavailable):
            await provider.cache.keys()
        provider.now_s += provider.cache.due_s
    assert waits_s == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert provider.fetches == provider.cache.failures == 8, "not while it waits"
    provider.is_down = False
    assert await provider.cache.keys() == ("a",)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2, "once down, once up again"
    provider.is_down = True
    provider.now_s += 300.0
    await provider.cache.refresh()
    assert provider.cache.due_s == 1.0, "the back-off begins anew"


async def test_a_provider_that_goes_down_later_leaves_its_last_keys_for_a_while(provider: Provider) -> None:
    await provider.cache.keys()
    provider.is_down = True
    provider.now_s += 301.0
    await provider.cache.refresh()
    assert await provider.cache.keys() == ("a",)
    assert await provider.cache.newer_keys(await provider.cache.keys()) == ("a",)
    provider.now_s += 3_300.0
    with pytest.raises(JwksUnavailable):
        await provider.cache.keys()
    provider.is_down = False
    provider.now_s += 60.0
    assert await provider.cache.keys() == ("a",)


async def test_the_set_is_kept_fresh_without_any_request(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    slept_s: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept_s.append(delay_s)
        provider.now_s += delay_s
        if len(slept_s) == 3:
            await anyio.sleep_forever()

    monkeypatch.setattr("gateway.access.jwks.anyio.sleep", sleep)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(provider.cache.run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert slept_s == [300.0] * 3
    assert provider.fetches == 3
