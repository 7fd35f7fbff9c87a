"""connection.js in a real browser: no audio is lost or received twice, whatever happens to the connection."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.browser.resumable import RATE_HZ, ResumableGateway, resumable_gateway

_SETUP = """async (rateHz) => {
  const { Session, subprotocols } = await import("/assets/connection.js");
  globalThis.subprotocols = subprotocols;
  globalThis.links = [];
  globalThis.messages = [];
  globalThis.captured = 0;
  globalThis.open = (options) => {
    const on = {
      message: (message) => messages.push(message),
      link: ({ link, code, message }) => links.push({ link, code, message }),
    };
    const start = { audio: { encoding: "pcm_s16le", sample_rate_hz: rateHz, channels: 1 } };
    const address = `${location.origin.replace("http", "ws")}/v1/stream`;
    globalThis.session = new Session({ address, start, on, ...options });
    session.open();
    globalThis.ticking ??= setInterval(() => session.tick(), 20);
  };
  globalThis.speak = (frames, piece = 400) => {
    for (const end = captured + frames; captured < end; captured += piece) {
      session.send(Int16Array.from({ length: piece }, (_, n) => (captured + n) % 32768));
    }
  };
}"""
"""Audio that counts up, as `ResumableGateway` expects it."""


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(page: Page) -> AsyncIterator[ResumableGateway]:
    """A gateway, with a page that has loaded the module but has no session yet."""
    async with resumable_gateway() as serving:
        await load(page, serving)
        yield serving
        assert not serving.faults


async def load(page: Page, gateway: ResumableGateway) -> None:
    await page.goto(gateway.url)
    await page.evaluate(_SETUP, RATE_HZ)


async def begin(page: Page, gateway: ResumableGateway) -> None:
    """Open a session and send its first second of audio."""
    await page.evaluate("open()")
    await page.evaluate(f"speak({RATE_HZ})")
    await received(gateway, RATE_HZ)
    await link(page, "open")


async def received(gateway: ResumableGateway, frames: int) -> None:
    await gateway.until(lambda: gateway.received == frames)


async def link(page: Page, name: str) -> None:
    await page.wait_for_function("(name) => links.at(-1)?.link === name", arg=name)


async def test_audio_captured_before_ready_is_sent_from_its_start(page: Page, gateway: ResumableGateway) -> None:
    await page.evaluate("open(); speak(1600)")
    await received(gateway, 1600)
    assert gateway.hellos == [
        {"type": "start", "resumable": True, "audio": {"encoding": "pcm_s16le", "sample_rate_hz": 8000, "channels": 1}}
    ]


async def test_a_cut_connection_loses_and_repeats_no_audio(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    for n in range(1, 6):
        gateway.cut()
        await page.evaluate("speak(4000)")
        await received(gateway, RATE_HZ + 4000 * n)
    assert [hello["type"] for hello in gateway.hellos] == ["start"] + ["resume"] * 5
    assert gateway.gaps == []


async def test_a_minute_without_a_network_is_sent_afterwards(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    gateway.accepts = False
    gateway.cut()
    await link(page, "lost")
    await page.evaluate(f"speak({60 * RATE_HZ})")
    gateway.accepts = True
    await page.evaluate("session.retryNow()")
    await received(gateway, 61 * RATE_HZ)
    assert gateway.gaps == []


async def test_an_outage_longer_than_the_buffer_becomes_a_gap(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    gateway.accepts = False
    gateway.cut()
    await link(page, "lost")
    await page.evaluate(f"speak({130 * RATE_HZ})")
    gateway.accepts = True
    await page.evaluate("session.retryNow()")
    await received(gateway, 131 * RATE_HZ)
    assert gateway.gaps == [(RATE_HZ, 11 * RATE_HZ)]


async def test_a_restarted_gateway_receives_its_lost_audio_again(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    await page.evaluate(f"speak({25 * RATE_HZ})")
    await received(gateway, 26 * RATE_HZ)
    gateway.rewind(22 * RATE_HZ)
    gateway.cut()
    await received(gateway, 26 * RATE_HZ)
    assert gateway.gaps == []
    held = gateway.hellos[-1]["held_sample"]
    assert isinstance(held, int)
    assert 2 * RATE_HZ <= held <= 4 * RATE_HZ


async def test_missed_messages_arrive_once_and_in_order(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    await gateway.emit(type="final", text="one")
    await page.wait_for_function("() => messages.some(({ text }) => text === 'one')")
    gateway.accepts = False
    gateway.cut()
    await link(page, "lost")
    await gateway.emit(type="final", text="two")
    gateway.accepts = True
    await page.wait_for_function("() => messages.some(({ text }) => text === 'two')")
    texts = await page.evaluate("messages.map(({ text }) => text).filter(Boolean)")
    assert texts == ["one", "two"]


async def test_an_unresponsive_connection_is_dropped(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    gateway.is_unresponsive = True
    await page.evaluate(f"speak({3 * RATE_HZ})")
    await page.evaluate("session.tick(performance.now() + 9_000)")
    assert await page.evaluate("links.at(-1).link") == "open"
    await gateway.until(lambda: gateway.dropped == 3 * RATE_HZ)
    gateway.is_unresponsive = False
    await page.evaluate("session.tick(performance.now() + 11_000)")
    assert await page.evaluate("links.at(-1)") == {
        "link": "lost",
        "code": "no_answer",
        "message": "the gateway does not respond",
    }
    await received(gateway, 4 * RATE_HZ)


async def test_an_idle_session_is_kept_alive_and_not_dropped(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    await page.evaluate("session.tick(performance.now() + 55_000)")
    await gateway.until(lambda: len(gateway.controls) == 1)
    assert gateway.controls == [{"type": "keepalive"}]
    assert await page.evaluate("links.at(-1).link") == "open"


async def test_at_most_45_seconds_are_sent_ahead(page: Page, gateway: ResumableGateway) -> None:
    gateway.ack_every = 100 * RATE_HZ
    await begin(page, gateway)
    await page.evaluate(f"speak({60 * RATE_HZ}, 8000)")
    await gateway.until(lambda: gateway.received >= 45 * RATE_HZ)
    await page.evaluate("session.tick()")
    unsent_s = await page.evaluate("session.backlog.unsentS")
    assert 14 <= unsent_s <= 16


async def test_an_evicted_client_does_not_reconnect(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    await gateway.emit(type="error", code="resumed_elsewhere", message="resumed elsewhere", fatal=True)
    gateway.cut()
    await link(page, "over")
    assert await page.evaluate("links.at(-1).code") == "resumed_elsewhere"
    assert await page.evaluate("session.save()") is None
    assert len(gateway.hellos) == 1


async def test_an_unknown_session_is_over(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    gateway.is_gone = True
    gateway.cut()
    await link(page, "over")
    assert await page.evaluate("links.at(-1).message") == "no such session"


async def test_stop_is_sent_after_all_audio_and_again_if_its_answer_was_lost(
    page: Page, gateway: ResumableGateway
) -> None:
    await begin(page, gateway)
    gateway.accepts = False
    gateway.cut()
    await link(page, "lost")
    await page.evaluate("speak(4000); session.stop(); speak(4000)")
    gateway.is_unresponsive = True
    gateway.accepts = True
    await link(page, "lost")
    await gateway.until(lambda: len(gateway.hellos) >= 2)
    gateway.is_unresponsive = False
    gateway.cut()
    await link(page, "over")
    assert gateway.received == RATE_HZ + 4000
    assert {"type": "stop"} in gateway.controls
    assert await page.evaluate("links.at(-1).code") is None


async def test_a_lost_flush_is_sent_again(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    gateway.accepts = False
    gateway.cut()
    await link(page, "lost")
    await page.evaluate("speak(800); session.flush()")
    gateway.accepts = True
    await page.wait_for_function("() => messages.some(({ type, id }) => type === 'flushed' && id === 'flush-1')")
    assert gateway.received == RATE_HZ + 800


async def test_a_key_is_requested_if_the_gateway_requires_one(page: Page, gateway: ResumableGateway) -> None:
    gateway.key = "sk-µ/?+1"
    await page.evaluate("open(); speak(800)")
    await link(page, "locked")
    assert await page.evaluate("links.at(-1).message") == "this API key is not known here"
    await page.evaluate("session.unlock('wrong')")
    await page.wait_for_function("() => links.filter(({ link }) => link === 'locked').length === 2")
    await page.evaluate("(key) => session.unlock(key, { event: 'weekly' })", gateway.key)
    await received(gateway, 800)
    assert gateway.hellos[-1]["event"] == "weekly", "it could not be created without a key"


async def test_audio_captured_before_a_reload_is_sent_after_it(page: Page, gateway: ResumableGateway) -> None:
    await begin(page, gateway)
    gateway.accepts = False
    gateway.cut()
    await link(page, "lost")
    await gateway.emit(type="final", text="one")
    await page.evaluate("speak(16000)")
    await page.evaluate("sessionStorage.setItem('saved', JSON.stringify(session.save()))")
    await load(page, gateway)
    gateway.accepts = True
    await page.evaluate("open({ saved: JSON.parse(sessionStorage.getItem('saved')) })")
    await received(gateway, RATE_HZ + 16000)
    await page.evaluate(f"captured = {RATE_HZ + 16000}; speak(800)")
    await received(gateway, RATE_HZ + 16800)
    assert gateway.hellos[-1]["after_seq"] == 0
    assert await page.evaluate("messages.map(({ text }) => text).filter(Boolean)") == ["one"]
    assert gateway.gaps == []


async def test_a_page_without_its_audio_continues_at_the_gateways_position(
    page: Page, gateway: ResumableGateway
) -> None:
    await begin(page, gateway)
    await page.evaluate("sessionStorage.setItem('saved', JSON.stringify(session.save(0)))")
    await page.evaluate("speak(16000)")
    await received(gateway, RATE_HZ + 16000)
    await load(page, gateway)
    await page.evaluate("open({ saved: JSON.parse(sessionStorage.getItem('saved')) })")
    await gateway.until(lambda: len(gateway.hellos) == 2)
    await link(page, "open")
    await page.evaluate(f"captured = {RATE_HZ + 16000}; speak(800)")
    await received(gateway, RATE_HZ + 16800)
    assert gateway.gaps == []


@pytest.mark.parametrize(("key", "expected"), [(None, []), ("secret", ["livecue", "livecue-key.c2VjcmV0"])])
async def test_a_key_travels_as_a_subprotocol(
    page: Page, gateway: ResumableGateway, key: str | None, expected: list[str]
) -> None:
    assert await page.evaluate("(key) => subprotocols(key)", key) == expected
