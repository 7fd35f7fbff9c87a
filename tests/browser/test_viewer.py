"""The viewer in a real browser: the captions of a session, readable by anyone."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from decoder.engines.scripted import ScriptedEngine, spoken_count
from decoder.types import DecodeRequest, EngineError, Hypothesis
from tests.browsers import PHONE, Network, Speaker, network, serious_faults, speaking
from tests.servers import Served
from tests.sessions import failing_finals
from tests.uploading import serving_files
from tests.viewing import settings_with

STATE = "#state"
HISTORY = "#history p"
NOW = "#now p"


@asynccontextmanager
async def meeting() -> AsyncIterator[tuple[Served, Speaker]]:
    """Serve, and keep a session open, while the block lasts."""
    async with serving_files() as served, speaking(served) as speaker:
        yield served, speaker


@asynccontextmanager
async def remote_meeting() -> AsyncIterator[tuple[Network, Speaker]]:
    """The same, with a network between the gateway and its viewers."""
    async with meeting() as (served, speaker), network(served.url) as way:
        yield way, speaker


async def watch(page: Page, base: str, session_id: str, query: str = "") -> None:
    """Open the viewer and wait until it is live."""
    await page.goto(f"{base}/watch/{session_id}{query}")
    await has_state(page, "live")


async def has_state(page: Page, state: str) -> None:
    await expect(page.locator(STATE)).to_have_attribute("data-state", state)


async def speak_until_it_scrolls(page: Page, speaker: Speaker) -> list[str]:
    texts: list[str] = []
    while await page.evaluate("document.scrollingElement.scrollHeight < 2 * innerHeight"):
        texts.append(await speaker.speak())
        await expect(page.locator(HISTORY)).to_have_count(len(texts))
    return texts


async def is_at_its_end(page: Page) -> bool:
    found = await page.evaluate(
        "(({scrollTop, scrollHeight, clientHeight}) => scrollHeight - scrollTop - clientHeight < 2)"
        "(document.scrollingElement)"
    )
    return bool(found)


async def test_the_viewer_displays_captions(page: Page) -> None:
    async with meeting() as (served, speaker):
        await watch(page, served.url, speaker.session_id)
        await expect(page.locator("#empty")).to_be_visible()
        texts = [await speaker.speak(), await speaker.speak()]
        await expect(page.locator(HISTORY)).to_have_text(texts)
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
        text = await speaker.end()
        await expect(page.locator(HISTORY)).to_have_text([text])
        await expect(page.locator(f"{HISTORY} .tail")).to_have_text([""])


async def test_missing_words_are_marked(page: Page) -> None:
    async with serving_files(ScriptedEngine(failing_finals)) as served, speaking(served) as speaker:
        await watch(page, served.url, speaker.session_id)
        text = await speaker.speak()
        await expect(page.locator(HISTORY)).to_have_text([f"{text} [words are missing]"])


async def test_a_correction_replaces_the_text_where_it_is(page: Page) -> None:
    async with meeting() as (served, speaker):
        await watch(page, served.url, speaker.session_id)
        texts = [await speaker.speak(), await speaker.speak()]
        await speaker.correct(0, "two, three")
        await expect(page.locator(HISTORY)).to_have_text(["two, three", texts[1]])
        await expect(page.locator(HISTORY).first).to_have_class("corrected")
        await speaker.correct(0, "")
        await expect(page.locator(HISTORY)).to_have_text([texts[1]])
        await speaker.correct(0, "two")
        await expect(page.locator(HISTORY)).to_have_text(["two", texts[1]])


async def test_the_mark_of_missing_words_goes_when_they_are_written(page: Page) -> None:
    async with serving_files(ScriptedEngine(failing_finals)) as served, speaking(served) as speaker:
        await watch(page, served.url, speaker.session_id)
        await speaker.speak()
        await speaker.correct(0, "all of the words")
        await expect(page.locator(HISTORY)).to_have_text(["all of the words"])


async def test_a_session_that_was_corrected_after_its_end_is_displayed_so(page: Page, tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served, speaking(served) as speaker:
        await speaker.speak()
        await speaker.stop()
        await speaker.correct(0, "two, three")
        await page.goto(f"{served.url}/watch/{speaker.session_id}")
        await has_state(page, "over")
        await expect(page.locator(HISTORY)).to_have_text(["two, three"])


async def test_right_to_left_text_is_right_aligned(page: Page) -> None:
    def in_hebrew(request: DecodeRequest) -> Hypothesis | EngineError:
        counted = spoken_count(request)
        assert isinstance(counted, Hypothesis)
        return replace(counted, words=tuple(replace(word, text=" שלום") for word in counted.words))

    async with serving_files(ScriptedEngine(in_hebrew)) as served, speaking(served) as speaker:
        await watch(page, served.url, speaker.session_id)
        text = await speaker.speak()
        await expect(page.locator(HISTORY)).to_have_text([text])
        await expect(page.locator(HISTORY)).to_have_css("direction", "rtl")
        await expect(page.locator(HISTORY)).to_have_css("text-align", "start")


async def test_a_late_viewer_sees_the_earlier_captions(page: Page) -> None:
    async with meeting() as (served, speaker):
        texts = [await speaker.speak(), await speaker.speak()]
        await speaker.begin()
        await watch(page, served.url, speaker.session_id)
        await expect(page.locator(HISTORY)).to_have_text(texts)
        await expect(page.locator(NOW)).to_have_count(1)


async def test_a_cut_connection_loses_and_repeats_no_words(page: Page) -> None:
    async with remote_meeting() as (way, speaker):
        await watch(page, way.url, speaker.session_id)
        texts = [await speaker.speak()]
        await expect(page.locator(HISTORY)).to_have_text(texts)
        await speaker.begin()
        way.is_down = True
        way.cut()
        await has_state(page, "lost")
        texts += [await speaker.end(), await speaker.speak()]
        way.is_down = False
        await has_state(page, "live")
        await expect(page.locator(HISTORY)).to_have_text(texts)
        await expect(page.locator(NOW)).to_have_count(0)
        texts.append(await speaker.speak())
        await expect(page.locator(HISTORY)).to_have_text(texts)


@pytest.mark.parametrize(("status", "state"), [(404, "lost"), (502, "lost"), (503, "full")])
async def test_a_briefly_unavailable_session_is_retried(page: Page, status: int, state: str) -> None:
    async with remote_meeting() as (way, speaker):
        await watch(page, way.url, speaker.session_id)
        texts = [await speaker.speak()]
        await expect(page.locator(HISTORY)).to_have_text(texts)
        await page.route("**/events?*", lambda route: route.fulfill(status=status))
        way.cut()
        await has_state(page, state)
        texts.append(await speaker.speak())
        await page.unroute("**/events?*")
        await has_state(page, "live")
        await expect(page.locator(HISTORY)).to_have_text(texts)


async def test_a_session_that_ended_during_an_outage_is_over(page: Page) -> None:
    async with remote_meeting() as (way, speaker):
        await watch(page, way.url, speaker.session_id)
        text = await speaker.speak()
        await expect(page.locator(HISTORY)).to_have_text([text])
        await page.route("**/events?*", lambda route: route.fulfill(status=204))
        way.cut()
        await has_state(page, "over")


async def test_a_silent_connection_is_replaced(page: Page) -> None:
    """A phone may never detect that its old network is gone."""
    async with meeting() as (served, speaker):
        await page.clock.install()
        await watch(page, served.url, speaker.session_id)
        text = await speaker.speak()
        await expect(page.locator(HISTORY)).to_have_text([text])
        async with page.expect_request("**/events?after=*"):
            await page.clock.fast_forward(45_000)
        await has_state(page, "live")
        await expect(page.locator(HISTORY)).to_have_text([text])


async def test_the_end_of_a_session_is_said_and_its_words_stay(page: Page) -> None:
    async with meeting() as (served, speaker):
        await watch(page, served.url, speaker.session_id)
        text = await speaker.speak()
        await speaker.stop()
        await has_state(page, "over")
        await expect(page.locator(STATE)).to_have_text("This session is over.")
        await expect(page.locator(HISTORY)).to_have_text([text])


async def test_a_session_that_is_not_there_is_said_to_be_so(page: Page) -> None:
    async with serving_files() as served:
        await page.goto(f"{served.url}/watch/nobody")
        await has_state(page, "not_found")
        await expect(page.locator(STATE)).to_contain_text("No such session")


async def test_a_link_without_permission_is_reported(page: Page) -> None:
    async with serving_files(settings={"server": {"api_keys": ["secret"]}}) as served:
        await page.goto(f"{served.url}/watch/nobody?token=vt_expired")
        await has_state(page, "forbidden")
        await expect(page.locator(STATE)).to_contain_text("Ask for a new one")


async def test_a_refused_viewer_is_admitted_once_there_is_capacity(page: Page) -> None:
    async with serving_files(settings={"server": {"max_viewers": 1}}) as served, speaking(served) as speaker:
        first = await page.context.new_page()
        await watch(first, served.url, speaker.session_id)
        await page.goto(f"{served.url}/watch/{speaker.session_id}")
        await has_state(page, "full")
        await first.close()
        await has_state(page, "live")


async def test_the_view_token_is_sent_with_all_requests(page: Page) -> None:
    async with meeting() as (served, speaker):
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        await watch(page, served.url, speaker.session_id, "?token=vt_a%2Bb")
        assert f"{served.url}/v1/sessions/{speaker.session_id}/events?token=vt_a%2Bb" in requested
        links = await page.locator("[data-suffix]").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        base = f"/v1/sessions/{speaker.session_id}/transcript"
        assert links == [f"{base}.{suffix}?token=vt_a%2Bb" for suffix in ("txt", "srt", "vtt", "json")]


async def test_the_page_follows_the_end_until_its_reader_scrolls_away(page: Page) -> None:
    async with meeting() as (served, speaker):
        await page.set_viewport_size(PHONE)
        await watch(page, served.url, speaker.session_id)
        texts = await speak_until_it_scrolls(page, speaker)
        assert await is_at_its_end(page)
        back = page.locator("#back")
        await expect(back).to_be_hidden()
        await page.mouse.move(100, 300)
        await page.mouse.wheel(0, -300)
        await expect(back).to_be_visible()
        before = await page.evaluate("scrollY")
        texts.append(await speaker.speak())
        await expect(page.locator(HISTORY)).to_have_count(len(texts))
        assert await page.evaluate("scrollY") == before
        await back.click()
        await expect(back).to_be_hidden()
        assert await is_at_its_end(page)
        texts.append(await speaker.speak())
        await expect(page.locator(HISTORY)).to_have_text(texts)
        assert await is_at_its_end(page)


async def test_screen_readers_announce_each_final_once_and_no_partials(page: Page) -> None:
    async with meeting() as (served, speaker):
        early = await speaker.speak()
        await watch(page, served.url, speaker.session_id)
        await expect(page.locator(HISTORY)).to_have_text([early])
        log = page.locator("#history")
        await expect(log).to_have_attribute("aria-live", "polite")  # earlier finals are not announced
        await page.evaluate(
            """() => {
              window.announced = [];
              const record = (records) => records.forEach(({ addedNodes, type }) => {
                announced.push(...[...addedNodes].map((node) => node.textContent));
                if (type === "characterData") announced.push("changed");
              });
              new MutationObserver(record).observe(document.getElementById("history"),
                { childList: true, characterData: true, subtree: true });
            }"""
        )
        texts = [await speaker.speak(), await speaker.speak()]
        await expect(page.locator(HISTORY)).to_have_text([early, *texts])
        assert await page.evaluate("announced") == texts
        assert await page.locator("#now").evaluate("(now) => now.closest('[aria-live]')") is None


async def test_size_and_colours_are_kept(page: Page) -> None:
    async with meeting() as (served, speaker):
        await speaker.speak()
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
        await speaker.speak()
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
        await speaker.speak()
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


async def test_lines_above_the_last_never_move(page: Page) -> None:
    """While a paragraph grows, the text above its last line does not move by a pixel."""
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
            await speaker.speak()
        await expect(page.locator(HISTORY)).to_have_count(3)
        versions = [json.loads(seen) for seen in await page.evaluate("seen")]
    for earlier, later in pairwise(versions):
        for was, now in zip(earlier, later, strict=False):
            assert now["top"] == was["top"]
            assert now["text"].startswith(was["stable"])
        for was, now in zip(earlier[:-1], later, strict=False):
            assert now == was
