"""Clients of vosk-server against a running gateway; the tests send what the clients' sources send."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.compatibility import exercises
from tests.meeting import spoken_frames, spoken_words, words
from tests.servers import EMBEDDED, Served, serving
from tests.sessions import silence, speech, stuck_on_finals
from tests.uploading import wav
from tests.vosk_client import EOF, Reply, listened_to, spoken_in_turn, url_of
from vad.detector import DETECTORS

pytestmark = pytest.mark.timeout(180)

LONG = silence(0.4) + speech(20.0) + silence(1.6)
LONG_FRAMES = [LONG[at : at + 6_400] for at in range(0, len(LONG), 6_400)]
"""An utterance of 20 s, as vosk-server's own `test.py` sends it: 0.2 s a message."""


SPOKEN_WORDS = 10
"""Its transcript by the scripted engine."""


@asynccontextmanager
async def hearing_loudness(engine: Engine, decode_timeout_s: float = 30.0) -> AsyncIterator[Served]:
    """Run a gateway that takes for speech what is loud."""
    settings: dict[str, dict[str, object]] = {
        "session": {"detector": "loudness"},
        "scheduler": {"decode_timeout_s": decode_timeout_s},
    }
    with patch.dict(DETECTORS, loudness="tests.sessions:LoudnessDetector"):
        async with serving(engine, load_settings(settings)) as served:
            yield served


def texts(replies: list[Reply]) -> str:
    return " ".join(str(reply["text"]) for reply in replies if reply.get("text"))


@exercises("FreeSWITCH mod_vosk", "lock-step: a reply to each message, real speech, words with times")
async def test_each_message_has_one_reply_and_the_words_are_right() -> None:
    settings = load_settings(EMBEDDED)
    frames = spoken_frames()
    async with serving(create_engine(settings.engine), settings) as served:
        replies = await spoken_in_turn(served, frames)
    assert len(replies) == len(frames) + 1
    assert "text" in replies[-1]
    assert all(reply.keys() <= {"partial", "result", "text"} for reply in replies)
    transcript = words(texts(replies))
    assert len(set(transcript) & set(spoken_words())) > 0.9 * len(set(spoken_words()))
    timed = [word for reply in replies for word in reply.get("result") or []]  # type: ignore[attr-defined]  # JSON
    assert [word["word"] for word in timed] == texts(replies).split()
    assert timed == sorted(timed, key=lambda word: word["start"])


@exercises("Jitsi jigasi", "a config with a fraction, audio sent without waiting, eof, close 1000")
async def test_a_client_that_does_not_wait_gets_as_many_replies() -> None:
    frames = spoken_frames(5.0)
    async with serving(ScriptedEngine()) as served, connect(url_of(served)) as websocket:
        await websocket.send('{"config" : {"sample_rate" : 16000.0 }}')
        for frame in frames:
            await websocket.send(frame)
        await websocket.send(EOF)
        replies = await listened_to(websocket)
        assert websocket.close_code == 1000
    assert len(replies) == len(frames) + 1
    assert texts(replies)


@exercises("Asterisk res_speech_vosk", "8 kHz without a config, 3200 bytes a message, eof and close at once")
async def test_a_caller_that_hangs_up_leaves_the_gateway_intact() -> None:
    audio = b"".join(spoken_frames(6.0))
    narrow = b"".join(audio[at : at + 2] for at in range(0, len(audio), 4))
    async with serving(ScriptedEngine()) as served:
        async with connect(url_of(served)) as websocket:
            replies = []
            for at in range(0, len(narrow) - 3_200, 3_200):
                await websocket.send(narrow[at : at + 3_200])
                replies.append(json.loads(await websocket.recv()))
            await websocket.send(EOF)
        assert any(reply.get("partial") or reply.get("text") for reply in replies)
        assert texts(await spoken_in_turn(served, spoken_frames(3.0)))


