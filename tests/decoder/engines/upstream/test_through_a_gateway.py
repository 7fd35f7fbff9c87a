"""The engine inside a gateway: upstreams as seen by clients, operators and the command line."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from anyio import to_thread
from typer.testing import CliRunner

from decoder.engine import EngineInfo
from decoder.engines.upstream.client import HttpUpstream
from decoder.engines.upstream.engine import UpstreamEngine
from decoder.settings import EngineSettings, GuardSettings, PoolSettings, StabiliserSettings
from decoder.types import DecodeRequest, RequestKind
from gateway.cli.main import app
from gateway.errors import ConfigurationError
from gateway.session.pipeline import Pipeline
from gateway.session.stage_options import PipelineSettings
from gateway.settings import SessionSettings, load_settings
from gateway.wire import Start
from tests.meeting import RECORDING
from tests.requests import request
from tests.servers import get, serving
from tests.sessions import SEGMENTER, LoudnessDetector, Message, call, open_context, silence, speech
from tests.upstreams import upstream_settings
from tools.fault_server import FaultServer, Reply, refusal, serving_upstream, text_reply
from vad.detector import DETECTORS

START = {"type": "start"}


def engine_of(*servers: FaultServer, price_per_minute: float = 0.0, **pool: object) -> UpstreamEngine:
    build: Callable[..., PoolSettings] = PoolSettings
    clients = [HttpUpstream(upstream_settings(server, price_per_minute=price_per_minute)) for server in servers]
    return UpstreamEngine(clients, build(**pool))


def partials_asked(monkeypatch: pytest.MonkeyPatch, info: EngineInfo) -> int:
    monkeypatch.setitem(DETECTORS, "loudness", f"{LoudnessDetector.__module__}:LoudnessDetector")
    session = SessionSettings(detector="loudness")
    settings = PipelineSettings(SEGMENTER, StabiliserSettings(), GuardSettings(), session)
    made = Pipeline("a", Start(), settings, info)
    effects = [effect for _ in range(50) for effect in made.push_audio(speech(0.1), 0.0)]
    requests = [effect for effect in effects if isinstance(effect, DecodeRequest)]
    return sum(request.kind is RequestKind.PARTIAL for request in requests)


def test_an_engine_without_partials_gets_no_partial_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    info = EngineInfo("upstream", "m", "afar", partial_interval_s=None)
    assert partials_asked(monkeypatch, info) == 0


def test_an_engine_with_a_long_partial_interval_gets_few_partial_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    each_second = EngineInfo("upstream", "m", "afar", partial_interval_s=1.0)
    usual = EngineInfo("whisper", "m", "cpu")
    assert partials_asked(monkeypatch, each_second) == 4
    assert partials_asked(monkeypatch, usual) >= 8


def finals(messages: list[Message]) -> list[tuple[object, object]]:
    return [(message["text"], message.get("error")) for message in messages if message["type"] == "final"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (refusal(400), "upstream_failed"),
        (refusal(401), "unauthorized"),
        (refusal(402), "insufficient_credits"),
        (refusal(404), "upstream_failed"),
        (refusal(429, retry_after="60"), "rate_limited"),
    ],
)
async def test_an_utterance_that_fails_is_a_final_with_a_code_and_the_session_goes_on(fault: Reply, code: str) -> None:
    async with serving_upstream(lambda _: text_reply("good morning")) as server:
        engine = engine_of(server)
        server.queued.append(fault)
        async with open_context(engine) as context, call(context) as peer:
            await peer.send(START, speech(1.0), silence(1.0))
            failed = await peer.receive_until("final")
            for member in engine._pool.members:  # the minute is over
                member.circuit.succeeded()
                member._retry_after_s = 0.0
            await peer.send(speech(1.0), silence(1.0), {"type": "stop"})
            rest = await peer.receive_all()
        await engine.aclose()
    assert finals(failed) == [("", code)]
    assert finals(rest) == [("good morning", None)]
    assert not [message for message in failed + rest if message["type"] in ("warning", "error")]


async def test_faults_covered_by_another_upstream_are_invisible_to_clients() -> None:
    faults = [refusal(500), Reply(fault="reset"), Reply(fault="reset"), Reply(200, b"<html>", "text/html")]
    async with serving_upstream() as first, serving_upstream(lambda _: text_reply("good morning")) as second:
        engine = engine_of(first, second)
        first.queued.extend([*faults, refusal(401)])
        async with open_context(engine) as context, call(context) as peer:
            await peer.send(START, *[speech(1.0), silence(1.0)] * 3, {"type": "stop"})
            messages = await peer.receive_all()
        await engine.aclose()
    assert finals(messages) == [("good morning", None)] * 3


async def test_readiness_lists_each_upstream() -> None:
    async with serving_upstream(models=lambda _: refusal(401)) as first, serving_upstream() as second:
        engine = engine_of(first, second)
        async with serving(engine) as served:
            reply = await get(f"{served.url}/readyz")
    body = reply.json()
    assert (reply.status, body["status"]) == (200, "ready")
    upstreams = body["upstreams"]
    assert isinstance(upstreams, list)
    assert [(each["circuit"], each["failure"]) for each in upstreams] == [("open", "unauthorized"), ("closed", None)]
    assert [each["name"] for each in upstreams] == [client.client.name for client in engine._pool.members]


async def test_readiness_fails_while_no_upstream_is_usable() -> None:
    async with serving_upstream(models=lambda _: refusal(402)) as server, serving(engine_of(server)) as served:
        reply = await get(f"{served.url}/readyz")
    assert (reply.status, reply.json()["status"]) == (503, "upstreams_failing")


async def test_metrics_count_audio_answers_and_cost_of_each_upstream() -> None:
    async with serving_upstream() as server:
        engine = engine_of(server, price_per_minute=60.0)
        async with serving(engine) as served:
            server.queued.append(refusal(400))
            final = request(kind=RequestKind.FINAL, seconds=1.0)
            await engine.decode([final])
            await engine.decode([final])
            page = (await get(f"{served.url}/metrics")).body.decode()
    labels = f'model="whisper-1",upstream="{engine.info.device}"'
    assert f"livecue_upstream_audio_seconds_total{{{labels}}} 2.0" in page
    assert f"livecue_upstream_cost_total{{{labels}}} 2.0" in page
    assert (
        f'livecue_upstream_answers_total{{model="whisper-1",outcome="invalid",upstream="{engine.info.device}"}} 1.0'
        in page
    )
    assert f"livecue_upstream_closed{{{labels}}} 1.0" in page


# --- settings ---------------------------------------------------------------------------------------------------------


def printed(*arguments: str) -> dict[str, dict[str, object]]:
    result = CliRunner().invoke(app, ["serve", "--print-config", *arguments])
    assert result.exit_code == 0, result.stderr
    settings: dict[str, dict[str, object]] = tomllib.loads(result.stdout)
    return settings


def test_one_upstream_can_be_named_on_the_command_line(tmp_path: Path) -> None:
    url, key_file = "https://example.test/v1", str(tmp_path / "key")
    flags = ["--upstream-url", url, "--upstream-model", "voxtral", "--upstream-key-file", key_file]
    engine = printed(*flags, "--partials", "local")["engine"]
    assert engine["name"] == "upstream"
    assert isinstance(engine["upstreams"], list)
    assert (
        engine["upstreams"][0] | {"base_url": url, "model": "voxtral", "key_file": key_file} == engine["upstreams"][0]
    )
    assert isinstance(engine["pool"], dict)
    assert engine["pool"]["partials"] == "local"


async def test_a_recording_is_transcribed_by_an_upstream_of_the_command_line() -> None:
    async with serving_upstream(lambda _: text_reply("good morning")) as server:
        flags = ["--upstream-url", server.base_url, "--upstream-model", "voxtral"]
        result = await to_thread.run_sync(CliRunner().invoke, app, ["transcribe", str(RECORDING), *flags])
    assert result.exit_code == 0, result.output
    assert set(result.stdout.splitlines()) == {"good morning"}
    assert {asked.fields["model"] for asked in server.asked} == {"voxtral"}


def test_without_its_flags_the_engine_is_as_before() -> None:
    engine = printed()["engine"]
    assert engine["name"] == "auto"
    assert "upstreams" not in engine


def test_upstreams_stand_in_a_file_as_a_list_of_tables(tmp_path: Path) -> None:
    file = tmp_path / "livecue.toml"
    file.write_text(
        '[engine]\nname = "upstream"\n[engine.pool]\npartials = "upstream"\n'
        '[[engine.upstreams]]\nbase_url = "http://127.0.0.1:9000/v1"\nmodel = "a"\nformats = ["srt", "json"]\n'
        '[[engine.upstreams]]\nbase_url = "https://example.test/v1"\nmodel = "b"\nkey_env = "SOME_KEY"\n'
    )
    engine = load_settings({"engine": {"pool": {"fallback": True}}}, file).engine
    assert [upstream.model for upstream in engine.upstreams] == ["a", "b"]
    assert engine.upstreams[0].formats == ("srt", "json")
    assert (engine.pool.partials, engine.pool.fallback) == ("upstream", True)


def test_upstreams_stand_in_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_ENGINE__UPSTREAMS", '[{"base_url": "https://example.test/v1", "model": "a"}]')
    monkeypatch.setenv("LIVECUE_ENGINE__POOL__HEDGE", "true")
    engine: EngineSettings = load_settings().engine
    assert engine.upstreams[0].model == "a"
    assert engine.pool.hedge


@pytest.mark.parametrize(
    ("upstreams", "named"),
    [
        ("nonsense", "upstreams: expected a JSON list"),
        ('[{"base_url": "https://example.test/v1"}]', "engine.upstreams.0.model"),
        ('[{"base_url": "https://me:secret@example.test/v1", "model": "a"}]', "base_url"),
        ('[{"base_url": "https://example.test/v1", "model": "a", "api_key": "secret"}]', "engine.upstreams.0.api_key"),
    ],
)
def test_upstreams_that_are_not_allowed_are_named(monkeypatch: pytest.MonkeyPatch, upstreams: str, named: str) -> None:
    monkeypatch.setenv("LIVECUE_ENGINE__UPSTREAMS", upstreams)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert named in str(refused.value)
    assert "secret" not in str(refused.value)
