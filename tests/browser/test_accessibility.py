"""All pages in all states, on a phone and a desktop, light and dark: no serious violations in axe-core."""

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.browser.captioning import open_settings
from tests.browser.prepared import Prepared, captioner, live_captioner
from tests.browser.resumable import resumable_gateway
from tests.browser.scripted_api import scripted_api
from tests.browsers import PHONE, network, serious_faults, speaking
from tests.uploading import serving_files

DESKTOP: ViewportSize = {"width": 1280, "height": 720}

STATE = "#state"

DENY = """() => {
  MediaDevices.prototype.getUserMedia = async () => { throw new DOMException("", "NotAllowedError"); };
}"""


async def is_accessible(page: Page) -> None:
    """Check that a page has no violation, and is not wider than a phone."""
    for size in (DESKTOP, PHONE):
        await page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await serious_faults(page) == [], (size, scheme)
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


async def emit_tail(prepared: Prepared) -> None:
    """Emit a partial, of which the end may change."""
    cue = {"id": "2.1", "utterance_id": 2, "revision": 1, "start_s": 9.0, "end_s": 10.0, "state": "partial"}
    await prepared.gateway.emit(type="cue", lines=["Can you read"], stable_chars=7, **cue)


async def test_the_captioner_before_it_has_started_and_when_the_microphone_is_denied(page: Page) -> None:
    async with captioner(page):
        await page.click("#overlay summary")
        await is_accessible(page)
        await page.evaluate(DENY)
        await page.click("#start")
        await expect(page.locator("#problem")).to_be_visible()
        await is_accessible(page)


async def test_the_captioner_during_a_test(page: Page) -> None:
    async with captioner(page) as prepared:
        await page.click("#test")
        await expect(page.locator("#badge")).to_have_text("Test")
        await prepared.final(0, "Hello.")
        await expect(page.locator("#history p")).to_have_count(1)
        await is_accessible(page)


async def test_the_captioner_while_it_is_live_corrected_and_paused(page: Page) -> None:
    async with live_captioner(page, "Hello.") as prepared:
        await emit_tail(prepared)
        await expect(page.locator("#now .tail")).to_have_text(" read")
        await is_accessible(page)
        await page.click("text=Hello.")
        await is_accessible(page)
        await page.keyboard.press("Escape")
        await open_settings(page)
        await is_accessible(page)
        await page.click("#close-settings")
        await page.click("#pause")
        await expect(page.locator("#badge")).to_have_text("Paused")
        await is_accessible(page)


async def test_the_captioner_when_the_connection_is_lost_and_when_it_has_stopped(page: Page) -> None:
    async with live_captioner(page, "Hello.") as prepared:
        prepared.gateway.accepts = False
        prepared.gateway.cut()
        await expect(page.locator("#badge")).to_have_text("Reconnecting")
        await is_accessible(page)
        prepared.gateway.accepts = True
        await page.click("#stop")
        await expect(page.locator("#badge")).to_have_text("Ended")
        await is_accessible(page)


async def test_the_captioner_that_requires_a_key(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        (await scripted_api(page)).key = "secret"
        await page.goto(gateway.url)
        await expect(page.locator("#lock")).to_be_visible()
        await is_accessible(page)


async def test_the_history_of_the_captioner(page: Page) -> None:
    async with captioner(page) as prepared:
        common = {"ended": 1763005400.0, "outcome": "finished", "language": "en", "about": {}, "event": "council"}
        prepared.api.sessions = [
            {"id": "a", "title": "Council", "opened": 1763000000.0, "excerpt": "a bridge", **common}
        ]
        await page.click("#open-sessions")
        await page.fill("#query", "bridge")
        await page.keyboard.press("Enter")
        await expect(page.locator("mark")).to_be_visible()
        await page.get_by_role("button", name="Delete").click()
        await is_accessible(page)


async def test_the_captioner_from_right_to_left(page: Page) -> None:
    async with live_captioner(page, "Hello.") as prepared:
        await page.goto(f"{prepared.gateway.url}/?lang=ar")
        await expect(page.locator("#badge")).to_have_text("مباشر")
        await open_settings(page)
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
