"""The captioner in a real browser: what a microphone hears is kept, sent and shown, whatever happens to the page."""

import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soxr
from playwright.async_api import Dialog, Page, expect

from decoder.engines.scripted import ScriptedEngine
from tests.browser.captioning import begin_to_speak, start, stop, unsent
from tests.browser.resumable import ResumableGateway, resumable_gateway
from tests.servers import serving
from tests.uploading import serving_files
from vad.audio import SAMPLE_RATE_HZ

_PIECE_S = 0.05
"""Of the sound that the page sends."""


@asynccontextmanager
async def listening(page: Page) -> AsyncIterator[ResumableGateway]:
    """A captioner that has been started, and whoever hears its sound."""
    async with resumable_gateway("captioner.html") as gateway:
        await start(page, gateway.url)
        await gateway.until(lambda: gateway.heard > gateway.rate_hz)
        yield gateway


def places_s(gateway: ResumableGateway, recording: Path) -> list[float]:
    """Return where in the recording each quarter of a second of speech was heard, less when it was."""
    heard = soxr.resample(np.frombuffer(gateway.sound, "<i2").astype(np.float32), gateway.rate_hz, SAMPLE_RATE_HZ)
    with wave.open(str(recording)) as sound:
        original = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32)
    length = SAMPLE_RATE_HZ // 4
    energy = np.sqrt(np.convolve(original**2, np.ones(length), "valid")) + 1
    found = []
    for at in range(0, heard.size - length, length):
        window = heard[at : at + length]
        if np.abs(window).mean() < 300:
            continue  # nobody speaks
        likeness = np.correlate(original, window, "valid") / energy / np.linalg.norm(window)
        if likeness.max() > 0.8:
            found.append((int(likeness.argmax()) - at) / SAMPLE_RATE_HZ)
    return found


def jumps(places_s: list[float]) -> list[float]:
    """Return where sound is missing or doubled; Chromium itself stretches it by 10 ms where the machine is busy."""
    return [float(step) for step in np.diff(places_s) if abs(step) > _PIECE_S - 0.005]


async def test_no_sound_is_lost_or_doubled_when_the_network_is_cut(page: Page, recording: Path) -> None:
    async with listening(page) as gateway:
        for _ in range(2):
            gateway.accepts = False
            gateway.cut()
            await unsent(page, r"^[2-9]\.")
            gateway.accepts = True
            await unsent(page, r"^0\.0")
        await stop(page)
        places = places_s(gateway, recording)
        assert len(places) > 8
        assert jumps(places) == []
        assert gateway.gaps == []


async def test_sound_that_was_not_sent_survives_a_reload(page: Page, recording: Path) -> None:
    async with listening(page) as gateway:
        gateway.accepts = False
        gateway.cut()
        await unsent(page, r"^[3-9]\.")
        before = gateway.heard
        await page.reload()
        gateway.accepts = True
        await gateway.until(lambda: gateway.heard > before + 7 * gateway.rate_hz)
        await stop(page)
        places = places_s(gateway, recording)
        assert len(jumps(places)) == 1  # the microphone begins again with the page
        assert gateway.gaps == []
        assert [hello["type"] for hello in gateway.hellos] == ["start", "resume"]


async def test_a_paused_session_sends_nothing_and_goes_on(page: Page) -> None:
    async with listening(page) as gateway:
        await page.click("#pause")
        await expect(page.locator("#state")).to_have_text("Paused: nothing is sent.")
        await gateway.until(lambda: len(gateway.told) == 1)
        assert gateway.told[0]["type"] == "flush"
        paused_at = gateway.heard
        level = page.locator("#level")
        first = await level.evaluate("meter => meter.value")
        await page.wait_for_function("(first) => document.querySelector('#level').value !== first", arg=first)
        assert gateway.heard == paused_at
        await page.click("#go-on")
        await gateway.until(lambda: gateway.heard > paused_at)
        await page.click("#pause")
        await stop(page)


async def test_who_does_not_want_to_wait_for_a_lost_gateway_need_not(page: Page) -> None:
    async with listening(page) as gateway:
        gateway.accepts = False
        gateway.cut()
        await expect(page.locator("#state")).to_contain_text("Not connected")
        await page.click("#stop")
        await expect(page.locator("#state")).to_contain_text("The last sound is kept here and follows.")
        await page.get_by_role("button", name="Do not wait").click()
        await expect(page.locator("#state")).to_have_text("Stopped before all was answered.")
        await expect(page.locator("#start")).to_be_visible()


