"""The overlay in a real browser: two lines on a transparent background."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import av
import pytest
from playwright.async_api import Page, expect

from tests.browsers import Speaker, network, speaking
from tests.servers import Served
from tests.uploading import serving_files

LINES = "#lines p"

CLEAR_MS = 2_000


@asynccontextmanager
async def meeting() -> AsyncIterator[tuple[Served, Speaker]]:
    """Serve, and keep a session open, while the block lasts."""
    async with serving_files() as served, speaking(served) as speaker:
        yield served, speaker


async def open_overlay(page: Page, base: str, session_id: str, query: str = "") -> None:
    """Open the overlay and wait until it is live; its clock is then paused."""
    await page.clock.install()
    await page.goto(f"{base}/watch/{session_id}?overlay=1{query}")
    await expect(page.locator(":root")).to_have_attribute("data-state", "live")
    await page.clock.pause_at(await page.evaluate("Date.now() + 100"))


async def test_the_newest_two_lines_roll_up(page: Page) -> None:
    async with meeting() as (served, speaker):
        await open_overlay(page, served.url, speaker.session_id)
        await expect(page.locator(LINES)).to_have_count(0)
        texts = [await speaker.speak() for _ in range(3)]
        await expect(page.locator(LINES)).to_have_text(texts[-2:])
        await speaker.begin()
        await expect(page.locator(f"{LINES} .tail")).not_to_be_empty()
        await expect(page.locator(LINES).first).to_have_text(texts[-1])


async def test_lines_disappear_two_seconds_after_the_last_speech(page: Page) -> None:
    async with meeting() as (served, speaker):
        await open_overlay(page, served.url, speaker.session_id)
        await speaker.begin()
        await expect(page.locator(LINES)).to_have_count(1)
        await page.clock.run_for(10 * CLEAR_MS)
        await expect(page.locator(LINES)).to_have_count(1)  # the final is outstanding
        text = await speaker.end()
        await expect(page.locator(LINES)).to_have_text([text])
        await expect(page.locator(f"{LINES} .tail")).to_have_count(0)
        await page.clock.run_for(CLEAR_MS - 100)
        await expect(page.locator(LINES)).to_have_count(1)
        await page.clock.run_for(100)
        await expect(page.locator(LINES)).to_have_count(0)
        text = await speaker.speak()
        await expect(page.locator(LINES)).to_have_text([text])  # cleared lines do not return


async def test_a_correction_changes_lines_on_the_screen_and_brings_none_back(page: Page) -> None:
    async with meeting() as (served, speaker):
        await open_overlay(page, served.url, speaker.session_id)
        text = await speaker.speak()
        await expect(page.locator(LINES)).to_have_text([text])
        await speaker.correct(0, "two, three")
        await expect(page.locator(LINES)).to_have_text(["two, three"])
        await page.clock.run_for(CLEAR_MS)
        await expect(page.locator(LINES)).to_have_count(0)
        await speaker.correct(0, "two")
        text = await speaker.speak()
        await expect(page.locator(LINES)).to_have_text([text])


async def test_new_speech_keeps_the_lines(page: Page) -> None:
    async with meeting() as (served, speaker):
        await open_overlay(page, served.url, speaker.session_id)
        text = await speaker.speak()
        await expect(page.locator(LINES)).to_have_text([text])
        await page.clock.run_for(CLEAR_MS - 100)
        await speaker.begin()
        await expect(page.locator(LINES)).to_have_count(2)
        await page.clock.run_for(CLEAR_MS)
        await expect(page.locator(LINES).first).to_have_text(text)


async def test_lines_disappear_when_the_connection_is_lost_and_no_text_is_lost(page: Page) -> None:
    async with meeting() as (served, speaker), network(served.url) as way:
        await open_overlay(page, way.url, speaker.session_id)
        await speaker.begin()
        await expect(page.locator(LINES)).to_have_count(1)
        way.is_down = True
        way.cut()
        await expect(page.locator(":root")).to_have_attribute("data-state", "lost")
        await page.clock.run_for(CLEAR_MS)
        await expect(page.locator(LINES)).to_have_count(0)
        text = await speaker.end()
        way.is_down = False
        await page.clock.resume()
        await expect(page.locator(LINES)).to_have_text([text])


async def test_only_the_lines_cover_the_video(page: Page) -> None:
    async with meeting() as (served, speaker):
        await page.set_viewport_size({"width": 640, "height": 360})
        await open_overlay(page, served.url, speaker.session_id)
        await speaker.speak()
        await expect(page.locator(LINES)).to_have_count(1)
        picture = await page.screenshot(omit_background=True)
    with av.open(io.BytesIO(picture), "r") as image:
        alpha = next(image.decode(video=0)).to_ndarray(format="rgba")[:, :, 3]
    assert alpha[:200].max() == 0
    assert alpha[200:].max() == 255


@pytest.mark.parametrize(("query", "count"), [("&lines=1", 1), ("&lines=3", 3), ("&lines=99", 2), ("&lines=x", 2)])
async def test_the_url_sets_the_number_of_lines(page: Page, query: str, count: int) -> None:
    async with meeting() as (served, speaker):
        await open_overlay(page, served.url, speaker.session_id, query)
        texts = [await speaker.speak() for _ in range(4)]
        await expect(page.locator(LINES)).to_have_text(texts[-count:])
        box = await page.locator("#lines").bounding_box()
        first = await page.locator(LINES).first.bounding_box()
        assert box is not None
        assert first is not None
        assert first["y"] >= box["y"] - 1


async def test_the_url_sets_size_and_position(page: Page) -> None:
    async with meeting() as (served, speaker):
        await page.set_viewport_size({"width": 1000, "height": 600})
        await open_overlay(page, served.url, speaker.session_id, "&size=6&position=top")
        await speaker.speak()
        await expect(page.locator(LINES)).to_have_css("font-size", "60px")
        box = await page.locator(LINES).bounding_box()
        assert box is not None
        assert box["y"] < 300


async def test_styles_added_by_obs_apply(page: Page) -> None:
    async with meeting() as (served, speaker):
        await open_overlay(page, served.url, speaker.session_id)
        await page.add_style_tag(content="#lines span { color: rgb(255, 0, 0) }")  # as obs-browser does
        await speaker.speak()
        await expect(page.locator(f"{LINES} span")).to_have_css("color", "rgb(255, 0, 0)")
