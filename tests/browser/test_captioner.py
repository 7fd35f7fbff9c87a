"""The captioner in a real browser: microphone audio is buffered, sent and captioned, whatever happens to the page."""

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
from tests.browser.captioning import link_of, open_settings, start, stop, unsent, until_mid_sentence
from tests.browser.resumable import ResumableGateway, resumable_gateway
from tests.servers import serving
from tests.uploading import serving_files
from vad.audio import SAMPLE_RATE_HZ

_PIECE_S = 0.05
"""Of the audio frames that the page sends."""


@asynccontextmanager
async def captioning(page: Page) -> AsyncIterator[ResumableGateway]:
    """Start a captioner, and yield its gateway once audio arrives."""
    async with resumable_gateway("captioner.html") as gateway:
        await start(page, gateway.url)
        await gateway.until(lambda: gateway.received > gateway.rate_hz)
        yield gateway


def offsets_s(gateway: ResumableGateway, recording: Path) -> list[float]:
    """Return the offset between recording and received audio, in seconds, of each quarter of a second of speech."""
    received = soxr.resample(np.frombuffer(gateway.audio, "<i2").astype(np.float32), gateway.rate_hz, SAMPLE_RATE_HZ)
    with wave.open(str(recording)) as file:
        original = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
    length = SAMPLE_RATE_HZ // 4
    energy = np.sqrt(np.convolve(original**2, np.ones(length), "valid")) + 1
    found = []
    for at in range(0, received.size - length, length):
        window = received[at : at + length]
        if np.abs(window).mean() < 300:
            continue  # no speech
        likeness = np.correlate(original, window, "valid") / energy / np.linalg.norm(window)
        if likeness.max() > 0.8:
            found.append((int(likeness.argmax()) - at) / SAMPLE_RATE_HZ)
    return found


def jumps(offsets_s: list[float]) -> list[float]:
    """Return the jumps where audio is missing or repeated; Chromium itself stretches it by 10 ms on a busy machine."""
    return [float(step) for step in np.diff(offsets_s) if abs(step) > _PIECE_S - 0.005]


async def test_no_audio_is_lost_or_repeated_when_the_network_is_cut(page: Page, recording: Path) -> None:
    async with captioning(page) as gateway:
        for _ in range(2):
            gateway.accepts = False
            gateway.cut()
            await unsent(page, r"^[2-9]\.")
            gateway.accepts = True
            await unsent(page, r"^0\.0")
        await stop(page)
        offsets = offsets_s(gateway, recording)
        assert len(offsets) > 8
        assert jumps(offsets) == []
        assert gateway.gaps == []


async def test_unsent_audio_survives_a_reload(page: Page, recording: Path) -> None:
    async with captioning(page) as gateway:
        gateway.accepts = False
        gateway.cut()
        await unsent(page, r"^[3-9]\.")
        before = gateway.received
        await page.reload()
        gateway.accepts = True
        await gateway.until(lambda: gateway.received > before + 7 * gateway.rate_hz)
        await stop(page)
        offsets = offsets_s(gateway, recording)
        assert len(jumps(offsets)) == 1  # the page reopens the microphone, whose recording restarts
        assert gateway.gaps == []
        assert [hello["type"] for hello in gateway.hellos] == ["start", "resume"]


async def test_a_paused_session_sends_nothing_and_continues(page: Page) -> None:
    async with captioning(page) as gateway:
        await page.click("#pause")
        await expect(page.locator("#badge")).to_have_text("Paused")
        await gateway.until(lambda: len(gateway.controls) == 1)
        assert gateway.controls[0]["type"] == "flush"
        paused_at = gateway.received
        level = page.locator("#level")
        first = await level.evaluate("meter => meter.value")
        await page.wait_for_function("(first) => document.querySelector('#level').value !== first", arg=first)
        assert gateway.received == paused_at
        await page.click("#continue")
        await gateway.until(lambda: gateway.received > paused_at)
        await page.click("#pause")
        await stop(page)


async def test_stopping_need_not_wait_for_an_unreachable_gateway(page: Page) -> None:
    async with captioning(page) as gateway:
        gateway.accepts = False
        gateway.cut()
        await expect(page.locator("#state")).to_contain_text("Not connected")
        await page.click("#stop")
        await expect(page.locator("#state")).to_contain_text("The last audio is kept here and sent later.")
        await page.get_by_role("button", name="Stop now").click()
        await expect(page.locator("#state")).to_have_text("Stopped before all audio was transcribed.")
        await expect(page.locator("#start")).to_be_visible()