async def test_a_browser_that_wants_a_click_after_a_reload_gets_one(page: Page) -> None:
    await page.add_init_script(
        """if (sessionStorage.getItem("livecue.session") !== null) {
          const { get } = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, "state");
          let isClicked = false;
          addEventListener("click", () => (isClicked = true), true);
          Object.defineProperty(BaseAudioContext.prototype, "state", {
            get() { return isClicked ? get.call(this) : "suspended"; },
          });
        }"""
    )
    async with listening(page) as gateway:
        await page.reload()
        await expect(page.locator("#trouble")).to_contain_text("The browser wants a click")
        await gateway.until(lambda: len(gateway.told) == 1)
        before = gateway.heard
        await page.click("#go-on")
        await gateway.until(lambda: gateway.heard > before)
        await expect(page.locator("#trouble")).to_be_hidden()


async def test_a_pause_outlasts_a_reload(page: Page) -> None:
    async with listening(page) as gateway:
        await page.click("#pause")
        await gateway.until(lambda: len(gateway.told) == 1)
        paused_at = gateway.heard
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Paused: nothing is sent.")
        await gateway.until(lambda: len(gateway.hellos) == 2)
        assert gateway.heard == paused_at
        await page.click("#go-on")
        await gateway.until(lambda: gateway.heard > paused_at)


async def test_who_is_evicted_says_so_and_stays_away(page: Page) -> None:
    async with listening(page) as gateway:
        await gateway.say(type="error", code="resumed_elsewhere", message="the session goes on elsewhere", fatal=True)
        gateway.cut()
        await expect(page.locator("#trouble")).to_have_text("This session goes on elsewhere; this page has stopped.")
        await expect(page.locator("#start")).to_be_visible()
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Not started.")
        assert len(gateway.hellos) == 1


async def test_a_tab_that_is_duplicated_leaves_the_session_alone(page: Page) -> None:
    async with listening(page) as gateway:
        record = json.dumps(await page.evaluate("({ ...sessionStorage })"))
        other = await page.context.new_page()
        await other.add_init_script(f"Object.assign(sessionStorage, {record})")
        await other.goto(gateway.url)
        await expect(other.locator("#trouble")).to_have_text("The session of this tab goes on in another one.")
        assert len(gateway.hellos) == 1


async def test_the_gateways_refusal_is_shown_in_its_words(page: Page) -> None:
    async with serving(ScriptedEngine()) as served:
        await page.goto(served.url)
        await page.evaluate("document.querySelector('#profile').add(new Option('odd', 'odd', true, true))")
        await page.click("#start")
        await expect(page.locator("#trouble")).to_contain_text("Unknown cue profile 'odd'")
        await expect(page.locator("#start")).to_be_visible()


