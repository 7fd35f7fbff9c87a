"""The captioner page around the captions: test, options, names, sinks, settings, recordings."""

import re
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.captioning import open_settings, stop
from tests.browser.prepared import captioner, live_captioner
from tests.browsers import write_wav
from tests.sessions import silence, speech
from tests.uploading import serving_files

TEXT = "good evening"

DISTORT = """MediaDevices.prototype.getUserMedia = async () => {
  const context = new AudioContext();
  const [tone, gain, microphone] = [new OscillatorNode(context), new GainNode(context, { gain: 4 }),
    new MediaStreamAudioDestinationNode(context)];
  tone.connect(gain).connect(microphone);
  tone.start();
  return microphone.stream;
};"""
"""A microphone whose audio is clipped."""


async def test_a_test_displays_words_to_nobody_else_and_is_deleted(page: Page) -> None:
    async with captioner(page) as prepared:
        await page.click("#test")
        await expect(page.locator("#badge")).to_have_text("Test")
        await prepared.gateway.until(lambda: prepared.gateway.received > 0)
        assert "event" not in prepared.gateway.hellos[0]
        assert await page.locator("#level").evaluate("meter => meter.max") == 1
        await prepared.final(0, TEXT)
        await expect(page.locator("#history .words")).to_have_text([TEXT])
        async with page.expect_event("requestfinished", lambda request: request.method == "DELETE"):
            await page.click("#test")
        await expect(page.locator("#badge")).to_have_text("Ready")
        await expect(page.locator("#history p")).to_have_count(0)
        assert [call.path for call in prepared.api.called("DELETE")] == ["/v1/sessions/s1"]


async def test_a_start_during_a_test_begins_without_the_words_of_the_test(page: Page) -> None:
    async with serving_files() as served:
        await page.goto(served.url)
        await page.click("#test")
        await expect(page.locator("#history p").first).to_be_visible()
        await page.click("#start")
        await expect(page.locator("#history p")).to_have_count(0)
        await expect(page.locator("#badge")).to_have_text("Live")
        await expect(page.locator("#history p").first).to_be_visible()
        await stop(page)
        sessions = await (await page.request.get(f"{served.url}/v1/sessions?all=true")).json()
        assert len(sessions["data"]) == 1


async def test_title_names_and_terms_are_in_the_start_message_and_remembered(page: Page) -> None:
    async with captioner(page) as prepared:
        await page.fill("#title", "Town council")
        await page.fill("#vocabulary", "Okonkwo, Llanfair")
        await page.fill("#names input[type=text]", "Ann")
        await page.fill("#names input[type=color]", "#ff0000")
        await page.reload()
        await page.click("#start")
        await expect(page.locator("#badge")).to_have_text("Live")
        start = prepared.gateway.hellos[0]
        assert start["title"] == "Town council"
        assert start["engine"] == {"prompt": "Okonkwo, Llanfair"}
        assert start["names"] == [{"channel": 0, "name": "Ann", "color": "#ff0000"}]
        await expect(page.locator("#vocabulary")).to_be_disabled()
        assert prepared.api.called("PUT", "/v1/events/")[-1].body == {"title": "Town council"}


async def test_a_new_title_applies_to_the_live_session_and_to_the_event(page: Page) -> None:
    async with live_captioner(page, TEXT) as prepared:
        async with page.expect_event("requestfinished", lambda request: request.method == "PATCH"):
            await page.fill("#title", "Town council")
            await page.keyboard.press("Enter")
        assert prepared.api.called("PATCH")[-1].path == "/v1/sessions/s1"
        assert prepared.api.called("PATCH")[-1].body == {"title": "Town council", "names": []}


async def test_a_title_from_elsewhere_is_displayed(page: Page) -> None:
    async with live_captioner(page, TEXT) as prepared:
        await prepared.gateway.emit(type="details", title="Renamed", names=[])
        await expect(page.locator("#title")).to_have_value("Renamed")


async def test_each_channel_gets_a_line_for_its_name(page: Page) -> None:
    async with live_captioner(page, TEXT) as prepared:
        await prepared.final(1, "and welcome", channel=1)
        await open_settings(page)
        await expect(page.locator("#names li")).to_have_count(2)
        names = page.locator("#names input[type=text]")
        await expect(names.last).to_have_accessible_name("Name of channel 2")


async def test_a_sink_that_has_failed_is_reported(page: Page) -> None:
    async with live_captioner(page, TEXT) as prepared:
        zoom = {"name": "zoom", "state": "ok", "sent": 12, "queued": 0, "message": None}
        await prepared.gateway.emit(type="sinks", sinks=[zoom])
        await open_settings(page)
        await expect(page.locator("#sinks li")).to_have_text(["zoomArrives · 12 sent"])
        await expect(page.locator("#problem")).to_be_hidden()
        failed = zoom | {"state": "failed", "queued": 3, "message": "401 from Zoom"}
        await prepared.gateway.emit(type="sinks", sinks=[failed])
        await expect(page.locator("#sinks li")).to_have_text(["zoomFailed · 12 sent, 3 waiting · 401 from Zoom"])
        await expect(page.locator("#problem")).to_contain_text("Captions do not arrive at zoom.")