async def test_a_browser_that_requires_a_click_after_a_reload_gets_one(page: Page) -> None:
    await page.add_init_script(
        """if (sessionStorage.getItem("livecue.captioner") !== null) {
          const { get } = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, "state");
          let isClicked = false;
          addEventListener("click", () => (isClicked = true), true);
          Object.defineProperty(BaseAudioContext.prototype, "state", {
            get() { return isClicked ? get.call(this) : "suspended"; },
          });
        }"""
    )
    async with captioning(page) as gateway:
        await page.reload()
        await expect(page.locator("#problem")).to_contain_text("The browser requires a click")
        await gateway.until(lambda: len(gateway.controls) == 1)
        before = gateway.received
        await page.click("#continue")
        await gateway.until(lambda: gateway.received > before)
        await expect(page.locator("#problem")).to_be_hidden()


async def test_a_pause_outlasts_a_reload(page: Page) -> None:
    async with captioning(page) as gateway:
        await page.click("#pause")
        await gateway.until(lambda: len(gateway.controls) == 1)
        paused_at = gateway.received
        await page.reload()
        await expect(page.locator("#state")).to_contain_text("Paused: no audio is sent.")
        await gateway.until(lambda: len(gateway.hellos) == 2)
        assert gateway.received == paused_at
        await page.click("#continue")
        await gateway.until(lambda: gateway.received > paused_at)


async def test_an_evicted_page_reports_it_and_does_not_reconnect(page: Page) -> None:
    async with captioning(page) as gateway:
        await gateway.emit(type="error", code="resumed_elsewhere", message="resumed elsewhere", fatal=True)
        gateway.cut()
        await expect(page.locator("#problem")).to_have_text(
            "This session was resumed elsewhere; this page has stopped."
        )
        await expect(page.locator("#start")).to_be_visible()
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Not started.")
        assert len(gateway.hellos) == 1


async def test_a_tab_that_is_duplicated_leaves_the_session_alone(page: Page) -> None:
    async with captioning(page) as gateway:
        record = json.dumps(await page.evaluate("({ ...sessionStorage })"))
        other = await page.context.new_page()
        await other.add_init_script(f"Object.assign(sessionStorage, {record})")
        await other.goto(gateway.url)
        await expect(other.locator("#problem")).to_have_text(
            "The session of this tab is open in another tab. Continue there."
        )
        assert len(gateway.hellos) == 1


async def test_the_gateways_refusal_is_displayed_verbatim(page: Page) -> None:
    async with serving(ScriptedEngine()) as served:
        await page.goto(served.url)
        await page.evaluate("document.querySelector('#profile').add(new Option('odd', 'odd', true, true))")
        await page.click("#start")
        await expect(page.locator("#problem")).to_contain_text("Unknown cue profile 'odd'")
        await expect(page.locator("#start")).to_be_visible()


async def test_a_key_is_requested_if_the_gateway_requires_one(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        gateway.key = "secret"
        await page.goto(gateway.url)
        await expect(page.locator("#lock")).to_be_hidden()
        await page.click("#start")
        await page.fill("#key", "wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("#problem")).to_contain_text("The gateway does not accept this API key.")
        await page.fill("#key", "secret")
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("Live: speech is captioned.")
        await expect(page.locator("#lock")).to_be_hidden()
        await gateway.until(lambda: gateway.received > 0)
        await page.reload()
        await expect(page.locator("#state")).to_have_text("Live: speech is captioned.")


async def test_another_microphone_can_be_chosen_while_people_speak(page: Page) -> None:
    async with captioning(page) as gateway:
        labels = await page.locator("#device option").all_inner_texts()
        assert len(labels) > 2
        assert labels[0] == "The browser’s default"
        before = gateway.received
        await open_settings(page)
        await page.select_option("#device", index=2)
        await gateway.until(lambda: gateway.received > before + gateway.rate_hz)
        await expect(page.locator("#state")).to_have_text("Live: speech is captioned.")
        assert len(gateway.hellos) == 1


async def test_an_unplugged_microphone_is_reported_and_can_be_replaced(page: Page) -> None:
    await page.add_init_script(
        """const real = MediaDevices.prototype.getUserMedia;
        MediaDevices.prototype.getUserMedia = async function (constraints) {
          return (globalThis.plugged = await real.call(this, constraints));
        };
        globalThis.unplug = () => plugged.getAudioTracks()[0].dispatchEvent(new Event("ended"));"""
    )
    async with captioning(page) as gateway:
        await page.evaluate("unplug()")
        await expect(page.locator("#problem")).to_contain_text("The microphone was disconnected.")
        await expect(page.locator("#state")).to_have_text("Waiting for audio: nothing is captioned.")
        before = gateway.received
        await page.click("#continue")
        await gateway.until(lambda: gateway.received > before)
        await expect(page.locator("#problem")).to_be_hidden()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("NotAllowedError", "Allow it next to the address bar"),
        ("NotFoundError", "No microphone found. Connect one"),
        ("NotReadableError", "Another program may be using it"),
        ("OverconstrainedError", "Choose another one"),
    ],
)
async def test_an_unavailable_microphone_is_reported_with_a_remedy(page: Page, fault: str, expected: str) -> None:
    refusal = f"async () => {{ throw new DOMException('no', '{fault}'); }}"
    await page.add_init_script(f"MediaDevices.prototype.getUserMedia = {refusal};")
    async with serving_files() as served:
        await page.goto(served.url)
        await page.click("#start")
        await expect(page.locator("#problem")).to_contain_text(expected)
        await expect(page.locator("#start")).to_be_visible()


