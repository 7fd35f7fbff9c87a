"""The history on the captioner page: past sessions, their texts, exports and deletion."""

from playwright.async_api import Page, expect

from tests.browser.prepared import LATENCY, Prepared, captioner

LINES = "#session-list li"


def prepare(prepared: Prepared) -> None:
    """List two past sessions, of which one has a transcript."""
    common = {"ended": 1763005400.0, "outcome": "finished", "language": "en", "about": {}, "event": "council"}
    council = {"id": "a1", "title": "Town council", "opened": 1763000000.0, "excerpt": "the new bridge over", **common}
    service = {"id": "a2", "title": None, "opened": 1763100000.0, **common}
    prepared.api.sessions = [council, service]
    span = {"start_s": 0.0, "end_s": 1.0, "latency_ms": LATENCY}
    prepared.api.messages["a1"] = [
        {"type": "final", "seq": 3, "utterance_id": 0, "text": "the new bridge", **span},
        {"type": "finished", "seq": 4, "audio_s": 1.0, "utterances": 1},
    ]


async def test_past_sessions_are_listed_newest_first_and_searched_by_their_text(page: Page) -> None:
    async with captioner(page) as prepared:
        prepare(prepared)
        await page.click("#open-sessions")
        await expect(page.locator(".session-title")).to_have_text(["Untitled", "Town council"])
        await page.fill("#query", "bridge")
        await page.keyboard.press("Enter")
        await expect(page.locator(".session-title")).to_have_text(["Town council"])
        await expect(page.locator("mark")).to_have_text(["bridge"])
        assert prepared.api.called("GET", "/v1/sessions")[-1].query == {"all": "true", "limit": "20", "q": "bridge"}
        await page.fill("#query", "tunnel")
        await page.keyboard.press("Enter")
        await expect(page.locator("#sessions-note")).to_have_text("No session has “tunnel” in its text.")


async def test_more_sessions_are_listed_on_demand(page: Page) -> None:
    async with captioner(page) as prepared:
        prepare(prepared)
        newer, older = prepared.api.sessions[1:], prepared.api.sessions[:1]
        prepared.api.pages = [newer, older]
        await page.click("#open-sessions")
        await expect(page.locator(".session-title")).to_have_text(["Untitled"])
        await page.click("#more-sessions")
        await expect(page.locator(".session-title")).to_have_text(["Untitled", "Town council"])
        await expect(page.locator("#more-sessions")).to_be_hidden()
        assert prepared.api.called("GET", "/v1/sessions")[-1].query["before"] == "1763100000"


async def test_an_empty_history_says_so(page: Page) -> None:
    async with captioner(page):
        await page.click("#open-sessions")
        await expect(page.locator("#sessions-note")).to_contain_text("No sessions yet.")
        await page.keyboard.press("Escape")
        await expect(page.locator("#sessions")).to_be_hidden()
        await expect(page.locator("#open-sessions")).to_be_focused()


async def test_a_past_session_can_be_opened_and_corrected(page: Page) -> None:
    async with captioner(page) as prepared:
        prepare(prepared)
        await page.fill("#title", "Tonight")
        await page.click("#open-sessions")
        await page.locator(LINES).last.get_by_role("button", name="Open").click()
        await expect(page.locator("#title")).to_have_value("Town council")
        await expect(page.locator("#badge")).to_have_text("Ended")
        await page.locator("#history .words").click()
        await page.fill(".editor textarea", "the old bridge")
        await page.keyboard.press("Enter")
        await expect(page.locator("#history .words")).to_have_text(["the old bridge"])
        assert prepared.api.called("PUT", "/v1/sessions")[-1].path == "/v1/sessions/a1/utterances/0"
        await page.click("#start")
        await expect(page.locator("#badge")).to_have_text("Live")
        assert prepared.gateway.hellos[0]["title"] == "Tonight"


async def test_a_conflict_in_a_past_session_displays_the_other_text(page: Page) -> None:
    async with captioner(page) as prepared:
        prepare(prepared)
        newer = {"type": "correction", "seq": 9, "utterance_id": 0, "revision": 1, "text": "theirs", "cues": []}
        prepared.api.newer = newer
        await page.click("#open-sessions")
        await page.locator(LINES).last.get_by_role("button", name="Open").click()
        await page.locator("#history .words").click()
        await page.fill(".editor textarea", "mine")
        await page.keyboard.press("Enter")
        await expect(page.locator(".editor-note")).to_contain_text("“theirs”")


async def test_a_session_is_deleted_at_the_second_click(page: Page) -> None:
    async with captioner(page) as prepared:
        prepare(prepared)
        await page.click("#open-sessions")
        await page.locator(LINES).first.get_by_role("button", name="Delete").click()
        assert prepared.api.called("DELETE") == []
        await page.get_by_role("button", name="Delete for good?").click()
        await expect(page.locator(".session-title")).to_have_text(["Town council"])
        assert [call.path for call in prepared.api.called("DELETE")] == ["/v1/sessions/a2"]


async def test_an_armed_deletion_is_disarmed_when_the_focus_leaves(page: Page) -> None:
    async with captioner(page) as prepared:
        prepare(prepared)
        await page.click("#open-sessions")
        await page.locator(LINES).first.get_by_role("button", name="Delete").click()
        await page.focus("#query")
        await page.locator(LINES).first.get_by_role("button", name="Delete").click()
        assert prepared.api.called("DELETE") == []


async def test_a_transcript_is_exported_with_the_key(page: Page) -> None:
    async with captioner(page) as prepared:
        prepare(prepared)
        prepared.api.key = "secret"
        await page.evaluate("sessionStorage.setItem('livecue.key', 'secret')")
        await page.click("#open-sessions")
        await page.locator(LINES).first.locator("summary").click()
        async with page.expect_download() as download:
            await page.locator(LINES).first.locator("[data-suffix=srt]").click()
        assert (await download.value).suggested_filename == "a2.srt"
        assert prepared.api.called("GET", "/v1/sessions/a2")[-1].path == "/v1/sessions/a2/transcript.srt"