async def test_the_settings_are_behind_one_button_while_live(page: Page) -> None:
    async with live_captioner(page, TEXT):
        settings = page.locator("#settings")
        await expect(settings).to_be_hidden()
        await open_settings(page)
        await expect(page.locator("#toggle-settings")).to_have_attribute("aria-expanded", "true")
        await expect(page.locator("#close-settings")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(settings).to_be_hidden()
        await expect(page.locator("#toggle-settings")).to_be_focused()
        await page.click("#stop")
        await expect(settings).to_be_visible()


async def test_all_captions_are_copied(page: Page) -> None:
    async with live_captioner(page, TEXT, "and welcome") as prepared:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=prepared.gateway.url)
        await page.click("#copy-all")
        await expect(page.locator("#copied-all")).to_have_text("Copied.")
        assert await page.evaluate("navigator.clipboard.readText()") == f"{TEXT}\nand welcome\n"


async def test_earlier_captions_stay_in_view_until_the_newest_is_wanted(page: Page) -> None:
    async with live_captioner(page, *(f"sentence {number}" for number in range(20))) as prepared:
        scroller = page.locator(".scroller")
        await scroller.evaluate("element => element.scrollTo(0, -200)")
        await expect(page.locator("#newest")).to_be_visible()
        await prepared.final(20, "the newest")
        await expect(page.locator("#history p")).to_have_count(21)
        assert await scroller.evaluate("element => element.scrollTop") < -100
        await page.click("#newest")
        await expect(page.locator("#newest")).to_be_hidden()
        await expect(page.get_by_text("the newest", exact=True)).to_be_in_viewport()


async def test_the_time_since_the_start_outlives_a_reload(page: Page) -> None:
    async with live_captioner(page, TEXT):
        await page.add_init_script("Date.now = ((now) => () => now() + 3_725_000)(Date.now)")
        await page.reload()
        await expect(page.locator("#elapsed")).to_have_text(re.compile("^1:02:"))


async def test_a_recording_is_transcribed_with_its_progress(page: Page, tmp_path: Path) -> None:
    recording = write_wav(tmp_path / "talk.wav", silence(0.5) + speech(2.0) + silence(0.5))
    async with captioner(page) as prepared:
        await page.fill("#title", "Tonight")
        await page.set_input_files("#file", recording)
        await expect(page.locator("#badge")).to_have_text("Ended")
        start = prepared.gateway.hellos[0]
        assert (start["file"], start["title"]) == (True, "talk.wav")
        assert "event" not in start
        assert start["audio"] == {"encoding": "pcm_s16le", "sample_rate_hz": 16000, "channels": 1}
        assert prepared.gateway.received == 48_000


async def test_a_file_without_audio_is_refused_with_a_remedy(page: Page, tmp_path: Path) -> None:
    (tmp_path / "notes.mp3").write_text("not audio")
    async with captioner(page) as prepared:
        await page.set_input_files("#file", tmp_path / "notes.mp3")
        await expect(page.locator("#problem")).to_contain_text("This browser cannot read the audio of notes.mp3.")
        await expect(page.locator("#badge")).to_have_text("Ready")
        assert prepared.gateway.hellos == []


async def test_the_page_speaks_the_chosen_language_at_once(page: Page) -> None:
    async with live_captioner(page, TEXT):
        await open_settings(page)
        await page.select_option("#interface", "de")
        await expect(page.locator("#pause")).to_have_text("Pause")
        await expect(page.locator("#stop")).to_have_text("Beenden")
        await expect(page.locator("#state")).to_have_text("Live: Gesprochenes wird untertitelt.")
        await expect(page.locator("#language option").first).to_have_text("Automatisch erkannt")


async def test_distorted_audio_is_reported_with_a_remedy(page: Page) -> None:
    await page.add_init_script(DISTORT)
    async with live_captioner(page):
        await expect(page.locator("#level-notice")).to_contain_text("too loud and distorted")
        await expect(page.locator("#device-name")).to_be_hidden()


async def test_the_microphone_in_use_is_named(page: Page) -> None:
    async with live_captioner(page):
        await expect(page.locator("#device-name")).to_have_text("Fake Default Audio Input")
        await page.click("#stop")
        await expect(page.locator("#device-name")).to_be_empty()


async def test_there_is_nothing_to_save_before_the_first_words(page: Page) -> None:
    async with live_captioner(page) as prepared:
        await expect(page.locator("#exports a").first).to_be_attached()
        await expect(page.locator("#downloads")).to_be_hidden()
        await prepared.final(0, TEXT)
        await expect(page.locator("#downloads")).to_be_visible()
