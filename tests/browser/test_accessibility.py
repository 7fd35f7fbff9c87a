"""All pages in all states, on a phone and a desktop, light and dark: no serious violations in axe-core."""

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.browser.captioning import start
from tests.browser.resumable import ResumableGateway, resumable_gateway
from tests.browsers import PHONE, network, serious_faults, speaking
from tests.uploading import serving_files

DESKTOP: ViewportSize = {"width": 1280, "height": 720}

STATE = "#state"


async def is_accessible(page: Page) -> None:
    """Check that a page has no violation, and is not wider than a phone."""
    for size in (DESKTOP, PHONE):
        await page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await serious_faults(page) == [], (size, scheme)
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


async def emit_captions(gateway: ResumableGateway) -> None:
    """Emit a final, and a partial of the next sentence."""
    latency = {"endpoint_ms": 500, "queue_ms": 0, "decode_ms": 20, "emit_ms": 1}
    sentence = {"utterance_id": 1, "start_s": 0.0, "end_s": 1.0, "text": "Hello.", "latency_ms": latency}
    await gateway.emit(type="final", language="en", error=None, words=[], **sentence)
    cue = {"id": "2.1", "utterance_id": 2, "revision": 1, "start_s": 2.0, "end_s": 3.0, "state": "partial"}
    await gateway.emit(type="cue", lines=["Can you read"], stable_chars=7, **cue)


async def test_the_captioner_before_it_has_started(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        await page.goto(gateway.url)
        await expect(page.locator(STATE)).to_have_text("Not started.")
        await is_accessible(page)


async def test_the_captioner_while_it_is_live_and_paused(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        await start(page, gateway.url)
        await emit_captions(gateway)
        await expect(page.locator("#now .tail")).to_have_text(" read")
        await expect(page.locator("#share")).to_be_visible()
        await is_accessible(page)
        await page.click("#pause")
        await expect(page.locator(STATE)).to_contain_text("Paused")
        await is_accessible(page)


async def test_the_captioner_when_the_connection_is_lost(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        await start(page, gateway.url)
        await emit_captions(gateway)
        gateway.accepts = False
        gateway.cut()
        await expect(page.locator(STATE)).to_contain_text("Not connected")
        await is_accessible(page)


async def test_the_captioner_when_it_has_stopped(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        await start(page, gateway.url)
        await emit_captions(gateway)
        await page.click("#stop")
        await expect(page.locator(STATE)).to_have_text("Stopped: all audio was transcribed.")
        await is_accessible(page)


async def test_the_captioner_that_requires_a_key(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        gateway.key = "secret"
        await page.goto(gateway.url)
        await page.click("#start")
        await expect(page.locator("#lock")).to_be_visible()
        await is_accessible(page)


@pytest.mark.parametrize("query", ["", "?overlay=1&clear=60"], ids=["viewer", "overlay"])
async def test_viewers_while_the_session_is_live_lost_and_over(page: Page, query: str) -> None:
    state = page.locator(":root" if query else STATE)
    async with serving_files() as served, speaking(served) as speaker, network(served.url) as way:
        await page.goto(f"{way.url}/watch/{speaker.session_id}{query}")
        await expect(state).to_have_attribute("data-state", "live")
        await is_accessible(page)
        await speaker.speak()
        await speaker.begin()
        await expect(page.locator("main p .tail").last).not_to_be_empty()
        await is_accessible(page)
        way.is_down = True
        way.cut()
        await expect(state).to_have_attribute("data-state", "lost")
        await is_accessible(page)
        way.is_down = False
        await speaker.end()
        await speaker.stop()
        await expect(state).to_have_attribute("data-state", "over")
        await is_accessible(page)


async def test_the_viewer_of_an_unknown_session(page: Page) -> None:
    async with serving_files() as served:
        await page.goto(f"{served.url}/watch/nobody")
        await expect(page.locator(STATE)).to_have_attribute("data-state", "not_found")
        await is_accessible(page)
