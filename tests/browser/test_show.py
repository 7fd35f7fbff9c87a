"""A captioned meeting from end to end: a real browser, a gateway in a process of its own, and all that can go wrong."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from time import time

import pytest
from anyio import to_thread
from playwright.async_api import Browser, Page, expect

from benchmarks.processes import GatewayProcess
from clients.paced_media import MediaFile
from gateway.access.api_keys import digest_of
from gateway.journal.store import ViewToken
from tests.browser.captioning import MEETING_MS, begin_to_speak, shown, start, stop, unsent
from tests.browsers import hearing, network, opened, write_wav
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
"""People whom the embedded engine understands."""

SEEN = "() => [...document.querySelectorAll('.words')].map(({ textContent }) => textContent).join(' ')"
"""What is final on a page, and what of the rest stays."""

OVERLAID = "#lines p"


async def overlaid(page: Page) -> list[str]:
    return words(" ".join(await page.locator(OVERLAID).all_inner_texts()))


async def transcript(page: Page, suffix: str) -> str:
    """Return what the captioner's page lets its user download."""
    address = await page.locator(f"[data-suffix={suffix}]").evaluate("link => link.href")
    answer = await page.request.get(address)
    assert answer.ok, await answer.text()
    return (await answer.text()).removeprefix("WEBVTT")


def misheard(words: Sequence[str], said: Sequence[str]) -> int:
    """Return how many words are others; the generated voices of the meeting are strange to the model."""
    return sum(word != other for word, other in zip(words, said, strict=True))


async def test_a_meeting_survives_a_cut_network_a_reload_and_a_killed_gateway(page: Page, browser: Browser) -> None:
    """The microphone begins its recording anew with the page: the meeting is heard to the reload, then all of it."""
    with GatewayProcess(*EMBEDDED) as gateway:
        async with network(gateway.url) as way, opened(browser) as viewer, opened(browser) as overlay:
            await start(page, way.url)
            await expect(page.locator("#share")).to_be_visible()
            link = await page.input_value("#link")
            await viewer.goto(link)
            await overlay.goto(f"{link}&overlay=1&lines=8&clear=60")

            await begin_to_speak(page, finals=1)
            way.is_down = True
            way.cut()
            await expect(page.locator("#state")).to_contain_text("Not connected")
            await unsent(page, r"^[1-9]\.")
            way.is_down = False
            await unsent(page, r"^0\.0")

            await begin_to_speak(page, finals=2)
            before = words(await page.evaluate(SEEN))
            await page.reload()
            await expect(page.locator("#history p").nth(2)).to_be_visible()

            finals = await page.locator("#history p").count()
            await begin_to_speak(page, finals + 2)
            gateway.kill()
            await to_thread.run_sync(gateway.begin)

            await expect(page.locator("#history")).to_contain_text("meeting is over", timeout=MEETING_MS)
            await stop(page)
            said, meeting = await shown(page), spoken_words()
            assert misheard(said[-len(meeting) :], meeting) <= 2
            cut = said[: -len(meeting)]
            assert cut[: len(before)] == before
            assert misheard(cut[:-1], meeting[: len(cut) - 1]) <= 2  # the reload may have cut its last word
            await expect(page.locator("#history .note")).to_have_count(0)

            await expect(viewer.locator("#state")).to_have_text("This session is over.")
            assert await shown(viewer) == said
            newest = await overlaid(overlay)
            assert len(newest) > 10
            assert newest == said[-len(newest) :]
            for suffix in ("txt", "srt", "vtt"):
                assert words(await transcript(page, suffix)) == said
            cues = json.loads(await transcript(page, "json"))
            assert words(" ".join(line for cue in cues for line in cue["lines"])) == said


async def test_people_are_understood(tmp_path: Path) -> None:
    sound = silence(0.5)
    for name in UNDERSTOOD:
        with MediaFile(str(recording_path(name))) as media:
            sound += b"".join(media.frames()) + silence(1.0)
    async with hearing(write_wav(tmp_path / "people.wav", sound)) as browser, opened(browser) as page:
        with GatewayProcess(*EMBEDDED) as gateway:
            await start(page, gateway.url)
            async with opened(browser) as viewer:
                await viewer.goto(await page.input_value("#link"))
                for watching in (page, viewer):
                    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in UNDERSTOOD.values()]
                    await expect(watching.locator("#history p")).to_have_text(patterns)


async def test_a_key_lets_in_who_speaks_and_a_link_who_watches(page: Page, browser: Browser, tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path, has_keys=True)) as served, opened(browser) as viewer:
        await page.goto(served.url)
        await page.click("#start")
        await expect(page.locator("#state")).to_contain_text("Locked")
        await page.fill("#key", "wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("#lock")).to_be_visible()
        await page.fill("#key", MASTER)
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Live: what is said becomes captions.")
        await expect(page.locator("#share")).to_be_visible()
        link = await page.input_value("#link")
        assert MASTER not in link
        await viewer.goto(link)
        await expect(viewer.locator("#history p").first).to_be_visible()

        place = link.partition("?")[0]
        expired, foreign = (f"vt_{letter * 43}" for letter in "ef")
        journal = served.gateway.sessions.journal
        assert journal is not None
        await journal.add_view_token(digest_of(expired), ViewToken(place.rpartition("/")[2], None, time() - 1))
        await journal.add_view_token(digest_of(foreign), ViewToken("another", None, time() + 60))
        for query in (f"?token={expired}", f"?token={foreign}", "?token=nonsense", ""):
            await viewer.goto(place + query)
            await expect(viewer.locator("#state")).to_have_text(
                "This link is not valid, or has expired. Ask for a new one."
            )
            await expect(viewer.locator("#history p")).to_have_count(0)
