"""The address for the audience on the captioner page: before the start, after it, and across reloads."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.captioning import open_settings
from tests.browser.prepared import captioner
from tests.browser.resumable import resumable_gateway
from tests.browser.scripted_api import scripted_api
from tests.browsers import PHONE

EVENTS = "/v1/events/"

OVERLAY_ADDRESS = "async ([viewer, look]) => (await import('/assets/overlay-link.js')).overlayAddress(viewer, look)"
NAME_FROM = "async (text) => (await import('/assets/caption-event.js')).eventNameFrom(text)"


async def test_the_address_and_its_qr_code_are_there_before_the_start_and_outlive_a_reload_and_the_end(
    page: Page,
) -> None:
    async with captioner(page) as prepared:
        address = await page.input_value("#link")
        assert address.startswith("https://captions.example.com/e/live-")
        await page.wait_for_function("() => document.querySelector('#qr').naturalWidth > 0")
        await page.reload()
        await expect(page.locator("#link")).to_have_value(address)
        await page.click("#start")
        await expect(page.locator("#badge")).to_have_text("Live")
        assert prepared.gateway.hellos[0]["event"] == address.rpartition("/")[2]
        await expect(page.locator("#open-viewer")).to_have_attribute("href", address)
        await page.click("#stop")
        await expect(page.locator("#badge")).to_have_text("Ended")
        await expect(page.locator("#link")).to_have_value(address)


async def test_a_name_of_ones_own_becomes_the_address_and_is_remembered(page: Page) -> None:
    async with captioner(page) as prepared:
        await page.fill("#event", "Gemeinderat Zürich!")
        await page.keyboard.press("Enter")
        await expect(page.locator("#link")).to_have_value("https://captions.example.com/e/gemeinderat-zurich")
        await page.reload()
        await expect(page.locator("#event")).to_have_value("gemeinderat-zurich")
        assert prepared.api.called("PUT", EVENTS)[-1].path == EVENTS + "gemeinderat-zurich"


async def test_the_name_of_another_owner_is_refused_and_the_address_stays(page: Page) -> None:
    async with captioner(page) as prepared:
        before = await page.input_value("#link")
        prepared.api.taken = frozenset({"council"})
        await page.fill("#event", "council")
        await page.keyboard.press("Enter")
        await expect(page.locator("#event-hint")).to_contain_text("belongs to someone else")
        await expect(page.locator("#link")).to_have_value(before)
        await page.fill("#event", "?!")
        await page.keyboard.press("Enter")
        await expect(page.locator("#event-hint")).to_contain_text("Use 3 to 64 letters")


async def test_the_address_is_fixed_while_a_session_is_open(page: Page) -> None:
    async with captioner(page):
        await page.click("#start")
        await expect(page.locator("#badge")).to_have_text("Live")
        await open_settings(page)
        await expect(page.locator("#event")).not_to_be_editable()


async def test_an_address_of_this_machine_is_marked_and_has_no_qr_code(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        api = await scripted_api(page)
        api.reach = "this_machine"
        await page.goto(gateway.url)
        await expect(page.locator("#unreachable")).to_contain_text("This link works on this machine only.")
        await expect(page.locator("#qr")).to_be_hidden()
        assert api.called("GET", "/e/")[-1].path.endswith("link.json")


async def test_where_there_are_no_events_the_link_appears_after_the_start(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        api = await scripted_api(page)
        api.has_events = False
        await page.goto(gateway.url)
        await expect(page.locator("#no-link")).to_be_visible()
        await expect(page.locator("#event-field")).to_be_hidden()
        await page.click("#start")
        await expect(page.locator("#link")).to_have_value("https://captions.example.com/watch/s1")
        assert "event" not in gateway.hellos[0]


async def test_a_key_is_requested_before_the_start(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        api = await scripted_api(page)
        api.key = gateway.key = "secret"
        await page.goto(gateway.url)
        await expect(page.locator("#lock")).to_be_visible()
        await expect(page.locator("#problem")).to_be_hidden()
        await page.fill("#key", "secret")
        await page.keyboard.press("Enter")
        await expect(page.locator("#linked")).to_be_visible()
        await expect(page.locator("#lock")).to_be_hidden()


async def test_the_builder_changes_the_overlay_link(page: Page) -> None:
    async with captioner(page) as prepared:
        await page.click("#overlay summary")
        link = await page.input_value("#overlay-link")
        assert link.endswith("?overlay=1&lines=2&size=56&color=ffffff&background=000000cc")
        await page.fill("#overlay-lines", "3")
        await page.select_option("#overlay-align", "left")
        await page.fill("#overlay-color", "#ffff00")
        await page.fill("#overlay-opacity", "50")
        link = await page.input_value("#overlay-link")
        assert link.endswith("?overlay=1&lines=3&size=56&align=left&color=ffff00&background=00000080")
        await page.fill("#overlay-lines", "99")
        await expect(page.locator("#overlay-link")).to_have_value(link)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=prepared.gateway.url)
        await page.click("#copy-overlay")
        assert await page.evaluate("navigator.clipboard.readText()") == link


async def test_an_overlay_link_keeps_the_view_token(page: Page) -> None:
    look = {"lines": "2", "size": "48", "align": "center", "color": "#ffffff", "background": "#000000", "opacity": "80"}
    async with resumable_gateway() as gateway:
        await page.goto(gateway.url)
        address = await page.evaluate(OVERLAY_ADDRESS, ["https://h.example.com/e/a?token=vt_1", look])
    query = "token=vt_1&overlay=1&lines=2&size=48&align=center&color=ffffff&background=000000cc"
    assert address == f"https://h.example.com/e/a?{query}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Town Council", "town-council"),
        ("  Café & Crème ", "cafe-creme"),
        ("--a--", "a"),
        ("東京", ""),
        ("x" * 80, "x" * 64),
    ],
)
async def test_an_event_name_is_made_of_what_is_typed(page: Page, text: str, name: str) -> None:
    async with resumable_gateway() as gateway:
        await page.goto(gateway.url)
        assert await page.evaluate(NAME_FROM, text) == name


async def test_on_a_phone_the_audience_follows_the_audio(page: Page) -> None:
    async with captioner(page):
        await page.set_viewport_size(PHONE)
        titles = await page.locator("#settings h3:visible").all_inner_texts()
        assert titles == ["Audio", "A recording", "Audience", "Names and terms", "This page"]
        boxes = [await card.bounding_box() for card in await page.locator(".card:visible").all()]
        tops = [box["y"] for box in boxes if box is not None]
        assert tops == sorted(tops)
