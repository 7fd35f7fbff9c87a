"""A captioned meeting from end to end: a real browser, a gateway in its own process, and every kind of failure."""

import json
import re
from pathlib import Path
from time import time

import pytest
from anyio import to_thread
from playwright.async_api import Browser, Page, expect

from benchmarks.processes import GatewayProcess
from benchmarks.scoring import count_errors
from clients.paced_media import MediaFile
from gateway.access.api_keys import digest_of
from gateway.journal.store import ViewToken
from tests.browser.captioning import MEETING_MS, final_words, link_of, start, stop, unsent, until_mid_sentence
from tests.browsers import network, opened, with_microphone, write_wav
from tests.meeting import spoken_words, words
from tests.recordings import recording_path
from tests.sessions import silence
from tests.uploading import serving_files
from tests.viewing import MASTER, settings_with

pytestmark = pytest.mark.timeout(180)

EMBEDDED = ("--engine", "whisper", "--model", "tiny.en", "--set", "scheduler.decode_timeout_s=150")

UNDERSTOOD = {
    "en_go_forward.flac": r"go forward (ten|10) meters",
    "en_weather_like.flac": r"what's the weather like",
    "en_librispeech/1089-134691-0000.flac": r"he could wait no longer",
}
"""Recordings of people that the embedded engine transcribes correctly."""

STABLE_WORDS = "() => [...document.querySelectorAll('.words')].map(({ textContent }) => textContent).join(' ')"
"""The final and stable words on a page."""

OVERLAY_LINES = "#lines p"


async def overlay_words(page: Page) -> list[str]:
    return words(" ".join(await page.locator(OVERLAY_LINES).all_inner_texts()))


async def transcript(page: Page, suffix: str) -> str:
    """Return a transcript offered for download by the captioner."""
    address = await page.locator(f"[data-suffix={suffix}]").evaluate("link => link.href")
    answer = await page.request.get(address)
    assert answer.ok, await answer.text()
    return (await answer.text()).removeprefix("WEBVTT")


@pytest.mark.slow
async def test_a_meeting_survives_a_cut_network_a_reload_and_a_killed_gateway(page: Page, browser: Browser) -> None:
    """A reload restarts the microphone's recording: the meeting is captioned up to the reload, then from its start."""
    with GatewayProcess(*EMBEDDED) as gateway:
        async with network(gateway.url) as way, opened(browser) as viewer, opened(browser) as overlay:
            await start(page, way.url)
            await viewer.goto(await link_of(page))
            await overlay.goto(await link_of(page, overlay="1", lines="8", clear="60"))

            await until_mid_sentence(page, finals=1)
            way.is_down = True
            way.cut()
            await expect(page.locator("#state")).to_contain_text("Not connected")
            await unsent(page, r"^[1-9]\.")
            way.is_down = False
            await unsent(page, r"^0\.0")

            await until_mid_sentence(page, finals=2)
            before = words(await page.evaluate(STABLE_WORDS))
            await page.reload()
            await expect(page.locator("#history p").nth(2)).to_be_visible()

            finals = await page.locator("#history p").count()
            await until_mid_sentence(page, finals + 2)
            gateway.kill()
            await to_thread.run_sync(gateway.begin)

            await expect(page.locator("#history")).to_contain_text("meeting is over", timeout=MEETING_MS)
            await stop(page)
            captioned, meeting = await final_words(page), spoken_words()
            assert count_errors([meeting], captioned[-len(meeting) :]) <= 2  # the model does not know generated voices
            cut = captioned[: -len(meeting)]
            assert cut[: len(before)] == before
            assert count_errors([meeting[: len(cut) - 1]], cut[:-1]) <= 2  # the reload may have cut the last word
            await expect(page.locator("#history .note")).to_have_count(0)

            await expect(viewer.locator("#state")).to_have_attribute("data-state", "over")
            assert await final_words(viewer) == captioned
            newest = await overlay_words(overlay)
            assert len(newest) > 10
            assert newest == captioned[-len(newest) :]
            for suffix in ("txt", "srt", "vtt"):
                assert words(await transcript(page, suffix)) == captioned
            cues = json.loads(await transcript(page, "json"))
            assert words(" ".join(line for cue in cues for line in cue["lines"])) == captioned


@pytest.mark.slow
async def test_people_are_transcribed(tmp_path: Path) -> None:
    audio = silence(0.5)
    for name in UNDERSTOOD:
        with MediaFile(str(recording_path(name))) as media:
            audio += b"".join(media.frames()) + silence(1.0)
    async with with_microphone(write_wav(tmp_path / "people.wav", audio)) as browser, opened(browser) as page:
        with GatewayProcess(*EMBEDDED) as gateway:
            await start(page, gateway.url)
            async with opened(browser) as viewer:
                await viewer.goto(await link_of(page))
                for watching in (page, viewer):
                    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in UNDERSTOOD.values()]
                    await expect(watching.locator("#history p")).to_have_text(patterns)


async def test_a_key_admits_the_captioner_and_a_link_admits_viewers(
    page: Page, browser: Browser, tmp_path: Path
) -> None:
    async with serving_files(settings=settings_with(tmp_path, has_keys=True)) as served, opened(browser) as viewer:
        await page.goto(served.url)
        await page.click("#start")
        await expect(page.locator("#state")).to_contain_text("Locked")
        await page.fill("#key", "wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("#lock")).to_be_visible()
        await page.fill("#key", MASTER)
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Live: speech is captioned.")
        await expect(page.locator("#link")).to_have_value(re.compile("token=vt_"))
        link = await link_of(page)
        assert MASTER not in link
        await viewer.goto(link)
        await expect(viewer.locator("#history p").first).to_be_visible()

        place = link.partition("?")[0]
        expired, foreign = (f"vt_{letter * 43}" for letter in "ef")
        journal = served.gateway.sessions.journal
        assert journal is not None
        await journal.store.add_view_token(digest_of(expired), ViewToken(place.rpartition("/")[2], None, time() - 1))
        await journal.store.add_view_token(digest_of(foreign), ViewToken("another", None, time() + 60))
        for query in (f"?token={expired}", f"?token={foreign}", "?token=nonsense", ""):
            await viewer.goto(place + query)
            await expect(viewer.locator("#sentence")).to_have_text("This link is not valid, or has expired.")
            await expect(viewer.locator("#history p")).to_have_count(0)
