"""The same recording has the same words in every dialect."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import cache, partial

import anyio
import pytest

from clients.paced_media import MEDIA_FORMAT
from clients.stream import stream
from decoder.engine_selection import create_engine
from gateway.in_process import local_connection
from gateway.settings import load_settings
from gateway.wire import CODECS, Final, Start
from tests import deepgram_client, realtime_client, vosk_client, wyoming_client
from tests.calls import CallFrame, media_of, start_of, watched_call
from tests.meeting import spoken_frames, words
from tests.servers import EMBEDDED, Served, serving

pytestmark = pytest.mark.timeout(180)

Speak = Callable[[Served, Sequence[bytes]], Awaitable[str]]
"""Sends frames of the recording in a dialect and returns all words of its finals."""


async def speak_vosk(served: Served, frames: Sequence[bytes]) -> str:
    replies = await vosk_client.spoken_in_turn(served, frames)
    return " ".join(str(reply["text"]) for reply in replies if reply.get("text"))


async def speak_wyoming(served: Served, frames: Sequence[bytes]) -> str:
    return await wyoming_client.ask(served, frames) or ""


async def speak_twilio(served: Served, frames: Sequence[bytes]) -> str:
    """A call of Plivo's kind: the narrowband audio of the others changes the words."""
    frame_ms = 100
    sent = [media_of("plivo", CallFrame(n + 1, n * frame_ms, data)) for n, data in enumerate(frames)]
    events = await watched_call(served, start_of("plivo"), *sent)
    return " ".join(str(event["text"]) for event in events if event["type"] == "final")


async def speak_openai_realtime(served: Served, frames: Sequence[bytes]) -> str:
    async with (
        realtime_client.client_of(served) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        silence = bytes(32_000)  # the last turn ends by itself
        await realtime_client.speak(connection, [*frames, silence], format={"type": "audio/pcm", "rate": 16_000})
        return " ".join(realtime_client.transcripts(await realtime_client.events_until_settled(connection)))


DIALECTS: dict[str, Speak] = {
    "openai_realtime": speak_openai_realtime,
    "deepgram": deepgram_client.speak,
    "deepgram_flux": deepgram_client.speak_flux,
    "twilio": speak_twilio,
    "vosk": speak_vosk,
    "wyoming": speak_wyoming,
}

SPOKEN_S = 13.4
"""Of the recording: two sentences of each voice."""

SETTINGS = {**EMBEDDED, "server": {"wyoming": "tcp://127.0.0.1:0"}}


@cache
def native_words() -> list[str]:
    """Return the words of the native dialect's finals."""
    finals: list[str] = []

    async def run() -> None:
        await stream(
            partial(local_connection, load_settings(SETTINGS)),
            Start(MEDIA_FORMAT),
            _one_by_one(spoken_frames(SPOKEN_S)),
            lambda event: finals.append(event.text) if isinstance(event, Final) else None,
        )

    anyio.run(run)
    return words(" ".join(finals))


async def _one_by_one(frames: Sequence[bytes]) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame


def test_every_dialect_is_here() -> None:
    assert DIALECTS.keys() == CODECS.keys() - {"native"}


@pytest.mark.parametrize(
    "dialect",
    [each if each in ("deepgram", "twilio") else pytest.param(each, marks=pytest.mark.slow) for each in DIALECTS],
)
def test_the_words_are_those_of_the_native_dialect(dialect: str) -> None:
    async def run() -> str:
        settings = load_settings(SETTINGS)
        async with serving(create_engine(settings.engine), settings) as served:
            return await DIALECTS[dialect](served, spoken_frames(SPOKEN_S))

    assert words(anyio.run(run)) == native_words()
