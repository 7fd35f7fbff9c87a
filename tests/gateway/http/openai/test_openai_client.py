"""OpenAI's own client, as it is, against a gateway: every format, streams, errors, retries."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

import anyio
import openai
import pytest
from anyio import to_thread
from openai import AsyncOpenAI, OpenAI
from openai.types.audio import (
    Transcription,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionVerbose,
    TranslationVerbose,
)

from decoder.engine import EngineInfo
from decoder.engines.scripted import ScriptedEngine, spoken_count
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, Task
from tests.servers import Served
from tests.uploading import SPOKEN, SPOKEN_TEXT, GatedEngine, recorded_waits, serving_files, utterances, wav

TextFormat = Literal["text", "srt", "vtt"]

MODEL = "whisper-1"


@asynccontextmanager
async def client_of(served: Served, key: str = "any", max_retries: int = 0) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=max_retries) as client:
        yield client


def translator() -> GatedEngine:
    engine = GatedEngine()
    engine.info = EngineInfo("scripted", "script", "none", translates=True)
    return engine


def second_fails(request: DecodeRequest) -> Hypothesis | EngineError:
    return EngineFailed("the script says so") if request.utterance_id == 1 else spoken_count(request)


async def test_json_is_the_default() -> None:
    async with serving_files() as served, client_of(served) as client:
        transcription = await client.audio.transcriptions.create(file=("talk.wav", SPOKEN), model=MODEL)
    assert isinstance(transcription, Transcription)
    assert transcription.text == SPOKEN_TEXT
    assert transcription.usage is not None
    assert transcription.usage.to_dict() == {"type": "duration", "seconds": 5.0}


@pytest.mark.parametrize(
    ("response_format", "begin"),
    [("text", "two"), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n0.1\n00:00:0")],
)
async def test_other_texts_arrive_as_they_are(response_format: TextFormat, begin: str) -> None:
    async with serving_files() as served, client_of(served) as client:
        text = await client.audio.transcriptions.create(file=SPOKEN, model=MODEL, response_format=response_format)
    assert isinstance(text, str)
    assert text.startswith(begin)
    assert "eight nine ten one" in text


async def test_verbose_json_has_segments_and_words() -> None:
    async with serving_files() as served, client_of(served) as client:
        verbose = await client.audio.transcriptions.create(
            file=SPOKEN,
            model=MODEL,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
    assert isinstance(verbose, TranscriptionVerbose)
    assert (verbose.text, verbose.language, verbose.duration) == (SPOKEN_TEXT, "english", 5.0)
    assert verbose.words is not None
    assert [(word.word, word.start, word.end) for word in verbose.words][:2] == [("two", 0.4, 0.8), ("three", 0.8, 1.2)]
    assert verbose.segments is not None
    assert [segment.text for segment in verbose.segments] == [" two three four five", " eight nine ten one"]
    assert [segment.id for segment in verbose.segments] == [0, 1]
    assert all(segment.end > segment.start for segment in verbose.segments)


async def test_every_field_the_client_knows_is_taken() -> None:
    engine = GatedEngine()
    async with serving_files(engine) as served, client_of(served) as client:
        transcription = await client.audio.transcriptions.create(
            file=SPOKEN,
            model=MODEL,
            language="en",
            prompt="Numbers.",
            keywords=["one", "ten"],
            temperature=0.5,
            include=["logprobs"],
            chunking_strategy={"type": "server_vad", "silence_duration_ms": 2_000, "threshold": 0.5},
            extra_body={"vad_filter": "true"},
        )
    assert isinstance(transcription, Transcription)
    (asked,) = engine.asked  # the silence between the utterances is shorter than what was asked for
    assert (asked.language, asked.prompt, asked.temperature) == ("en", "one, ten. Numbers.", 0.5)
    assert transcription.logprobs is not None
    assert transcription.logprobs[0].token == " two"


async def test_a_file_by_any_name_is_known_by_its_bytes() -> None:
    async with serving_files() as served, client_of(served) as client:
        for file in (SPOKEN, ("talk.mp3", SPOKEN), ("../../etc/passwd", SPOKEN, "text/plain"), io.BytesIO(SPOKEN)):
            transcription = await client.audio.transcriptions.create(file=file, model="x")
            assert transcription.text == SPOKEN_TEXT


async def test_a_stream_brings_each_utterance_and_then_the_whole() -> None:
    async with serving_files() as served, client_of(served) as client:
        stream = await client.audio.transcriptions.create(file=SPOKEN, model=MODEL, stream=True)
        events = [event async for event in stream]
    *deltas, done = events
    assert [event.delta for event in deltas if isinstance(event, TranscriptionTextDeltaEvent)] == [
        "two three four five",
        " eight nine ten one",
    ]
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert done.text == SPOKEN_TEXT


async def test_an_utterance_is_streamed_while_others_are_still_undecoded() -> None:
    engine = GatedEngine(lambda request: spoken_count(request))
    async with serving_files(engine, {"files": {"max_outstanding": 1}}) as served, client_of(served) as client:
        stream = await client.audio.transcriptions.create(file=wav(utterances(8)), model=MODEL, stream=True)
        first = await anext(aiter(stream))
        asked_by_then = len(engine.asked)
        rest = [event async for event in stream]
    assert isinstance(first, TranscriptionTextDeltaEvent)
    assert asked_by_then < 8
    assert len(rest) == 8


async def test_an_engine_error_in_the_middle_of_a_stream_is_raised_from_it() -> None:
    async with serving_files(ScriptedEngine(second_fails)) as served, client_of(served) as client:
        stream = await client.audio.transcriptions.create(file=SPOKEN, model=MODEL, stream=True)
        events = aiter(stream)
        first = await anext(events)
        with pytest.raises(openai.APIError, match="the script says so") as raised:
            await anext(events)
    ended = served.gateway.sessions.metrics.exposition().decode()
    assert isinstance(first, TranscriptionTextDeltaEvent)
    assert raised.value.code == "engine_failed"
    assert 'livecue_files_ended_total{outcome="engine_failed"} 1.0' in ended


async def test_silence_is_an_empty_text() -> None:
    quiet = wav(bytes(64_000))
    async with serving_files() as served, client_of(served) as client:
        assert (await client.audio.transcriptions.create(file=quiet, model=MODEL)).text == ""
        stream = await client.audio.transcriptions.create(file=quiet, model=MODEL, stream=True)
        assert [event.type async for event in stream] == ["transcript.text.delta", "transcript.text.done"]


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
async def test_a_translation_is_requested_from_a_capable_engine() -> None:
    engine = translator()
    async with serving_files(engine) as served, client_of(served) as client:
        verbose = await client.audio.translations.create(file=SPOKEN, model=MODEL, response_format="verbose_json")
    assert isinstance(verbose, TranslationVerbose)
    assert (verbose.language, verbose.text) == ("english", SPOKEN_TEXT)
    assert {request.task for request in engine.asked} == {Task.TRANSLATE}


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
async def test_a_translation_is_refused_where_the_engine_cannot() -> None:
    async with serving_files() as served, client_of(served) as client:
        with pytest.raises(openai.BadRequestError, match="does not translate"):
            await client.audio.translations.create(file=SPOKEN, model=MODEL)


async def test_models_are_listed_and_found() -> None:
    async with serving_files() as served, client_of(served) as client:
        names = [model.id async for model in client.models.list()]
        assert (await client.models.retrieve("script")).id == "script"
        with pytest.raises(openai.NotFoundError, match="expected one of script, whisper-1") as raised:
            await client.models.retrieve("owner/unheard-of")
    assert names == ["script", MODEL]
    assert (raised.value.code, raised.value.param) == ("not_found", "model")


async def test_the_raw_response_has_a_request_id() -> None:
    async with serving_files() as served, client_of(served) as client:
        create = client.audio.transcriptions.with_raw_response.create
        own = await create(file=SPOKEN, model=MODEL)
        echoed = await create(file=SPOKEN, model=MODEL, extra_headers={"X-Request-ID": "mine-1"})
        replaced = await create(file=SPOKEN, model=MODEL, extra_headers={"X-Request-ID": "no good"})
    assert own.parse().text == SPOKEN_TEXT
    assert own.headers["x-request-id"].startswith("req_")
    assert echoed.headers["x-request-id"] == "mine-1"
    assert replaced.headers["x-request-id"].startswith("req_")


async def test_the_blocking_client_receives_the_same() -> None:
    def use(url: str) -> tuple[str, list[str]]:
        with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
            text = client.audio.transcriptions.create(file=SPOKEN, model=MODEL).text
            stream = client.audio.transcriptions.create(file=SPOKEN, model=MODEL, stream=True)
            return text, [event.type for event in stream]

    async with serving_files() as served:
        text, events = await to_thread.run_sync(partial(use, served.url))
    assert text == SPOKEN_TEXT
    assert events == ["transcript.text.delta", "transcript.text.delta", "transcript.text.done"]


async def test_a_client_that_disconnects_is_not_decoded_any_further() -> None:
    engine = GatedEngine()
    engine.gate = anyio.Event()
    async with serving_files(engine) as served, client_of(served) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(client.audio.transcriptions.create, file=SPOKEN, model=MODEL))
            await engine.has_been_asked.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(10):
            await engine.has_forgotten.wait()
        engine.gate.set()
        again = await client.audio.transcriptions.create(file=SPOKEN, model=MODEL)
    metrics = served.gateway.sessions.metrics.exposition().decode()
    assert again.text == SPOKEN_TEXT
    assert 'livecue_files_ended_total{outcome="disconnected"} 1.0' in metrics
    assert "livecue_files 0.0" in metrics


async def test_a_client_that_leaves_a_stream_is_not_decoded_any_further() -> None:
    engine = GatedEngine()
    async with (
        serving_files(engine, {"files": {"max_outstanding": 1}}) as served,
        client_of(served) as client,
    ):
        stream = await client.audio.transcriptions.create(file=wav(utterances(20)), model=MODEL, stream=True)
        await anext(aiter(stream))
        engine.gate = anyio.Event()
        await stream.close()
        with anyio.fail_after(10):
            await engine.has_forgotten.wait()
    assert len(engine.asked) < 20


async def test_one_file_too_many_is_asked_to_retry() -> None:
    engine = GatedEngine()
    engine.gate = anyio.Event()
    async with (
        serving_files(engine, {"files": {"max_files": 1}}) as served,
        client_of(served, max_retries=1_000) as client,
    ):
        waits = recorded_waits(client, engine.gate.set)
        texts: list[str] = []

        async def upload() -> None:
            texts.append((await client.audio.transcriptions.create(file=SPOKEN, model=MODEL)).text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upload)
            await engine.has_been_asked.wait()
            tasks.start_soon(upload)
    assert texts == [SPOKEN_TEXT, SPOKEN_TEXT]
    assert set(waits) == {5.0}


async def test_a_failing_engine_is_retried_and_then_reported() -> None:
    engine = GatedEngine(lambda _: EngineFailed("out of luck"))
    async with serving_files(engine) as served, client_of(served, max_retries=2) as client:
        waits = recorded_waits(client)
        with pytest.raises(openai.InternalServerError, match="out of luck") as raised:
            await client.audio.transcriptions.create(file=wav(utterances(1)), model=MODEL)
    assert (raised.value.status_code, raised.value.code) == (503, "engine_failed")
    assert len(waits) == 2
    assert len(engine.asked) == 3 * 3  # each upload tries an utterance three times
