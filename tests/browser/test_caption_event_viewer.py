"""The viewer of a caption event: session after session at one address, in every state, with names and corrections."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.browser.scripted_feed import ScriptedFeed, scripted_feed
from tests.browsers import PHONE, faults, network

STATE, SENTENCE, HISTORY, PART, SPEAKER = "#state", "#sentence", "#history p", "#history .part", "#history .speaker"

DESKTOP: ViewportSize = {"width": 1280, "height": 800}

PROSE = (
    "Good evening, and welcome to the town hall. Tonight we talk about the new tram line, what it costs, and when you "
    "can ride it. The plan has three parts, and the first of them is the bridge over the river, which takes a year."
)

CHARACTERS_PER_LINE = """() => {
  const text = document.querySelector("#history .words").firstChild;
  const tops = [...text.data].map((_, index) => {
    const range = document.createRange();
    range.setStart(text, index);
    range.setEnd(text, index + 1);
    return Math.round(range.getBoundingClientRect().top);
  });
  const lines = [...new Set(tops)].map((top) => tops.filter((other) => other === top).length);
  return lines.slice(0, -1);
}"""


@asynccontextmanager
async def talk(*texts: str) -> AsyncIterator[ScriptedFeed]:
    """Serve a caption event with a live session of these finals while the block lasts."""
    async with scripted_feed() as feed:
        feed.begin("morning")
        for number, text in enumerate(texts):
            feed.final(number, text)
        yield feed


async def watch(page: Page, feed: ScriptedFeed, query: str = "", state: str = "live") -> None:
    """Open the viewer and wait for its state."""
    await page.goto(feed.event_page + query)
    await has_state(page, state)


async def has_state(page: Page, state: str) -> None:
    await expect(page.locator(STATE)).to_have_attribute("data-state", state)


async def is_accessible(page: Page) -> None:
    """Check that axe-core finds nothing, and that nothing is wider than a phone."""
    for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await faults(page) == [], (size, scheme)
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]


async def test_a_viewer_waits_for_the_first_session_and_follows_it_into_the_next(page: Page) -> None:
    async with scripted_feed() as feed:
        feed.title = "Town hall"
        await watch(page, feed, state="waiting")
        await expect(page.locator("h1")).to_have_text("Town hall")
        await expect(page.locator(SENTENCE)).to_have_text("The captions have not started yet.")
        feed.begin("morning")
        await has_state(page, "live")
        feed.final(0, "Good morning.")
        await expect(page.locator(HISTORY)).to_have_text(["Good morning."])
        feed.emit("finished")
        await has_state(page, "over")
        await expect(page.locator("#hint")).to_have_text("If they continue, they appear here by themselves.")
        feed.begin("evening")
        feed.details("The evening")
        feed.final(0, "Good evening.")
        await expect(page.locator(HISTORY)).to_have_text(["Good morning.", "Good evening."])
        await has_state(page, "live")
        await expect(page.locator(PART)).to_have_text(re.compile(r"^Continued at \d"))
        await expect(page.locator("h1")).to_have_text("The evening")
        assert await page.title() == "The evening – Live captions"
        href = await page.locator("#save [data-suffix=srt]").get_attribute("href")
        assert href == "/v1/sessions/evening/transcript.srt"


async def test_a_session_that_replaces_an_open_one_keeps_its_unfinished_words(page: Page) -> None:
    async with talk("One.") as feed:
        feed.partial(1, "two three", "two")
        await watch(page, feed)
        await expect(page.locator("#now p")).to_have_text(["two three"])
        feed.begin("evening")
        feed.final(0, "Four.")
        await expect(page.locator(HISTORY)).to_have_text(["One.", "two three", "Four."])
        await expect(page.locator("#now p")).to_have_count(0)


@pytest.mark.parametrize(
    ("status", "state", "sentence"),
    [
        (401, "forbidden", "This link is not valid, or has expired."),
        (404, "not_found", "There are no captions at this address."),
        (503, "full", "Too many people are watching."),
        (502, "lost", "The connection was lost."),
    ],
)
async def test_a_refusal_is_explained(page: Page, status: int, state: str, sentence: str) -> None:
    async with scripted_feed() as feed:
        feed.cut(status)
        await watch(page, feed, state=state)
        await expect(page.locator(SENTENCE)).to_have_text(sentence)
        await is_accessible(page)


async def test_a_viewer_that_waits_survives_an_outage(page: Page) -> None:
    async with scripted_feed() as feed:
        await watch(page, feed, state="waiting")
        feed.cut(502)
        await has_state(page, "lost")
        feed.begin("morning")
        feed.final(0, "Good morning.")
        feed.accept()
        await expect(page.locator(HISTORY)).to_have_text(["Good morning."])
        await has_state(page, "live")


async def test_a_hidden_page_with_a_live_session_does_not_poll(page: Page) -> None:
    """Browsers allow six connections per host, all tabs together."""
    await page.add_init_script(
        "Object.defineProperty(document, 'visibilityState', { value: 'hidden', writable: true })"
    )
    async with talk("One.") as feed:
        await watch(page, feed)
        await expect(page.locator(HISTORY)).to_have_text(["One."])
        feed.begin("evening")
        feed.final(0, "Two.")
        polls = [path for path in feed.requested if path.startswith("/v1/events")]
        assert polls == ["/v1/events/talk?wait_s=0"]
        await page.evaluate(
            "document.visibilityState = 'visible'; document.dispatchEvent(new Event('visibilitychange'))"
        )
        await expect(page.locator(HISTORY)).to_have_text(["One.", "Two."])


async def test_names_are_displayed_where_another_speaker_begins(page: Page) -> None:
    async with scripted_feed() as feed:
        feed.begin("morning")
        for number, (channel, text) in enumerate([(0, "One?"), (1, "Two."), (1, "Three."), (0, "Four.")]):
            feed.final(number, text, channel=channel)
        await watch(page, feed)
        await expect(page.locator(SPEAKER)).to_have_text(["Channel 1", "Channel 2", "Channel 1"])
        feed.details("Debate", "Ann", "Bo")
        await expect(page.locator(SPEAKER)).to_have_text(["Ann", "Bo", "Ann"])
        feed.correct(0, 1, "", channel=0)
        await expect(page.locator(SPEAKER)).to_have_text(["Bo", "Ann"])
        dots = "(all) => all.map((one) => getComputedStyle(one, '::before').backgroundColor)"
        assert len(set(await page.locator(SPEAKER).evaluate_all(dots))) == 2


async def test_a_correction_replaces_the_words_and_is_highlighted_but_not_announced(page: Page) -> None:
    async with talk("The ground is round.", "Yes.") as feed:
        await page.clock.install()
        await watch(page, feed)
        first = page.locator(HISTORY).first
        await expect(first).to_have_text("The ground is round.")
        await expect(first).to_have_class("")
        feed.correct(0, 1, "The earth is round.")
        await expect(first).to_have_text("The earth is round.")
        await expect(first).to_have_class("corrected")
        await expect(page.locator("#history")).to_have_attribute("aria-relevant", "additions")
        await page.clock.run_for(4_000)
        await expect(first).to_have_class("")
        feed.correct(1, 1, "")
        await expect(page.locator(HISTORY)).to_have_text(["The earth is round."])


async def test_times_are_displayed_if_wanted_and_kept(page: Page) -> None:
    async with talk("One.") as feed:
        feed.emit("final", utterance_id=7, text="Two.", start_s=3_725.0, end_s=3_726.0)
        await watch(page, feed)
        await expect(page.locator(".time")).to_have_count(0)
        await page.click("#display summary")
        await page.get_by_label("Show times").check()
        await expect(page.locator(".time")).to_have_text(["0:00", "1:02:05"])
        await page.reload()
        await expect(page.locator(".time")).to_have_text(["0:00", "1:02:05"])


async def test_a_line_has_about_sixty_characters(page: Page) -> None:
    async with talk(PROSE) as feed:
        await page.set_viewport_size(DESKTOP)
        for query in ("", "?font=dyslexia"):
            await watch(page, feed, query)
            await expect(page.locator(HISTORY)).to_have_count(1)
            lines = await page.evaluate(CHARACTERS_PER_LINE)
            assert 50 <= sum(lines) / len(lines) <= 66, (query, lines)


async def test_a_link_can_set_the_display_until_the_reader_changes_it(page: Page) -> None:
    async with talk("One.") as feed:
        root, theme = page.locator(":root"), "#theme [value={}]"
        await watch(page, feed, "?theme=contrast&font=dyslexia&size=7&lang=de")
        await expect(root).to_have_attribute("data-theme", "contrast")
        await expect(root).to_have_attribute("data-font", "dyslexia")
        await expect(page.locator("#larger")).to_be_disabled()
        await expect(page.locator(HISTORY)).to_have_css("letter-spacing", re.compile(r"^5"))
        await watch(page, feed, "?theme=nonsense&size=99")
        await expect(page.locator(theme.format("auto"))).to_be_checked()
        await watch(page, feed, "?theme=dark&times=1")
        await page.click("#display summary")
        await page.locator(theme.format("cream")).check()
        assert page.url == f"{feed.event_page}?times=1"
        await page.reload()
        await expect(root).to_have_attribute("data-theme", "cream")


async def test_the_interface_is_arabic_and_the_captions_keep_their_direction(page: Page) -> None:
    async with talk("One.") as feed:
        await watch(page, feed, "?lang=ar")
        await expect(page.locator(STATE)).to_have_text("مباشر")
        await expect(page.locator(":root")).to_have_css("direction", "rtl")
        await expect(page.locator(HISTORY)).to_have_css("direction", "ltr")
        await page.click("#display summary")
        await is_accessible(page)
        await page.select_option("#language", "es")
        await expect(page.locator(STATE)).to_have_text("En directo")
        await expect(page.locator(":root")).to_have_css("direction", "ltr")


async def test_the_number_of_new_captions_is_displayed_to_a_reader_who_has_scrolled_away(page: Page) -> None:
    async with talk(*[PROSE] * 8) as feed:
        await watch(page, feed)
        await expect(page.locator(HISTORY)).to_have_count(8)
        await page.mouse.move(300, 300)
        await page.mouse.wheel(0, -400)
        jump = page.locator("#jump")
        await expect(jump).to_be_visible()
        await expect(jump).to_have_text("Jump to live")
        feed.final(8, "One more.")
        await expect(page.locator("#unread")).to_have_text("1 new")
        await is_accessible(page)
        await jump.press("Enter")
        await expect(jump).to_be_hidden()
        await expect(page.locator(HISTORY).last).to_be_in_viewport()
        await expect(page.locator("main")).to_be_focused()


async def test_all_is_within_reach_of_the_keyboard(page: Page) -> None:
    async with talk("One.") as feed:
        await watch(page, feed)
        await expect(page.locator("#save")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_text("Skip to the captions")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        save = page.locator("#save summary")
        await save.press("Enter")
        await expect(page.get_by_role("link", name="Subtitles .srt")).to_be_visible()
        await page.locator("#display summary").press("Enter")
        await expect(page.locator("#save .sheet")).to_be_hidden()
        await page.locator("#theme :checked").press("ArrowRight")
        await expect(page.locator(":root")).to_have_attribute("data-theme", "light")
        await page.keyboard.press("Escape")
        await expect(page.locator("#display .sheet")).to_be_hidden()
        await expect(page.locator("#display summary")).to_be_focused()
        await save.click()
        await page.mouse.click(5, 500)
        await expect(page.locator("#save .sheet")).to_be_hidden()


@pytest.mark.parametrize("has_clipboard", [True, False], ids=["https", "http"])
async def test_the_text_of_all_sessions_can_be_copied(page: Page, *, has_clipboard: bool) -> None:
    async with talk("One.") as feed:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=feed.url)
        await watch(page, feed)
        feed.begin("evening")
        feed.details(None, "Ann", "Bo")
        feed.final(0, "Two?", channel=0)
        feed.final(1, "Three.", channel=1)
        await expect(page.locator(HISTORY)).to_have_count(3)
        read = await page.evaluate_handle("() => navigator.clipboard.readText.bind(navigator.clipboard)")
        if not has_clipboard:
            await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        await page.click("#save summary")
        await page.click("#save [data-copy]")
        await expect(page.locator("#copied")).to_have_text("Copied.")
        assert await page.evaluate("(read) => read()", read) == "One.\n\nAnn: Two?\nBo: Three.\n"
        await page.evaluate("document.execCommand = () => false")
        await page.evaluate(
            "Object.defineProperty(Clipboard.prototype, 'writeText', { value: () => Promise.reject() })"
        )
        await page.click("#save summary")
        await page.click("#save [data-copy]")
        await expect(page.locator("#copied")).to_contain_text("does not allow")


async def test_a_reload_without_a_network_keeps_what_was_displayed(page: Page) -> None:
    async with talk("One.") as feed, network(feed.url) as way:
        feed.details("Town hall", "Ann")
        await page.goto(f"{way.url}/e/talk?token=vt_secret")
        await expect(page.locator(HISTORY)).to_have_text(["Ann One."])
        await page.wait_for_function("async () => (await (await caches.open('livecue')).keys()).length > 15")
        cached = await page.evaluate("async () => (await (await caches.open('livecue')).keys()).map(({ url }) => url)")
        assert not [url for url in cached if "vt_secret" in url or "/v1/" in url]
        way.is_down = True
        way.cut()
        await page.reload()
        await expect(page.locator(HISTORY)).to_have_text(["Ann One."])
        await has_state(page, "lost")
        feed.correct(0, 1, "One!")
        feed.final(1, "Two.")
        way.is_down = False
        await expect(page.locator(HISTORY)).to_have_text(["Ann One!", "Two."])
        await has_state(page, "live")
        assert [path for path in feed.requested if "events?after=4" in path]


async def test_a_revoked_link_leaves_no_captions_behind(page: Page) -> None:
    async with talk("One.") as feed:
        await watch(page, feed)
        await expect(page.locator(HISTORY)).to_have_text(["One."])
        await page.reload()
        await expect(page.locator(HISTORY)).to_have_text(["One."])
        feed.cut(401)
        await has_state(page, "forbidden")
        await page.reload()
        await has_state(page, "forbidden")
        await expect(page.locator(HISTORY)).to_have_count(0)


async def test_axe_finds_nothing_in_any_state(page: Page) -> None:
    async with scripted_feed() as feed:
        feed.title = "Town hall: what the new tram line costs, and when it can be ridden"
        await watch(page, feed, "?times=1", state="waiting")
        await is_accessible(page)
        feed.begin("morning")
        await expect(page.locator(SENTENCE)).to_have_text("Listening.")
        await is_accessible(page)
        feed.details(None, "Ann Oduya", "Bo Lindqvist-Hernández")
        for number in range(3):
            feed.final(number, PROSE, channel=number % 2)
        feed.emit("gap", start_s=10.0, end_s=15.0)
        feed.partial(9, "and so on", "and")
        await expect(page.locator(HISTORY)).to_have_count(4)
        feed.correct(1, 1, "Corrected.", channel=1)
        await expect(page.locator(".corrected")).to_be_visible()
        await is_accessible(page)
        await page.click("#save summary")
        await is_accessible(page)
        feed.cut(502)
        await has_state(page, "lost")
        await is_accessible(page)
        feed.accept()
        feed.emit("finished")
        await has_state(page, "over")
        await expect(page.locator("#actions")).to_be_visible()
        await is_accessible(page)
