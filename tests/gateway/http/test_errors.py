"""Every error over HTTP: one shape, the right status, and a request id, the framework's own errors included."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from unittest.mock import patch

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from decoder.types import EngineFailed
from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.sqlite import StateDatabase
from tests.servers import Served
from tests.uploading import SPOKEN, SPOKEN_TEXT, GatedEngine, recorded_waits, serving_files, utterances, wav

SHAPE = {"code", "message", "type", "param", "details"}

Groups = Mapping[str, Mapping[str, object]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(database: Path) -> Iterator[KeyStore]:
    with closing(StateDatabase(database, (KEYS_SCHEMA,))) as opened:
        yield KeyStore(opened)


@asynccontextmanager
async def http(settings: Groups | None = None) -> AsyncIterator[tuple[httpx2.AsyncClient, Served]]:
    async with serving_files(settings=settings) as served, httpx2.AsyncClient(base_url=served.url) as client:
        yield client, served


@asynccontextmanager
async def openai_client(
    key: str = "any", settings: Groups | None = None, engine: GatedEngine | None = None, max_retries: int = 0
) -> AsyncIterator[AsyncOpenAI]:
    async with (
        serving_files(engine, settings) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=max_retries) as client,
    ):
        yield client


def error_of(response: httpx2.Response) -> dict[str, object]:
    error = response.json()["error"]
    assert error.keys() == SHAPE
    assert response.headers["x-request-id"]
    assert isinstance(error, dict)
    return error


async def refused(client: AsyncOpenAI, kind: type[openai.APIStatusError], **fields: str) -> openai.APIStatusError:
    with pytest.raises(kind) as raised:
        await client.audio.transcriptions.create(file=SPOKEN, model="whisper-1", extra_body=fields)
    assert raised.value.request_id is not None
    assert isinstance(raised.value.body, dict)
    assert raised.value.body.keys() == SHAPE
    return raised.value


async def test_a_field_with_a_wrong_value_is_400_and_named() -> None:
    async with openai_client() as client:
        error = await refused(client, openai.BadRequestError, temperature="3")
    assert (error.code, error.param, error.type) == ("validation_error", "temperature", "invalid_request_error")


async def test_without_the_key_it_is_401() -> None:
    async with openai_client(settings={"server": {"api_keys": ["secret"]}}) as client:
        error = await refused(client, openai.AuthenticationError)
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
    assert (error.code, error.type) == ("unauthorized", "authentication_error")


async def test_with_the_key_it_is_served() -> None:
    async with openai_client("secret", {"server": {"api_keys": ["secret"]}}) as client:
        assert (await client.audio.transcriptions.create(file=SPOKEN, model="any")).text == SPOKEN_TEXT


async def test_a_credit_is_used_up_by_files_and_then_it_is_402(store: KeyStore, database: Path) -> None:
    key = store.create("demo", 0.0, credit_s=6.0)
    async with openai_client(key, {"state": {"database": database}}) as client:
        assert (await client.audio.transcriptions.create(file=SPOKEN, model="any")).text == SPOKEN_TEXT
        running_out = await refused(client, openai.APIStatusError)
        used_up = await refused(client, openai.APIStatusError)
    for error in (running_out, used_up):
        assert (error.status_code, error.code, error.type) == (402, "insufficient_credits", "insufficient_quota")


async def test_a_credit_may_be_used_to_its_last_second(store: KeyStore, database: Path) -> None:
    key = store.create("demo", 0.0, credit_s=5.0)
    async with openai_client(key, {"state": {"database": database}}) as client:
        assert (await client.audio.transcriptions.create(file=SPOKEN, model="any")).text == SPOKEN_TEXT


async def test_a_rate_limited_key_gets_the_time_until_a_retry(store: KeyStore, database: Path) -> None:
    key = store.create("demo", 0.0, requests_per_minute=1)
    async with openai_client(key, {"state": {"database": database}}, max_retries=1) as client:
        waits = recorded_waits(client)
        await client.models.list()
        error = await refused(client, openai.RateLimitError)
    assert len(waits) == 1
    assert 55 < waits[0] <= 60
    assert (error.code, error.type) == ("rate_limited", "rate_limit_error")
    assert 55 < int(error.response.headers["Retry-After"]) <= 60


async def test_a_body_that_is_too_large_is_413() -> None:
    async with openai_client(settings={"uploads": {"max_body_bytes": 10_000}}) as client:
        error = await refused(client, openai.APIStatusError)
    assert (error.status_code, error.code) == (413, "payload_too_large")


@pytest.mark.parametrize("file", [b"no audio at all", b"#EXTM3U\nhttp://127.0.0.1/\n"])
async def test_a_file_without_audio_is_415(file: bytes) -> None:
    async with openai_client() as client:
        with pytest.raises(openai.APIStatusError) as raised:
            await client.audio.transcriptions.create(file=file, model="any")
    assert (raised.value.status_code, raised.value.code) == (415, "unsupported_media")


async def test_an_internal_error_is_500_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    async with openai_client() as client:
        with patch("gateway.http.openai.transcription_response.read_order", side_effect=RuntimeError("a secret")):
            error = await refused(client, openai.InternalServerError)
    assert (error.status_code, error.code, error.type) == (500, "internal_error", "server_error")
    assert "a secret" not in str(error)
    assert "a secret" in caplog.text


async def test_an_engine_error_before_the_first_word_of_a_stream_is_a_status() -> None:
    engine = GatedEngine(lambda _: EngineFailed("out of luck"))
    async with openai_client(engine=engine) as client:
        with pytest.raises(openai.InternalServerError, match="out of luck") as raised:
            await client.audio.transcriptions.create(file=wav(utterances(1)), model="any", stream=True)
    assert raised.value.status_code == 503


async def test_one_file_too_many_is_503_with_retry_after_however_large_it_is() -> None:
    engine = GatedEngine()
    engine.gate = anyio.Event()
    large = wav(bytes(20_000_000))
    async with (
        openai_client(engine=engine, settings={"files": {"max_files": 1}}) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(partial(client.audio.transcriptions.create, file=SPOKEN, model="any"))
        await engine.has_been_asked.wait()
        with pytest.raises(openai.InternalServerError, match="1 files are open") as raised:
            await client.audio.transcriptions.create(file=large, model="any")
        engine.gate.set()
    assert (raised.value.status_code, raised.value.code) == (503, "overloaded")
    assert raised.value.response.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/audio/transcription", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/audio/transcriptions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("GET", "/v1/models/nope", 404, "not_found"),
    ],
)
async def test_refusals_of_the_framework_have_the_same_shape(method: str, path: str, status: int, code: str) -> None:
    async with http() as (client, _):
        response = await client.request(method, path)
    assert (response.status_code, error_of(response)["code"]) == (status, code)
    if status == 405:
        assert response.headers["Allow"] in str(error_of(response)["message"])


@pytest.mark.parametrize("body", [{"model": "any"}, {}])
async def test_a_form_without_a_file_or_a_model_is_400(body: dict[str, str]) -> None:
    async with http() as (client, _):
        parts = {"other": (None, b"a field that is not known")} if body else {"file": ("talk", SPOKEN)}
        response = await client.post("/v1/audio/transcriptions", data=body, files=parts)
    assert response.status_code == 400
    assert error_of(response)["param"] == ("file" if body else "model")


async def test_a_disconnect_during_an_upload_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with http() as (_, served):
        async with await anyio.connect_tcp("127.0.0.1", int(served.url.rpartition(":")[2])) as socket:
            await socket.send(
                b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: livecue\r\nContent-Length: 1000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
        metrics = served.gateway.sessions.metrics
    assert 'livecue_files_ended_total{outcome="disconnected"} 1.0' in metrics.exposition().decode()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_that_is_no_form_is_415() -> None:
    async with http() as (client, _):
        response = await client.post("/v1/audio/transcriptions", json={"model": "any"})
    assert (response.status_code, error_of(response)["code"]) == (415, "unsupported_media")


async def test_every_response_has_a_request_id_of_its_own() -> None:
    async with http() as (client, _):
        paths = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/v1/models", "/nowhere")
        ids = [(await client.get(path)).headers["x-request-id"] for path in paths]
    assert len(set(ids)) == len(paths)


@pytest.mark.parametrize("own", ["", "with space", "x" * 129, "ünsound"])
async def test_a_request_id_that_is_not_sane_is_replaced(own: str) -> None:
    async with http() as (client, _):
        headers = {b"X-Request-ID": own.encode()}
        assert (await client.get("/healthz", headers=headers)).headers["x-request-id"].startswith("req_")


async def test_an_upgrade_that_is_refused_has_the_shape_and_the_id_too() -> None:
    async with http({"server": {"api_keys": ["secret"]}}) as (client, _):
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        response = await client.get("/v1/stream", headers=headers)
    assert response.status_code == 401
    assert json.loads(response.content)["error"].keys() == SHAPE
    assert response.headers["x-request-id"].startswith("req_")
