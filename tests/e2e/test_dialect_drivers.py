"""Every driver against our own gateway, in every dialect that it serves."""

from collections.abc import AsyncIterator, Sequence

import pytest

from clients.dialects import DRIVERS
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Ready, TimedText, Transcript
from clients.dialects.session import drive, run_session
from clients.dialects.transports import open_transport
from decoder.engine_selection import create_engine
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.meeting import spoken_frames, wrong_share
from tests.realtime_client import at_24_khz, frames_of
from tests.servers import EMBEDDED, Served, serving

pytestmark = pytest.mark.timeout(180)

PATHS = {
    "native": "",
    "openai-realtime": "",
    "deepgram": "",
    "deepgram-flux": "",
    "vosk": "/v1/vosk",
    "wyoming": "",
    "openai-rest": "",
}
"""Dialect → path in the gateway's URL that a user writes."""

WITH_TIMES = {"native", "deepgram", "deepgram-flux", "vosk"}

WITH_COMMITTED_TEXT = {"native", "openai-realtime", "deepgram", "wyoming"}

WYOMING = {"server": {"wyoming": "tcp://127.0.0.1:0"}}

dialects = pytest.mark.parametrize("dialect", PATHS)


async def transcribed(
    served: Served, dialect: str, frames: Sequence[bytes], options: DriverOptions | None = None
) -> list[DriverEvent]:
    """Return the events of a session in a dialect."""
    driver = DRIVERS[dialect](options or DriverOptions(language="en"))
    at_rate = frames_of(at_24_khz(frames)) if driver.sample_rate_hz == 24_000 else frames

    async def audio() -> AsyncIterator[bytes]:
        for frame in at_rate:
            yield frame

    url = served.wyoming_url if dialect == "wyoming" else served.url + PATHS[dialect]
    events: list[DriverEvent] = []
    await run_session(driver, url, audio(), events.append)
    return events


def final_text(events: Sequence[DriverEvent]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Transcript) and event.is_final)


@dialects
async def test_a_gateway_is_transcribed_from_ready_to_finished(dialect: str) -> None:
    frames = spoken_frames(8.0)
    async with serving(ScriptedEngine(), load_settings(WYOMING)) as served:
        events = await transcribed(served, dialect, frames)
    transcripts = [event for event in events if isinstance(event, Transcript)]
    assert events[0] == Ready()
    assert events[-1] == Finished()
    assert final_text(events).startswith("two three four five six seven eight")
    assert any(not each.is_final for each in transcripts) is (dialect != "openai-rest")
    assert any(each.committed_chars is not None for each in transcripts) is (dialect in WITH_COMMITTED_TEXT)
    words = [word for each in transcripts if each.is_final for word in each.words]
    assert bool(words) is (dialect in WITH_TIMES)
    assert words == sorted(words, key=lambda word: word.start_s)
    assert words[:1] == ([TimedText("two", 0.4, 0.8)] if words else [])


@dialects
async def test_what_a_driver_calls_committed_stays_until_the_final(dialect: str) -> None:
    frames = spoken_frames(8.0)
    async with serving(ScriptedEngine(), load_settings(WYOMING)) as served:
        events = await transcribed(served, dialect, frames)
    committed: dict[str, str] = {}
    for event in events:
        if isinstance(event, Transcript) and not event.is_final:
            assert event.text.startswith(committed.get(event.segment, ""))
            committed[event.segment] = event.text[: event.committed_chars or 0]


@pytest.mark.parametrize("dialect", sorted(set(PATHS) - {"wyoming"}))
async def test_a_refused_key_is_a_failure_with_the_gateways_code(dialect: str) -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served:
        [failed] = await transcribed(served, dialect, spoken_frames(1.0), DriverOptions(api_key="wrong"))
        events = await transcribed(served, dialect, spoken_frames(1.0), DriverOptions(api_key="secret"))
    assert isinstance(failed, Failed)
    assert "key" in failed.message or "credentials" in failed.message
    assert events[-1] == Finished()


async def test_a_session_of_the_gateway_survives_a_cut_connection() -> None:
    frames = spoken_frames(8.0)
    driver = DRIVERS["native"](DriverOptions(language="en"))
    events: list[DriverEvent] = []

    async def rest() -> AsyncIterator[bytes]:
        for frame in frames[40:]:
            yield frame

    async with serving(ScriptedEngine()) as served:
        target = driver.target(served.url)
        async with open_transport(target) as connection:
            driver.open()
            for frame in frames[:40]:
                driver.send_audio(frame)
            for message in driver.take_outgoing():
                await connection.send(message)
            while not any(isinstance(event, Transcript) and event.is_final for event in events):
                events += driver.receive(await connection.receive())
        assert driver.lose()
        async with open_transport(target) as connection:
            await drive(driver, connection, rest(), events.append)
        uncut = await transcribed(served, "native", frames)
    assert events.count(Ready()) == 2
    assert final_text(events) == final_text(uncut)
    assert events[-1] == Finished()


async def test_an_option_that_the_gateway_does_not_know_is_a_failure() -> None:
    options = DriverOptions(extra={"endpointing.silence": "300"})
    async with serving(ScriptedEngine()) as served:
        [failed] = await transcribed(served, "native", spoken_frames(1.0), options)
    assert isinstance(failed, Failed)
    assert "silence_ms" in failed.message


@pytest.mark.parametrize("dialect", ["native", "openai-realtime"])
async def test_the_words_of_real_speech_are_right_at_either_rate(dialect: str) -> None:
    settings = load_settings(EMBEDDED)
    async with serving(create_engine(settings.engine), settings) as served:
        events = await transcribed(served, dialect, spoken_frames())
    assert wrong_share(final_text(events)) <= 0.06
