"""Corrections of finals on the captioner page, in place."""

from playwright.async_api import Page, expect

from tests.browser.prepared import captioner, live_captioner
from tests.browser.scripted_api import Call

FIRST, SECOND = "the bridge is for tea years old", "it carries the main road"

WORDS = "#history .words"
FIELD = ".editor textarea"


async def test_enter_saves_a_correction_in_place(page: Page) -> None:
    async with live_captioner(page, FIRST, SECOND) as prepared:
        await page.locator("#history .words").first.click()
        await page.fill(FIELD, "the bridge is  forty years old ")
        await page.keyboard.press("Enter")
        await expect(page.locator(WORDS)).to_have_text(["the bridge is forty years old", SECOND])
        await expect(page.locator(FIELD)).to_have_count(0)
        await expect(page.locator(".edit").first).to_be_focused()
        body = {"text": "the bridge is forty years old", "revision": 0}
        assert prepared.api.called("PUT", "/v1/sessions") == [Call("PUT", "/v1/sessions/s1/utterances/0", {}, body)]


async def test_escape_leaves_a_caption_as_it_is(page: Page) -> None:
    async with live_captioner(page, FIRST) as prepared:
        await page.locator("#history .words").first.click()
        await page.fill(FIELD, "nonsense")
        await page.keyboard.press("Escape")
        await expect(page.locator(WORDS)).to_have_text([FIRST])
        assert prepared.api.called("PUT", "/v1/sessions") == []


async def test_the_keyboard_reaches_every_caption_with_one_tab_stop(page: Page) -> None:
    async with live_captioner(page, FIRST, SECOND):
        buttons = page.locator(".edit")
        assert await buttons.evaluate_all("all => all.map(({ tabIndex }) => tabIndex)") == [-1, 0]
        await buttons.last.focus()
        await page.keyboard.press("ArrowUp")
        await expect(buttons.first).to_be_focused()
        await expect(buttons.first).to_have_accessible_name(f"Correct: {FIRST}")
        await page.keyboard.press("Enter")
        await expect(page.locator(FIELD)).to_have_value(FIRST)


async def test_an_empty_correction_removes_the_caption(page: Page) -> None:
    async with live_captioner(page, FIRST, SECOND):
        await page.locator("#history .words").first.click()
        await page.fill(FIELD, "")
        await page.keyboard.press("Enter")
        await expect(page.locator(WORDS)).to_have_text([SECOND])


async def test_a_conflict_displays_the_other_text_and_saving_again_replaces_it(page: Page) -> None:
    async with live_captioner(page, FIRST) as prepared:
        prepared.api.newer = {"type": "correction", "utterance_id": 0, "revision": 1, "text": "theirs", "cues": []}
        await page.locator("#history .words").first.click()
        await prepared.gateway.emit(**prepared.api.newer)
        await page.fill(FIELD, "mine")
        await page.keyboard.press("Enter")
        await expect(page.locator(".editor-note")).to_contain_text("Someone else has corrected this to “theirs”.")
        await page.keyboard.press("Enter")
        await expect(page.locator(WORDS)).to_have_text(["mine"])
        assert [call.body for call in prepared.api.called("PUT", "/v1/sessions")] == [
            {"text": "mine", "revision": 0},
            {"text": "mine"},
        ]


async def test_after_a_conflict_the_other_text_can_be_kept(page: Page) -> None:
    async with live_captioner(page, FIRST) as prepared:
        prepared.api.newer = {"type": "correction", "utterance_id": 0, "revision": 1, "text": "theirs", "cues": []}
        await page.locator("#history .words").first.click()
        await prepared.gateway.emit(**prepared.api.newer)
        await page.fill(FIELD, "mine")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Keep that text").click()
        await expect(page.locator(WORDS)).to_have_text(["theirs"])
        assert len(prepared.api.called("PUT", "/v1/sessions")) == 1


async def test_a_refused_correction_is_explained_and_the_text_is_kept(page: Page) -> None:
    async with live_captioner(page, FIRST) as prepared:
        prepared.api.key = "another"
        await page.locator("#history .words").first.click()
        await page.fill(FIELD, "mine")
        await page.keyboard.press("Enter")
        await expect(page.locator(".editor-note")).to_contain_text("does not accept this API key")
        await expect(page.locator(FIELD)).to_have_value("mine")


async def test_the_captions_of_a_test_are_not_corrected(page: Page) -> None:
    async with captioner(page) as prepared:
        await page.click("#test")
        await prepared.gateway.until(lambda: prepared.gateway.received > 0)
        await prepared.final(0, FIRST)
        await page.locator("#history .words").first.click()
        await expect(page.locator(FIELD)).to_have_count(0)