async def test_a_key_is_asked_for_where_the_gateway_wants_one(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        gateway.key = "secret"
        await page.goto(gateway.url)
        await expect(page.locator("#lock")).to_be_hidden()
        await page.click("#start")
        await expect(page.locator("#trouble")).to_have_text("This API key is not known here.")
        await page.fill("#key", "secret")
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Live: what is said becomes captions.")
        await expect(page.locator("#lock")).to_be_hidden()
        await gateway.until(lambda: gateway.heard > 0)
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Live: what is said becomes captions.")


async def test_another_microphone_can_be_chosen_while_people_speak(page: Page) -> None:
    async with listening(page) as gateway:
        labels = await page.locator("#device option").all_inner_texts()
        assert len(labels) > 2
        assert labels[0] == "The browser’s default"
        before = gateway.heard
        await page.select_option("#device", index=2)
        await gateway.until(lambda: gateway.heard > before + gateway.rate_hz)
        await expect(page.locator("#state")).to_have_text("Live: what is said becomes captions.")
        assert len(gateway.hellos) == 1


async def test_a_microphone_that_is_unplugged_is_told_and_can_be_replaced(page: Page) -> None:
    await page.add_init_script(
        """const real = MediaDevices.prototype.getUserMedia;
        MediaDevices.prototype.getUserMedia = async function (wishes) {
          return (globalThis.plugged = await real.call(this, wishes));
        };
        globalThis.unplug = () => plugged.getAudioTracks()[0].dispatchEvent(new Event("ended"));"""
    )
    async with listening(page) as gateway:
        await page.evaluate("unplug()")
        await expect(page.locator("#trouble")).to_contain_text("The microphone is gone.")
        await expect(page.locator("#state")).to_have_text("Waiting for sound.")
        before = gateway.heard
        await page.click("#go-on")
        await gateway.until(lambda: gateway.heard > before)
        await expect(page.locator("#trouble")).to_be_hidden()


@pytest.mark.parametrize(
    ("fault", "words_shown"),
    [
        ("NotAllowedError", "Allow it beside the address"),
        ("NotFoundError", "There is no microphone. Plug one in"),
        ("NotReadableError", "Another program may be using it"),
        ("OverconstrainedError", "Choose another one"),
    ],
)
async def test_a_microphone_that_cannot_be_had_is_said_with_what_to_do(
    page: Page, fault: str, words_shown: str
) -> None:
    refusal = f"async () => {{ throw new DOMException('no', '{fault}'); }}"
    await page.add_init_script(f"MediaDevices.prototype.getUserMedia = {refusal};")
    async with serving_files() as served:
        await page.goto(served.url)
        await page.click("#start")
        await expect(page.locator("#trouble")).to_contain_text(words_shown)
        await expect(page.locator("#start")).to_be_visible()


async def test_the_sound_of_a_tab_can_be_captioned(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        await page.goto(gateway.url)
        await page.select_option("#source", "tab")
        await expect(page.locator("#device-field")).to_be_hidden()
        await page.click("#start")
        await gateway.until(lambda: gateway.heard > 16000)
        await page.reload()
        await expect(page.locator("#trouble")).to_contain_text("Press “Go on”")
        before = gateway.heard
        await page.click("#go-on")
        await gateway.until(lambda: gateway.heard > before)


async def test_captions_leave_the_page_only_where_that_is_wanted(page: Page) -> None:
    asked: list[str] = []
    answers = iter((False, True))

    async def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await (dialog.accept() if next(answers) else dialog.dismiss())

    async with serving_files() as served:
        await start(page, served.url)
        await begin_to_speak(page, finals=1)
        await stop(page)
        page.on("dialog", answer)
        words = await page.inner_text("#history")
        await page.click("#start")
        assert await page.inner_text("#history") == words
        await page.click("#start")
        await expect(page.locator("#state")).to_have_text("Live: what is said becomes captions.")
        assert words not in await page.inner_text("#history")
        await stop(page)
    assert len(asked) == 2
    assert asked[0].startswith("Start a new session?")


async def test_who_leaves_while_live_is_asked(page: Page) -> None:
    kinds: list[str] = []

    async def stay(dialog: Dialog) -> None:
        kinds.append(dialog.type)
        await dialog.dismiss()

    async with listening(page):
        page.on("dialog", stay)
        await page.close(run_before_unload=True)
        await expect(page.locator("#state")).to_have_text("Live: what is said becomes captions.")
        await stop(page)
    assert kinds == ["beforeunload"]


async def test_the_languages_are_those_of_the_engine(page: Page) -> None:
    class German(ScriptedEngine):
        def __init__(self) -> None:
            super().__init__()
            self.info = replace(self.info, languages=("en", "de"))

    async with serving_files(German()) as served:
        await page.goto(served.url)
        await expect(page.locator("#language option")).to_have_text(["Detected automatically", "English", "German"])


async def test_a_link_that_nobody_else_can_open_is_said_to_be_one(page: Page) -> None:
    async with serving_files() as served:
        await start(page, served.url)
        await expect(page.locator("#unreachable")).to_be_visible()
        await expect(page.locator("#qr")).to_be_hidden()
        assert (await page.input_value("#link")).startswith(f"{served.url}/watch/")


async def test_who_reads_gets_an_address_a_picture_of_it_and_downloads(page: Page) -> None:
    async with serving_files(settings={"server": {"public_url": "https://captions.example.com"}}) as served:
        await start(page, served.url)
        await expect(page.locator("#share")).to_be_visible()
        await expect(page.locator("#unreachable")).to_be_hidden()
        address = await page.input_value("#link")
        assert address.startswith("https://captions.example.com/watch/")
        await page.wait_for_function("() => document.querySelector('#qr').naturalWidth > 0")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.click("#copy")
        await expect(page.locator("#copied")).to_have_text("Copied.")
        assert await page.evaluate("navigator.clipboard.readText()") == address
        hrefs = await page.locator("[data-suffix]").evaluate_all(
            "links => links.map((link) => new URL(link.href).pathname)"
        )
        assert [href.rpartition(".")[2] for href in hrefs] == ["txt", "srt", "vtt", "json"]
