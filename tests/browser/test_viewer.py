"""The viewer in a real browser: what is said in a session, to be read by anybody."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
from playwright.async_api import Page, expect

from decoder.engines.scripted import ScriptedEngine, spoken_count
from decoder.types import DecodeRequest, EngineError, Hypothesis
from tests.browsers import PHONE, Network, Speaker, network, serious_faults, speaking
from tests.servers import Served
from tests.sessions import failing_finals
from tests.uploading import serving_files

STATE = "#state"
HISTORY = "#history p"
NOW = "#now p"


@asynccontextmanager
async def meeting() -> AsyncIterator[tuple[Served, Speaker]]:
    """Serve, and keep a session open, while the block lasts."""
    async with serving_files() as served, speaking(served) as speaker:
        yield served, speaker


@asynccontextmanager
async def meeting_far_away() -> AsyncIterator[tuple[Network, Speaker]]:
    """The same, with a network between the gateway and who watches."""
    async with meeting() as (served, speaker), network(served.url) as way:
        yield way, speaker


async def watch(page: Page, base: str, session_id: str, query: str = "") -> None:
    """Open the viewer, and wait until it hears the session."""
    await page.goto(f"{base}/watch/{session_id}{query}")
    await shows(page, "live")


async def shows(page: Page, state: str) -> None:
    await expect(page.locator(STATE)).to_have_attribute("data-state", state)


async def speak_until_it_scrolls(page: Page, speaker: Speaker) -> list[str]:
    said: list[str] = []
    while await page.evaluate("document.scrollingElement.scrollHeight < 2 * innerHeight"):
        said.append(await speaker.say())
        await expect(page.locator(HISTORY)).to_have_count(len(said))
    return said


async def is_at_its_end(page: Page) -> bool:
    found = await page.evaluate(
        "(({scrollTop, scrollHeight, clientHeight}) => scrollHeight - scrollTop - clientHeight < 2)"
        "(document.scrollingElement)"
    )
    return bool(found)


async def test_the_viewer_shows_what_is_said(page: Page) -> None:
    async with meeting() as (served, speaker):
        await watch(page, served.url, speaker.session_id)
        await expect(page.locator("#empty")).to_be_visible()
        said = [await speaker.say(), await speaker.say()]
        await expect(page.locator(HISTORY)).to_have_text(said)
        await expect(page.locator(NOW)).to_have_count(0)
        await expect(page.locator("#empty")).to_be_hidden()
        await expect(page.locator(HISTORY).first).to_have_attribute("lang", "en")


async def test_words_that_may_still_change_are_dimmed(page: Page) -> None:
    async with meeting() as (served, speaker):
        await watch(page, served.url, speaker.session_id)
        cue = await speaker.begin()
        tail = page.locator(f"{NOW} .tail")
        await expect(tail).not_to_be_empty()
        assert cue["state"] == "partial"
        colours = "[...document.querySelectorAll('#now .words, #now .tail')].map((one) => getComputedStyle(one).color)"
        words, dimmed = await page.evaluate(colours)
        assert words != dimmed
        said = await speaker.end()
        await expect(page.locator(HISTORY)).to_have_text([said])
        await expect(page.locator(f"{HISTORY} .tail")).to_have_text([""])


async def test_missing_words_are_said_to_be_missing(page: Page) -> None:
    async with serving_files(ScriptedEngine(failing_finals)) as served, speaking(served) as speaker:
        await watch(page, served.url, speaker.session_id)
        said = await speaker.say()
        await expect(page.locator(HISTORY)).to_have_text([f"{said} [words are missing]"])


async def test_words_from_right_to_left_stand_on_the_right(page: Page) -> None:
    def in_hebrew(request: DecodeRequest) -> Hypothesis | EngineError:
        counted = spoken_count(request)
        assert isinstance(counted, Hypothesis)
        return replace(counted, words=tuple(replace(word, text=" שלום") for word in counted.words))

    async with serving_files(ScriptedEngine(in_hebrew)) as served, speaking(served) as speaker:
        await watch(page, served.url, speaker.session_id)
        said = await speaker.say()
        await expect(page.locator(HISTORY)).to_have_text([said])
        await expect(page.locator(HISTORY)).to_have_css("direction", "rtl")
        await expect(page.locator(HISTORY)).to_have_css("text-align", "start")


async def test_who_comes_late_sees_what_was_said(page: Page) -> None:
    async with meeting() as (served, speaker):
        said = [await speaker.say(), await speaker.say()]
        await speaker.begin()
        await watch(page, served.url, speaker.session_id)
        await expect(page.locator(HISTORY)).to_have_text(said)
        await expect(page.locator(NOW)).to_have_count(1)


async def test_a_cut_connection_loses_no_words_and_doubles_none(page: Page) -> None:
    async with meeting_far_away() as (way, speaker):
        await watch(page, way.url, speaker.session_id)
        said = [await speaker.say()]
        await expect(page.locator(HISTORY)).to_have_text(said)
        await speaker.begin()
        way.is_down = True
        way.cut()
        await shows(page, "lost")
        said += [await speaker.end(), await speaker.say()]
        way.is_down = False
        await shows(page, "live")
        await expect(page.locator(HISTORY)).to_have_text(said)
        await expect(page.locator(NOW)).to_have_count(0)
        said.append(await speaker.say())
        await expect(page.locator(HISTORY)).to_have_text(said)


@pytest.mark.parametrize(("status", "state"), [(404, "lost"), (502, "lost"), (503, "full")])
async def test_a_session_that_is_missed_for_a_moment_is_waited_for(page: Page, status: int, state: str) -> None:
    async with meeting_far_away() as (way, speaker):
        await watch(page, way.url, speaker.session_id)
        said = [await speaker.say()]
        await expect(page.locator(HISTORY)).to_have_text(said)
        await page.route("**/events?*", lambda route: route.fulfill(status=status))
        way.cut()
        await shows(page, state)
        said.append(await speaker.say())
        await page.unroute("**/events?*")
        await shows(page, "live")
        await expect(page.locator(HISTORY)).to_have_text(said)


async def test_a_session_that_ended_without_a_goodbye_is_over(page: Page) -> None:
    async with meeting_far_away() as (way, speaker):
        await watch(page, way.url, speaker.session_id)
        said = await speaker.say()
        await expect(page.locator(HISTORY)).to_have_text([said])
        await page.route("**/events?*", lambda route: route.fulfill(status=204))
        way.cut()
        await shows(page, "over")


async def test_a_connection_that_has_been_silent_for_long_is_made_anew(page: Page) -> None:
    """For nobody tells a phone that its old network is gone."""
    async with meeting() as (served, speaker):
        await page.clock.install()
        await watch(page, served.url, speaker.session_id)
        said = await speaker.say()
        await expect(page.locator(HISTORY)).to_have_text([said])
        async with page.expect_request("**/events?after=*"):
            await page.clock.fast_forward(45_000)
        await shows(page, "live")
        await expect(page.locator(HISTORY)).to_have_text([said])


async def test_the_end_of_a_session_is_said_and_its_words_stay(page: Page) -> None:
    async with meeting() as (served, speaker):
        await watch(page, served.url, speaker.session_id)
        said = await speaker.say()
        await speaker.stop()
        await shows(page, "over")
        await expect(page.locator(STATE)).to_have_text("This session is over.")
        await expect(page.locator(HISTORY)).to_have_text([said])


async def test_a_session_that_is_not_there_is_said_to_be_so(page: Page) -> None:
    async with serving_files() as served:
        await page.goto(f"{served.url}/watch/nobody")
        await shows(page, "not_found")
        await expect(page.locator(STATE)).to_contain_text("There is no such session")


async def test_a_link_without_a_right_is_said_to_be_so(page: Page) -> None:
    async with serving_files(settings={"server": {"api_keys": ["secret"]}}) as served:
        await page.goto(f"{served.url}/watch/nobody?token=vt_expired")
        await shows(page, "forbidden")
        await expect(page.locator(STATE)).to_contain_text("Ask for a new one")


async def test_a_viewer_for_whom_there_is_no_room_gets_in_when_there_is(page: Page) -> None:
    async with serving_files(settings={"server": {"max_viewers": 1}}) as served, speaking(served) as speaker:
        first = await page.context.new_page()
        await watch(first, served.url, speaker.session_id)
        await page.goto(f"{served.url}/watch/{speaker.session_id}")
        await shows(page, "full")
        await first.close()
        await shows(page, "live")


async def test_the_view_token_goes_with_all_that_is_asked_for(page: Page) -> None:
    async with meeting() as (served, speaker):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await watch(page, served.url, speaker.session_id, "?token=vt_a%2Bb")
        assert f"{served.url}/v1/sessions/{speaker.session_id}/events?token=vt_a%2Bb" in asked
        links = await page.locator("[data-suffix]").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        base = f"/v1/sessions/{speaker.session_id}/transcript"
        assert links == [f"{base}.{suffix}?token=vt_a%2Bb" for suffix in ("txt", "srt", "vtt", "json")]


async def test_the_page_follows_the_end_until_its_reader_scrolls_away(page: Page) -> None:
    async with meeting() as (served, speaker):
        await page.set_viewport_size(PHONE)
        await watch(page, served.url, speaker.session_id)
        said = await speak_until_it_scrolls(page, speaker)
        assert await is_at_its_end(page)
        back = page.locator("#back")
        await expect(back).to_be_hidden()
        await page.mouse.move(100, 300)
        await page.mouse.wheel(0, -300)
        await expect(back).to_be_visible()
        before = await page.evaluate("scrollY")
        said.append(await speaker.say())
        await expect(page.locator(HISTORY)).to_have_count(len(said))
        assert await page.evaluate("scrollY") == before
        await back.click()
        await expect(back).to_be_hidden()
        assert await is_at_its_end(page)
        said.append(await speaker.say())
        await expect(page.locator(HISTORY)).to_have_text(said)
        assert await is_at_its_end(page)


async def test_screen_readers_are_told_each_final_once_and_no_partials(page: Page) -> None:
    async with meeting() as (served, speaker):
        early = await speaker.say()
        await watch(page, served.url, speaker.session_id)
        await expect(page.locator(HISTORY)).to_have_text([early])
        log = page.locator("#history")
        await expect(log).to_have_attribute("aria-live", "polite")  # what was said before is there already
        await page.evaluate(
            """() => {
              window.told = [];
              const tell = (records) => records.forEach(({ addedNodes, type }) => {
                told.push(...[...addedNodes].map((node) => node.textContent));
                if (type === "characterData") told.push("changed");
              });
              new MutationObserver(tell).observe(document.getElementById("history"),
                { childList: true, characterData: true, subtree: true });
            }"""
        )
        said = [await speaker.say(), await speaker.say()]
        await expect(page.locator(HISTORY)).to_have_text([early, *said])
        assert await page.evaluate("told") == said
        assert await page.locator("#now").evaluate("(now) => now.closest('[aria-live]')") is None


async def test_size_and_colours_are_kept(page: Page) -> None:
    async with meeting() as (served, speaker):
        await speaker.say()
        await watch(page, served.url, speaker.session_id)
        size = "parseFloat(getComputedStyle(document.querySelector('#history p')).fontSize)"
        await expect(page.locator(HISTORY)).to_have_count(1)
        first = await page.evaluate(size)
        await page.get_by_role("button", name="Larger text").click()
        larger = await page.evaluate(size)
        assert larger > first
        await page.get_by_label("Colours").select_option("contrast")
        await page.reload()
        await expect(page.locator(HISTORY)).to_have_count(1)
        assert await page.evaluate(size) == larger
        assert await page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(0, 0, 0)"
        await expect(page.get_by_label("Colours")).to_have_value("contrast")
        smaller = page.get_by_role("button", name="Smaller text")
        while await smaller.is_enabled():
            await smaller.click()
        assert await page.evaluate(size) == 16


@pytest.mark.parametrize("theme", ["light", "dark", "contrast", "auto"])
async def test_axe_finds_no_serious_fault(page: Page, theme: str) -> None:
    async with meeting() as (served, speaker):
        await page.emulate_media(color_scheme="dark")
        await speaker.say()
        await watch(page, served.url, speaker.session_id)
        await page.get_by_label("Colours").select_option(theme)
        await speaker.begin()
        await expect(page.locator(f"{NOW} .tail")).not_to_be_empty()
        await page.locator("summary").click()
        assert await serious_faults(page) == []


async def test_it_works_on_a_phone(page: Page) -> None:
    async with meeting() as (served, speaker):
        await page.set_viewport_size(PHONE)
        await watch(page, served.url, speaker.session_id)
        await speaker.say()
        larger = page.get_by_role("button", name="Larger text")
        while await larger.is_enabled():
            await larger.click()
        await page.locator("summary").click()
        assert await page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        menu = await page.locator(".menu ul").bounding_box()
        assert menu is not None
        assert menu["x"] >= 0
        assert menu["x"] + menu["width"] <= PHONE["width"]
        for control in await page.locator("header button, header select, header summary").all():
            box = await control.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44


async def test_lines_above_the_last_never_change(page: Page) -> None:
    """The paragraph is watched while it grows: what stood above its last line stays, to the pixel."""
    async with meeting() as (served, speaker):
        await page.set_viewport_size(PHONE)
        await watch(page, served.url, speaker.session_id)
        await page.evaluate(
            """() => {
              window.seen = [];
              const lines = () => [...document.querySelectorAll("main p:not(#empty)")].map((p) => ({
                top: Math.round(p.getBoundingClientRect().top + scrollY),
                text: p.textContent,
                stable: p.querySelector(".words").textContent,
              }));
              new MutationObserver(() => seen.push(JSON.stringify(lines()))).observe(document.querySelector("main"),
                { childList: true, characterData: true, subtree: true });
            }"""
        )
        for _ in range(3):
            await speaker.say()
        await expect(page.locator(HISTORY)).to_have_count(3)
        versions = [json.loads(seen) for seen in await page.evaluate("seen")]
    for earlier, later in pairwise(versions):
        for was, now in zip(earlier, later, strict=False):
            assert now["top"] == was["top"]
            assert now["text"].startswith(was["stable"])
        for was, now in zip(earlier[:-1], later, strict=False):
            assert now == was