async def test_the_audio_of_a_tab_can_be_captioned(page: Page) -> None:
    async with resumable_gateway("captioner.html") as gateway:
        await page.goto(gateway.url)
        await page.select_option("#source", "tab")
        await expect(page.locator("#device-field")).to_be_hidden()
        await page.click("#start")
        await gateway.until(lambda: gateway.received > 16000)
        await page.reload()
        await expect(page.locator("#problem")).to_contain_text("Press “Continue”")
        before = gateway.received
        await page.click("#continue")
        await gateway.until(lambda: gateway.received > before)


async def test_captions_that_the_gateway_does_not_keep_are_discarded_only_after_confirmation(page: Page) -> None:
    asked: list[str] = []
    answers = iter((False, True))

    async def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await (dialog.accept() if next(answers) else dialog.dismiss())

    async with serving_files(settings={"journal": {"enabled": False}}) as served:
        await start(page, served.url)
        await until_mid_sentence(page, finals=1)
        await stop(page)
        page.on("dialog", answer)
        words = await page.inner_text("#history")
        await page.click("#start")
        assert await page.inner_text("#history") == words
        await page.click("#start")
        await expect(page.locator("#state")).to_have_text("Live: speech is captioned.")
        assert words not in await page.inner_text("#history")
        await stop(page)
    assert len(asked) == 2
    assert asked[0].startswith("Start a new session?")


async def test_leaving_a_live_session_needs_confirmation(page: Page) -> None:
    kinds: list[str] = []

    async def stay(dialog: Dialog) -> None:
        kinds.append(dialog.type)
        await dialog.dismiss()

    async with captioning(page):
        page.on("dialog", stay)
        await page.close(run_before_unload=True)
        await expect(page.locator("#state")).to_have_text("Live: speech is captioned.")
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


async def test_a_link_that_works_only_on_this_machine_is_marked(page: Page) -> None:
    async with serving_files() as served:
        await page.goto(served.url)
        await expect(page.locator("#unreachable")).to_be_visible()
        await expect(page.locator("#qr")).to_be_hidden()
        assert (await page.input_value("#link")).startswith(f"{served.url}/e/live-")


async def test_viewers_get_a_link_a_qr_code_and_downloads(page: Page) -> None:
    async with serving_files(settings={"server": {"public_url": "https://captions.example.com"}}) as served:
        await start(page, served.url)
        address = await link_of(page)
        assert address.startswith("https://captions.example.com/")
        await open_settings(page)
        await expect(page.locator("#unreachable")).to_be_hidden()
        await page.wait_for_function("() => document.querySelector('#qr').naturalWidth > 0")
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.click("#copy")
        await expect(page.locator("#copied")).to_have_text("Copied.")
        assert await page.evaluate("navigator.clipboard.readText()") == address
        hrefs = await page.locator("#exports [data-suffix]").evaluate_all(
            "links => links.map((link) => new URL(link.href).pathname)"
        )
        assert [href.rpartition(".")[2] for href in hrefs][:4] == ["txt", "docx", "srt", "vtt"]