@exercises("vosk-server test.py", "lock-step, 0.2 s a message: an utterance of 20 s without a pause")
async def test_an_utterance_of_20_s_has_a_reply_to_each_message() -> None:
    async with hearing_loudness(ScriptedEngine()) as served:
        replies = await spoken_in_turn(served, LONG_FRAMES)
    assert len(replies) == len(LONG_FRAMES) + 1
    assert len(texts(replies).split()) == SPOKEN_WORDS


@exercises("vosk-server test.js", "a WAV file as it is, in pieces of 64 KiB without a config, then eof; close 1000")
async def test_a_file_of_one_long_utterance_is_answered_piece_by_piece() -> None:
    narrow = b"".join(LONG[at : at + 2] for at in range(0, len(LONG), 4))
    file = wav(narrow, 8_000)
    pieces = [file[at : at + 65_536] for at in range(0, len(file), 65_536)]
    async with hearing_loudness(ScriptedEngine()) as served, connect(url_of(served)) as websocket:
        for piece in pieces:
            await websocket.send(piece)
        await websocket.send(EOF)
        replies = await listened_to(websocket)
        assert websocket.close_code == 1000
    assert len(replies) == len(pieces) + 1
    assert len(texts(replies).split()) == SPOKEN_WORDS


async def test_a_client_in_lock_step_gets_its_replies_from_an_engine_that_hangs() -> None:
    with patch("gateway.wire.vosk.codec.MAX_WAIT_S", 0.01):
        async with hearing_loudness(stuck_on_finals(), decode_timeout_s=0.5) as served:
            replies = await spoken_in_turn(served, [speech(0.5), *[silence(0.5)] * 30])
    assert len(replies) == 32
    assert {str(reply["error"]) for reply in replies if "error" in reply} == {"engine_timeout"}


async def test_a_client_that_is_silent_leaves_its_place_to_others_until_it_sends_again() -> None:
    settings = load_settings({"server": {"max_sessions": 1}, "session": {"idle_timeout_s": 0.05}})
    async with serving(ScriptedEngine(), settings) as served, connect(url_of(served)) as patient:
        assert await replied(patient, silence(0.1)) == {"partial": ""}
        await place_free(served)
        assert await spoken_in_turn(served, [silence(0.1)])
        await place_free(served)
        assert await replied(patient, silence(0.1)) == {"partial": ""}
        await place_free(served)
        with served.gateway.admission.enter():
            assert "limit" in str(await replied(patient, silence(0.1)))
            await patient.wait_closed()
            assert patient.close_code == 1013


async def replied(websocket: ClientConnection, message: bytes) -> Reply:
    await websocket.send(message)
    reply: Reply = json.loads(await websocket.recv())
    return reply


async def place_free(served: Served) -> None:
    with anyio.fail_after(5):
        await served.gateway.admission.emptied()


async def test_a_reset_ends_the_utterance() -> None:
    async with serving(ScriptedEngine()) as served, connect(url_of(served)) as websocket:
        await websocket.send('{"config":{"sample_rate":16000}}')
        for frame in spoken_frames(2.0):
            await websocket.send(frame)
        await websocket.send('{"reset" : 1}')
        await websocket.send(EOF)
        replies = await listened_to(websocket)
    assert texts(replies[-2:-1])
    assert replies[-1] == {"text": ""}


async def test_nonsense_before_the_audio_ends_the_connection() -> None:
    async with serving(ScriptedEngine()) as served, connect(url_of(served)) as websocket:
        await websocket.send('{"config":{"sample_rate":1}}')
        assert "sample rate" in json.loads(await websocket.recv())["error"]
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
        assert websocket.close_code == 1008


async def test_a_key_may_come_in_the_address() -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url_of(served))
        assert refused.value.response.status_code == 401
        async with connect(f"{url_of(served)}?token=secret") as websocket:
            await websocket.send(EOF)
            assert await listened_to(websocket) == [{"text": ""}]
