"""Deepgram's routes over real sockets: admission, refusals, and files."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest
from anyio import to_thread
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from decoder.engines.scripted import ScriptedEngine
from gateway.http.deepgram.file_response import bearer_authorization
from gateway.settings import load_settings
from tests.media import encoded
from tests.servers import Reply, Served, serving
from tests.sessions import silence, speech
from tests.uploading import SPOKEN, SPOKEN_TEXT, serving_files, utterances

RAW = "encoding=linear16&sample_rate=16000"
CLOSE = '{"type":"CloseStream"}'
WITH_KEY = {"server": {"api_keys": ["secret"]}}


def url_of(served: Served, path: str = f"/v1/listen?{RAW}") -> str:
    return served.url.replace("http", "ws", 1) + path


async def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    def send() -> Reply:
        request = urllib.request.Request(url, body, dict(headers or {"content-type": "audio/wav"}))  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310  # loopback
                return Reply(response.status, response.read(), dict(response.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.read(), dict(error.headers))

    return await to_thread.run_sync(send)


async def until_closed(websocket: ClientConnection) -> None:
    while True:
        await websocket.recv()


def transcript(reply: Reply) -> object:
    match reply.json():
        case {"results": {"channels": [{"alternatives": [{"transcript": text}]}]}}:
            return text
    raise AssertionError(reply.body)


# --- who is let in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [f"/v1/listen?{RAW}", f"/v2/listen?model=flux-general-en&{RAW}"])
@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer", "bearer"])
async def test_every_scheme_of_the_client_brings_in_its_key(path: str, scheme: str) -> None:
    async with (
        serving(ScriptedEngine(), load_settings(WITH_KEY)) as served,
        connect(url_of(served, path), additional_headers={"Authorization": f"{scheme} secret"}) as websocket,
    ):
        assert websocket.response is not None
        assert len(websocket.response.headers["dg-request-id"]) == 36
        await websocket.send(CLOSE)
        messages = [json.loads(message) async for message in websocket]
        assert messages[0]["request_id"] == websocket.response.headers["dg-request-id"]
        assert websocket.close_code == 1000


@pytest.mark.parametrize(
    "protocols", [["token", "secret"], ["bearer", "secret"], ["token", "secret", "x-deepgram-session-id", "7"]]
)
async def test_a_page_brings_its_key_as_a_subprotocol_which_is_not_echoed(protocols: list[str]) -> None:
    async with (
        serving(ScriptedEngine(), load_settings(WITH_KEY)) as served,
        connect(url_of(served), subprotocols=[Subprotocol(name) for name in protocols]) as websocket,
    ):
        assert websocket.subprotocol == protocols[0]
        await websocket.send(CLOSE)
        assert json.loads(await websocket.recv())["type"] == "Metadata"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Token wrong"}, {"Authorization": "Basic secret"}])
async def test_without_the_key_the_upgrade_is_refused_as_there(headers: dict[str, str]) -> None:
    async with serving(ScriptedEngine(), load_settings(WITH_KEY)) as served:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url_of(served), additional_headers=headers).__aenter__()
        reply = await post(f"{served.url}/v1/listen", SPOKEN, headers)
    response = refusal.value.response
    body = json.loads(response.body or b"")
    assert response.status_code == reply.status == 401
    assert body["err_code"] == reply.json()["err_code"] == "INVALID_AUTH"
    assert body["request_id"] == response.headers["dg-request-id"]
    assert response.headers["dg-error"] == body["err_msg"]


def test_other_schemes_are_left_as_they_are() -> None:
    assert bearer_authorization("Basic abc") == "Basic abc"
    assert bearer_authorization(None) is None
    assert bearer_authorization("Token") == "Bearer "


@pytest.mark.parametrize("path", ["/v1/listen?encoding=g729", "/v2/listen?eot_threshold=2", "/v1/listen?language=de"])
async def test_an_unsupported_option_is_refused_before_the_upgrade(path: str) -> None:
    engine = ScriptedEngine()
    object.__setattr__(engine.info, "languages", ("en",))
    async with serving(engine) as served:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url_of(served, path)).__aenter__()
    assert refusal.value.response.status_code == 400
    assert json.loads(refusal.value.response.body or b"")["err_code"] == "INVALID_QUERY_PARAMETER"


async def test_a_full_gateway_refuses_before_the_upgrade() -> None:
    settings = load_settings({"server": {"max_sessions": 1}})
    async with serving(ScriptedEngine(), settings) as served, connect(url_of(served)):
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url_of(served)).__aenter__()
    assert refusal.value.response.status_code == 503
    assert refusal.value.response.headers["retry-after"] == "5"


async def test_a_foreign_page_may_not_connect() -> None:
    async with serving(ScriptedEngine()) as served:
        with pytest.raises(InvalidStatus) as refusal:
            await connect(url_of(served), origin=Origin("https://evil.example")).__aenter__()
    assert refusal.value.response.status_code == 403


# --- how it ends -------------------------------------------------------------------------------------------------


async def test_a_silent_client_gets_the_reason_in_the_close_frame() -> None:
    settings = load_settings({"session": {"idle_timeout_s": 0.1}})
    async with serving(ScriptedEngine(), settings) as served, connect(url_of(served)) as websocket:
        with pytest.raises(ConnectionClosed) as closed:
            await until_closed(websocket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert "NET-0001" in closed.value.rcvd.reason


@pytest.mark.parametrize("query", [RAW, ""])
async def test_undecodable_audio_is_reported_in_the_close_frame(query: str) -> None:
    async with serving(ScriptedEngine()) as served, connect(url_of(served, f"/v1/listen?{query}")) as websocket:
        await websocket.send(b"fLaC" + bytes(100_000))
        await websocket.send(CLOSE)
        with pytest.raises(ConnectionClosed) as closed:
            await until_closed(websocket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert "DATA-0000" in closed.value.rcvd.reason


@pytest.mark.parametrize("path", ["/v1/listen", "/v2/listen"])
async def test_a_recorders_webm_is_transcribed_on_both_routes(path: str) -> None:
    async with serving_files() as served, connect(url_of(served, path)) as websocket:
        file = encoded("webm", 2.0)
        for start in range(0, len(file), 2_000):
            await websocket.send(file[start : start + 2_000])
        await websocket.send(CLOSE)
        replies = [json.loads(message) async for message in websocket]
    ends = [message for message in replies if message.get("is_final") or message.get("event") == "EndOfTurn"]
    text = ends[0].get("transcript") or ends[0]["channel"]["alternatives"][0]["transcript"]
    assert text.startswith("one two three four")


# --- files -------------------------------------------------------------------------------------------------------


async def test_a_file_is_answered_as_there() -> None:
    async with serving_files() as served:
        query = "model=nova-3&utterances=true&extra=call:7&detect_language=true"
        reply = await post(f"{served.url}/v1/listen?{query}", SPOKEN)
    body = reply.json()
    assert reply.status == 200
    assert transcript(reply) == SPOKEN_TEXT
    metadata, results = body["metadata"], body["results"]
    assert isinstance(metadata, dict)
    assert isinstance(results, dict)
    assert metadata["request_id"] == reply.headers["dg-request-id"]
    assert (metadata["duration"], metadata["channels"], metadata["extra"]) == (5.0, 1, {"call": "7"})
    assert len(metadata["sha256"]) == 64
    assert [utterance["transcript"] for utterance in results["utterances"]] == [
        "two three four five",
        "eight nine ten one",
    ]
    assert results["channels"][0]["detected_language"] == "en"
    words = results["channels"][0]["alternatives"][0]["words"]
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)


async def test_raw_audio_is_a_file_where_the_query_has_its_format() -> None:
    async with serving_files() as served:
        reply = await post(f"{served.url}/v1/listen?{RAW}", utterances(2), {"content-type": "application/octet-stream"})
    assert transcript(reply) == SPOKEN_TEXT


@pytest.mark.parametrize(
    ("query", "body", "content_type", "status", "err_code"),
    [
        ("", b"", "audio/wav", 400, "Bad Request"),
        ("", b"no audio at all", "audio/wav", 400, "Bad Request"),
        ("", b'{"url":"http://127.0.0.1/a.wav"}', "application/json", 400, "Bad Request"),
        (RAW, SPOKEN, "audio/wav", 400, "Bad Request"),
        ("callback=http://127.0.0.1/", SPOKEN, "audio/wav", 400, "INVALID_QUERY_PARAMETER"),
        (f"multichannel=true&channels=2&{RAW}", SPOKEN, "audio/wav", 400, "INVALID_QUERY_PARAMETER"),
        ("", SPOKEN, "audio/wav", 413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_a_file_that_cannot_be_served_is_refused_as_there(
    query: str, body: bytes, content_type: str, status: int, err_code: str
) -> None:
    limits = {"uploads": {"max_body_bytes": 1_000}} if status == 413 else {}
    async with serving_files(settings=limits) as served:
        reply = await post(f"{served.url}/v1/listen?{query}", body, {"content-type": content_type})
    assert (reply.status, reply.json()["err_code"]) == (status, err_code)
    assert reply.json()["request_id"] == reply.headers["dg-request-id"]


async def test_silence_is_a_file_without_words() -> None:
    async with serving_files() as served:
        reply = await post(f"{served.url}/v1/listen?{RAW}", silence(2.0) + speech(0.0), {"content-type": "audio/raw"})
    assert transcript(reply) == ""
