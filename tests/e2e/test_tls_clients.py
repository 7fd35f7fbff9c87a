"""Real clients over TLS, with a certificate of an authority that they trust."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.websocket_connection_options import WebSocketConnectionOptions
from websockets.asyncio.client import connect

from decoder.engines.scripted import ScriptedEngine
from gateway.settings import load_settings
from tests.certificates import Authority
from tests.compatibility import exercises
from tests.meeting import spoken_frames
from tests.realtime_client import at_24_khz, events_until_settled, frames_of, speak, transcripts
from tests.servers import Served, serving
from tests.uploading import wav
from tests.vosk_client import EOF, listened_to

pytestmark = pytest.mark.timeout(180)

SERVER_VAD = {"type": "server_vad"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def secured(authority: Authority) -> AsyncIterator[tuple[Served, AsyncOpenAI]]:
    """Run a gateway with a certificate, and OpenAI's client of it."""
    settings = load_settings({"server": authority.sign().settings()})
    async with (
        serving(ScriptedEngine(), settings) as served,
        DefaultAsyncHttpxClient(verify=authority.trusted()) as http,
        AsyncOpenAI(api_key="any", base_url=f"{served.url}/v1", http_client=http, max_retries=0) as client,
    ):
        yield served, client


@exercises("openai", "https: a file")
async def test_a_file_through_tls(authority: Authority) -> None:
    async with secured(authority) as (_, client):
        file = "talk.wav", wav(b"".join(spoken_frames(5.0)))
        transcription = await client.audio.transcriptions.create(file=file, model="whisper-1")
    assert transcription.text


@exercises("openai", "wss: Realtime with server_vad")
async def test_realtime_through_tls(authority: Authority) -> None:
    trust = cast("WebSocketConnectionOptions", {"ssl": authority.trusted()})  # websockets takes it, and is given it
    async with (
        secured(authority) as (_, client),
        client.realtime.connect(
            extra_query={"intent": "transcription"}, websocket_connection_options=trust
        ) as connection,
    ):
        await speak(connection, frames_of(at_24_khz(spoken_frames(5.0))), turn_detection=SERVER_VAD)
        events = await events_until_settled(connection)
    assert "".join(transcripts(events))


@exercises("websockets", "wss: a session of vosk-server's dialect, close 1000")
async def test_a_websocket_through_tls(authority: Authority) -> None:
    async with secured(authority) as (served, _):
        address = served.url.replace("https", "wss", 1) + "/v1/vosk"
        async with connect(address, ssl=authority.trusted()) as websocket:
            await websocket.send('{"config":{"sample_rate":16000}}')
            for frame in spoken_frames(5.0):
                await websocket.send(frame)
            await websocket.send(EOF)
            replies = await listened_to(websocket)
    assert websocket.close_code == 1000
    assert any(reply.get("text") for reply in replies)
