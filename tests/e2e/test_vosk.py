"""Clients of vosk-server against a running gateway; the tests send what the clients' sources send."""

import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from decoder.choice import create_engine
from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.compatibility import exercises
from tests.meeting import said_words, spoken_frames, words
from tests.servers import EMBEDDED, serving
from tests.vosk_client import EOF, Reply, listened_to, spoken_in_turn, url_of

pytestmark = pytest.mark.timeout(180)


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
    heard = words(texts(replies))
    assert len(set(heard) & set(said_words())) > 0.9 * len(set(said_words()))
    timed = [word for reply in replies for word in reply.get("result") or []]  # type: ignore[attr-defined]  # JSON
    assert [word["word"] for word in timed] == texts(replies).split()
    assert timed == sorted(timed, key=lambda word: word["start"])


@exercises("Jitsi jigasi", "a config with a fraction, sound sent without waiting, eof, close 1000")
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
async def test_a_caller_who_hangs_up_leaves_the_gateway_in_order() -> None:
    sound = b"".join(spoken_frames(6.0))
    narrow = b"".join(sound[at : at + 2] for at in range(0, len(sound), 4))
    async with serving(ScriptedEngine()) as served:
        async with connect(url_of(served)) as websocket:
            replies = []
            for at in range(0, len(narrow) - 3_200, 3_200):
                await websocket.send(narrow[at : at + 3_200])
                replies.append(json.loads(await websocket.recv()))
            await websocket.send(EOF)
        assert any(reply.get("partial") or reply.get("text") for reply in replies)
        assert texts(await spoken_in_turn(served, spoken_frames(3.0)))


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


async def test_nonsense_before_the_sound_ends_the_connection() -> None:
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
