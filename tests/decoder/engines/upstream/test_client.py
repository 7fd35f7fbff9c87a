"""One attempt over a real connection: the request sent, and the result of every response and fault."""

import wave
from io import BytesIO
from pathlib import Path

import anyio
import av
import numpy as np
import pytest
from numpy.typing import NDArray

from decoder.engines.upstream import client as client_module
from decoder.engines.upstream import retry_policy
from decoder.engines.upstream.audio_encoding import flac, wav
from decoder.engines.upstream.client import HttpUpstream, UpstreamRequest
from decoder.engines.upstream.retry_policy import AttemptFailed, Failure
from decoder.settings import UpstreamSettings
from decoder.types import ModelError, RequestKind, Task
from tests.audio import noise, speechlike
from tests.upstreams import upstream_settings
from tools.fault_server import FaultServer, Reply, refusal, serving_upstream, text_reply
from vad.audio import Float32

SECRET = "sk-silence-4711"
PARTIAL, FINAL = RequestKind.PARTIAL, RequestKind.FINAL


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the read timeouts to a fraction of a second."""
    for name in ("PARTIAL_READ_S", "FINAL_READ_S", "MIN_FINAL_READ_S", "FINAL_READ_SHARE"):
        monkeypatch.setattr(retry_policy, name, 0.05)


def ask(samples: Float32 | None = None, **fields: object) -> UpstreamRequest:
    audio = noise(1.0) if samples is None else samples
    return UpstreamRequest("session-1-2", FINAL, audio, 0, **fields)  # type: ignore[arg-type]  # by name


async def posted(client: HttpUpstream, made: UpstreamRequest | None = None, *, on_new_connection: bool = False) -> str:
    return (await client.post(made or ask(), on_new_connection=on_new_connection)).text


async def refused(client: HttpUpstream, made: UpstreamRequest | None = None) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as caught:
        await posted(client, made)
    return caught.value


def pcm(content: bytes) -> NDArray[np.int16]:
    with wave.open(BytesIO(content)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 16_000)
        return np.frombuffer(reader.readframes(reader.getnframes()), "<i2")


async def test_a_form_has_the_fields_of_the_request_and_the_file_last() -> None:
    audio = speechlike(1.0)
    async with serving_upstream(lambda _: text_reply("Hello.")) as server:
        client = HttpUpstream(upstream_settings(server))
        transcription = await posted(client, ask(audio, language="en", prompt="Ann and Bob", temperature=0.2))
        await client.aclose()

    [asked] = server.asked
    assert transcription == "Hello."
    assert (asked.method, asked.path) == ("POST", "/v1/audio/transcriptions")
    expected = {"model": "whisper-1", "response_format": "json", "language": "en", "prompt": "Ann and Bob"}
    assert asked.fields == {**expected, "temperature": "0.2"}
    assert asked.order[-1] == "file"
    assert asked.filename == "session-1-2.wav"
    assert asked.headers["idempotency-key"] == asked.headers["x-request-id"] == "session-1-2"
    assert "authorization" not in asked.headers
    assert np.array_equal(pcm(asked.file), np.rint(audio * 32_768))


async def test_unset_fields_are_not_sent() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server))
        await posted(client)
        await client.aclose()
    assert set(server.asked[0].fields) == {"model", "response_format"}


async def test_verbose_json_asks_for_words_and_segments() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server, formats=("verbose_json", "json")))
        transcription = await client.post(ask(), on_new_connection=False)
        await client.aclose()
    assert server.asked[0].fields["timestamp_granularities[]"] == "word,segment"
    assert [word.text for word in transcription.words] == ["one", "two"]
    assert transcription.language == "en"


async def test_a_translation_is_sent_to_the_translations_endpoint() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server))
        await posted(client, ask(task=Task.TRANSLATE, language="de"))
        await client.aclose()
    assert server.asked[0].path == "/v1/audio/translations"
    assert "language" not in server.asked[0].fields


async def test_very_short_audio_is_padded_to_the_minimum_of_services() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server))
        await posted(client, ask(noise(0.01)))
        await client.aclose()
    assert server.asked[0].audio_s == 0.2


def test_flac_has_the_same_samples_as_wav() -> None:
    audio = np.concatenate([speechlike(1.0), noise(0.5, amplitude=1.0), np.array([-2.0, 2.0, 1.0], np.float32)])

    with av.open(BytesIO(flac(audio).content), "r") as container:
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]

    assert np.array_equal(np.concatenate(frames), pcm(wav(audio).content))
    assert flac(audio).media_type == "audio/flac"


async def test_audio_that_leaves_the_machine_is_flac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_is_loopback", lambda _: False)
    async with serving_upstream(lambda _: text_reply("Hello.")) as server:
        client = HttpUpstream(upstream_settings(server))
        await posted(client)
        await client.aclose()
    assert server.asked[0].filename.endswith(".flac")
    assert server.asked[0].file.startswith(b"fLaC")


async def test_the_key_comes_from_a_file_and_appears_nowhere_else(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    async with serving_upstream(lambda _: refusal(500, f"no {SECRET} here")) as server:
        settings = upstream_settings(server, key_file=file)
        client = HttpUpstream(settings)
        error = await refused(client)
        await client.aclose()
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in f"{error} {error!r} {settings!r} {vars(client)!r}"


async def test_a_changed_key_is_read_once_the_old_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "old")
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server, key_env="SOME_KEY"))
        monkeypatch.setenv("SOME_KEY", "new")
        server.queued.append(refusal(401))
        assert (await refused(client)).failure is Failure.UNAUTHORIZED
        await posted(client)
        await client.aclose()
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("content", [None, "", " \n", "two\nlines", "schlüssel"])
def test_an_invalid_key_is_refused_with_the_name_of_its_file(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=str(file)):
        HttpUpstream(UpstreamSettings("https://example.test/v1", "m", key_file=file))


def test_a_key_missing_in_the_environment_is_refused_with_the_variable_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ModelError, match="NO_SUCH_KEY"):
        HttpUpstream(UpstreamSettings("https://example.test/v1", "m", key_env="NO_SUCH_KEY"))


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "example.test/v1"},
        {"base_url": "ftp://example.test"},
        {"base_url": "https://user:secret@example.test/v1"},
        {"key_env": "A", "key_file": Path("b")},
        {"formats": ()},
        {"concurrency": 0},
        {"price_per_minute": -1.0},
    ],
)
def test_settings_that_are_not_allowed_are_named(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))) as caught:
        UpstreamSettings(**{"base_url": "https://example.test/v1", "model": "m", **fields})  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (refusal(400), Failure.INVALID),
        (refusal(401), Failure.UNAUTHORIZED),
        (refusal(402), Failure.WITHOUT_CREDITS),
        (refusal(404), Failure.NOT_FOUND),
        (refusal(413), Failure.TOO_LARGE),
        (refusal(429, "insufficient_quota"), Failure.WITHOUT_CREDITS),
        (refusal(500), Failure.SERVER),
        (Reply(502, b"<html>Bad Gateway</html>", "text/html"), Failure.SERVER),
        (Reply(200, b"<html>Log in</html>", "text/html"), Failure.GARBAGE),
        (Reply(200, b'{"texts": []}'), Failure.GARBAGE),
        (Reply(200, b'{"text": "Hello there."}', fault="cut"), Failure.GARBAGE),
        (Reply(fault="reset"), Failure.DISCONNECTED),
    ],
)
async def test_each_fault_is_a_refusal_of_its_kind(reply: Reply, failure: Failure) -> None:
    async with serving_upstream(lambda _: reply) as server:
        client = HttpUpstream(upstream_settings(server))
        error = await refused(client)
        await client.aclose()
    assert error.failure is failure
    assert client.name in str(error)


async def test_a_rate_limit_has_its_retry_delay() -> None:
    async with serving_upstream(lambda _: refusal(429, retry_after="3")) as server:
        client = HttpUpstream(upstream_settings(server))
        error = await refused(client)
        await client.aclose()
    assert (error.failure, error.retry_after_s) == (Failure.RATE_LIMITED, 3.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", [PARTIAL, FINAL])
async def test_a_hanging_upstream_times_out(kind: RequestKind) -> None:
    async with serving_upstream(lambda _: Reply(fault="hang")) as server:
        client = HttpUpstream(upstream_settings(server))
        with pytest.raises(AttemptFailed) as caught:
            await client.post(UpstreamRequest("a", kind, noise(0.5), 0), on_new_connection=False)
        await client.aclose()
    assert caught.value.failure is Failure.TIMED_OUT


async def test_a_host_that_does_not_listen_is_unreachable() -> None:
    server = FaultServer()
    client = HttpUpstream(upstream_settings(server))
    await server.stop()
    assert (await refused(client)).failure is Failure.UNREACHABLE
    with pytest.raises(AttemptFailed):
        await client.connect()
    await client.aclose()


async def test_an_answer_that_never_ends_is_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_MAX_RESPONSE_BYTES", 100)
    async with serving_upstream(lambda _: text_reply("Hello " * 100)) as server:
        client = HttpUpstream(upstream_settings(server))
        assert (await refused(client)).failure is Failure.GARBAGE
        await client.aclose()


async def test_requests_share_a_connection_that_was_opened_before() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server))
        await client.connect()
        await posted(client)
        await posted(client)
        await client.aclose()
    assert [asked.connection for asked in server.asked] == [0, 0]


async def test_a_new_connection_is_new() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server))
        await posted(client)
        await posted(client, on_new_connection=True)
        await posted(client, on_new_connection=True)
        await client.aclose()
    assert [asked.connection for asked in server.asked] == [0, 1, 2]


async def test_a_connection_closed_while_idle_is_not_used() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server))
        server.queued.append(Reply(200, b'{"text": "one"}', fault="close_after"))
        await posted(client)
        await server.broken.wait()
        assert await posted(client)
        await client.aclose()


async def test_a_format_refused_the_first_time_is_not_requested_again() -> None:
    def only_json(asked: object) -> Reply:
        is_json = getattr(asked, "fields", {})["response_format"] == "json"
        return text_reply("Hello.") if is_json else refusal(400, "unsupported_value")

    async with serving_upstream(only_json) as server:
        client = HttpUpstream(upstream_settings(server, formats=("verbose_json", "srt", "json")))
        assert [await posted(client), await posted(client)] == ["Hello.", "Hello."]
        await client.aclose()
    assert [asked.fields["response_format"] for asked in server.asked] == ["verbose_json", "srt", "json", "json"]


async def test_a_format_that_worked_once_is_kept_after_a_refusal() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server, formats=("verbose_json", "json")))
        await posted(client)
        server.queued.append(refusal(400))
        assert (await refused(client)).failure is Failure.INVALID
        await posted(client)
        await client.aclose()
    assert {asked.fields["response_format"] for asked in server.asked} == {"verbose_json"}


async def test_audio_refused_in_every_format_is_invalid() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server, formats=("verbose_json", "json")))
        server.queued.extend([refusal(400), refusal(400)])
        assert (await refused(client)).failure is Failure.INVALID
        await posted(client)
        await client.aclose()
    assert [asked.fields["response_format"] for asked in server.asked] == ["verbose_json", "json", "verbose_json"]


def test_a_key_sent_unencrypted_is_logged_as_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOME_KEY", SECRET)
    HttpUpstream(UpstreamSettings("http://example.test/v1", "m", key_env="SOME_KEY"))
    assert "unencrypted" in caplog.text
    assert SECRET not in caplog.text


def test_an_invalid_url_is_refused() -> None:
    with pytest.raises(ModelError, match="example"):
        HttpUpstream(UpstreamSettings("http://example.test:port/v1", "m"))


async def test_a_refused_key_is_detected_when_connecting() -> None:
    async with serving_upstream(models=lambda _: refusal(401)) as server:
        client = HttpUpstream(upstream_settings(server))
        with pytest.raises(AttemptFailed) as caught:
            await client.connect()
        await client.aclose()
    assert caught.value.failure is Failure.UNAUTHORIZED


async def test_a_service_without_a_list_of_models_is_accepted() -> None:
    async with serving_upstream(models=lambda _: refusal(404)) as server:
        client = HttpUpstream(upstream_settings(server))
        await client.connect()
        await client.aclose()


async def test_a_cancelled_request_does_not_affect_the_next_one() -> None:
    async with serving_upstream() as server:
        client = HttpUpstream(upstream_settings(server))
        server.queued.append(Reply(fault="hang"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(posted, client)
            await server.arrived.wait()
            tasks.cancel_scope.cancel()
        assert await posted(client) == "one two"
        await client.aclose()
