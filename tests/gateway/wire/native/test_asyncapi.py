"""The documents of the native dialect, `docs/asyncapi.yaml` and `docs/protocol.md`, match the code."""

import json
import re
import wave
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import cast, get_args

import msgspec
import numpy as np
import pytest
import yaml

from decoder.engines.scripted import ScriptedEngine
from decoder.engines.upstream.retry_policy import (
    UpstreamFailed,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamWithoutCredits,
)
from decoder.types import EngineError, EngineFailed, EngineTimeout
from gateway.captions.cue_builder import PROFILES
from gateway.errors import (
    Draining,
    IdleTimeout,
    InsufficientCredits,
    InsufficientScope,
    Lagging,
    Overloaded,
    RateLimited,
    ResumedElsewhere,
    SessionMoved,
    SessionNotFound,
    SlowReader,
    StartTimeout,
    Unauthorized,
    error_body,
    reply_to,
)
from gateway.limit_settings import LimitSettings
from gateway.load.ladder import Step, Thresholds
from gateway.settings import ServerSettings, SessionSettings
from gateway.wire import Encoding, ProtocolError, Start
from gateway.wire.native.codec import NativeClientCodec, NativeCodec
from gateway.wire.native.messages import ClientMessage, ServerMessage
from tests.audio import silence, speechlike
from tests.golden_sessions import GOLDEN, of_client, of_server, read
from tests.json_schema import Schema, breaches
from tests.servers import serving
from tests.sessions import pcm
from vad.audio import AudioFormat
from vad.detector import DETECTORS
from vad.errors import AudioError, AudioFormatError, DetectorUnavailable, LivecueError
from vad.settings import SegmenterSettings

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "protocol.md").read_text()

Tree = Mapping[str, object]
DOCUMENT: Tree = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())

CLIENT_TYPES: Mapping[str, str] = {kind.__struct_config__.tag: kind.__name__ for kind in get_args(ClientMessage)}
SERVER_TYPES: Mapping[str, str] = {kind.__struct_config__.tag: kind.__name__ for kind in get_args(ServerMessage)}


def at(path: str) -> Tree:
    """Return a part of the document: `components/schemas`."""
    part: Tree = DOCUMENT
    for name in path.split("/"):
        part = cast("Tree", part[name])
    return part


SCHEMAS = cast("Mapping[str, Schema]", at("components/schemas"))


def bare(part: object) -> object:
    """Return a part of a schema without its descriptions."""
    if isinstance(part, dict):
        return {
            key: {name: bare(inner) for name, inner in value.items()} if key == "properties" else bare(value)
            for key, value in part.items()
            if key != "description"
        }
    return [bare(item) for item in part] if isinstance(part, list) else part


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield str(value)
            yield from references(value)
    elif isinstance(part, list):
        for item in part:
            yield from references(item)


# --- docs/asyncapi.yaml --------------------------------------------------------------------------------------------


def test_the_schemas_are_those_of_the_messages() -> None:
    kinds = [*get_args(ClientMessage), *get_args(ServerMessage)]
    _, derived = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    assert bare(SCHEMAS) == bare(json.loads(json.dumps(derived)))


def test_every_schema_and_field_is_described() -> None:
    for name, schema in SCHEMAS.items():
        assert schema.get("description"), name
        for field, part in cast("Mapping[str, Tree]", schema.get("properties", {})).items():
            assert field == "type" or part.get("description"), f"{name}.{field}"


def test_every_message_has_its_schema() -> None:
    payloads = {
        name: message["payload"] for name, message in cast("Mapping[str, Tree]", at("components/messages")).items()
    }
    audio = payloads.pop("audio")
    assert audio == {"type": "string", "format": "binary"}
    types = {**CLIENT_TYPES, **SERVER_TYPES}
    assert payloads == {name: {"$ref": f"#/components/schemas/{schema}"} for name, schema in types.items()}


@pytest.mark.parametrize(
    ("operation", "action", "types"),
    [("receive", "receive", {*CLIENT_TYPES, "audio"}), ("send", "send", {*SERVER_TYPES})],
)
def test_every_message_has_its_direction(operation: str, action: str, types: set[str]) -> None:
    described = at(f"operations/{operation}")
    assert described["action"] == action
    assert set(references(described["messages"])) == {f"#/channels/stream/messages/{name}" for name in types}


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        assert at(reference.removeprefix("#/"))


@pytest.mark.parametrize("name", [*CLIENT_TYPES, *SERVER_TYPES])
def test_the_examples_are_messages(name: str) -> None:
    message = at(f"components/messages/{name}")
    examples = [example["payload"] for example in cast("list[Tree]", message["examples"])]
    assert examples
    for example in examples:
        assert list(breaches(example, cast("Schema", message["payload"]), SCHEMAS)) == []
        assert understood(json.dumps(example))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_sessions_are_valid(path: Path) -> None:
    lines = read(path)
    for message in of_server(lines):
        schema = SCHEMAS[SERVER_TYPES[str(message["type"])]]
        assert list(breaches(message, {**schema, "additionalProperties": False}, SCHEMAS)) == []
    is_wrong = any(message["type"] == "error" for message in of_server(lines))
    for message in of_client(lines):
        assert is_wrong or list(breaches(message, SCHEMAS[CLIENT_TYPES[str(message["type"])]], SCHEMAS)) == []


# --- docs/protocol.md ----------------------------------------------------------------------------------------------


def understood(text: str) -> bool:
    """Return whether a codec takes the message; both do where both have one of that type."""
    if json.loads(text)["type"] in SERVER_TYPES:
        return len(NativeClientCodec().receive(text)) == 1
    codec = NativeCodec()
    if json.loads(text)["type"] not in {"start", "resume"}:
        codec.receive('{"type":"start"}')
    return len(codec.receive(text)) == 1


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def rows(title: str) -> dict[str, list[str]]:
    """Return the table under a heading: the first cell in backticks of each row → the row's cells."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return {found[1]: row for row in cells[1:] if (found := re.match(r"`([^`]+)`", row[0]))}


@pytest.mark.parametrize("text", [line for block in blocks("json") for line in block.splitlines()])
def test_the_messages_of_the_page_are_messages(text: str) -> None:
    assert understood(text)


def test_the_page_has_every_message() -> None:
    documented = {json.loads(line)["type"] for block in blocks("json") for line in block.splitlines()}
    assert documented == {*CLIENT_TYPES, *SERVER_TYPES}


def test_the_session_of_the_page_is_one() -> None:
    (session,) = blocks("session")
    lines = session.splitlines()
    assert all(understood(line[2:]) for line in lines if line[2:].startswith("{"))
    numbers = [json.loads(line[2:])["seq"] for line in lines if line.startswith("< {")]
    assert numbers == sorted(set(numbers))


def test_the_page_has_every_field_of_start_with_its_default() -> None:
    schema = SCHEMAS["StartMessage"]
    documented = {name: json.loads(row[2].strip("`")) for name, row in rows("start").items()}
    assert documented == dict(defaults(schema))


def defaults(schema: Schema, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, part in cast("Mapping[str, Schema]", schema["properties"]).items():
        inner = SCHEMAS.get(str(part.get("$ref", "")).rpartition("/")[2], {})
        if "properties" in inner:
            yield from defaults(inner, f"{prefix}{name}.")
        elif name != "type":
            yield prefix + name, part["default"]


def test_the_page_has_every_field_of_cue_and_final() -> None:
    cue, final = (
        set(cast("Tree", SCHEMAS[name]["properties"])) - {"type", "seq"} for name in ("CueMessage", "FinalMessage")
    )
    assert set(rows("cue")) == cue
    assert set(rows("final")) | {"end_s", "utterance_id"} == final


def test_the_page_has_every_encoding() -> None:
    sizes = {name: int(row[2]) for name, row in rows("Audio").items()}
    assert sizes == {encoding.value: encoding.bytes_per_sample for encoding in Encoding}


def test_the_page_has_every_profile() -> None:
    sizes = {name: row[1] for name, row in rows("Cue profiles").items()}
    expected = {name: f"{profile.max_chars_per_line} × {profile.max_lines}" for name, profile in PROFILES.items()}
    assert sizes == expected
    assert Start().audio == AudioFormat(Encoding.PCM_S16LE, 16_000, 1)


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("m"),
        AudioError("m"),
        StartTimeout("m"),
        IdleTimeout("m"),
        InsufficientCredits("m"),
        Unauthorized("m"),
        Lagging("m"),
        SessionNotFound("m"),
        ResumedElsewhere("m"),
        SlowReader("m"),
        DetectorUnavailable("m"),
        LivecueError("m"),
    ],
    ids=lambda error: error.code,
)
def test_the_page_has_the_close_code_of_every_error(error: LivecueError) -> None:
    found = re.match(r"\d+", rows("Errors")[error.code][2])
    assert found is not None
    assert int(found[0]) == reply_to(error).close_code


def test_the_page_has_no_other_errors() -> None:
    fatal: set[type[LivecueError]] = {
        ProtocolError,
        AudioError,
        StartTimeout,
        IdleTimeout,
        InsufficientCredits,
        InsufficientScope,
        Unauthorized,
        Lagging,
        SessionNotFound,
        ResumedElsewhere,
        SessionMoved,
        SlowReader,
        Draining,
        DetectorUnavailable,
        LivecueError,
    }
    of_finals: set[type[LivecueError]] = {EngineError, EngineFailed, EngineTimeout}
    of_finals |= {UpstreamFailed, UpstreamTimeout, UpstreamRateLimited, UpstreamUnauthorized, UpstreamWithoutCredits}
    assert set(rows("Errors")) == {kind.code for kind in fatal | of_finals}
    assert AudioFormatError.code not in PAGE  # in this dialect it is a protocol error


@pytest.mark.parametrize(
    "error",
    [Unauthorized("m"), InsufficientCredits("m"), RateLimited("m", 1.0), Overloaded("m")],
    ids=lambda error: error.code,
)
def test_the_page_has_the_status_of_every_refusal(error: LivecueError) -> None:
    assert re.search(rf"\| {reply_to(error).http_status} +\| `{error.code}`", PAGE)


def test_the_refusal_of_the_page_is_one() -> None:
    (refusal,) = (json.loads(line) for line in PAGE.splitlines() if line.startswith('{"error"'))
    assert refusal == error_body(Unauthorized(refusal["error"]["message"]))


def test_the_page_has_the_defaults_of_the_settings() -> None:
    session, server, segmenter = SessionSettings(), ServerSettings(), SegmenterSettings()
    thresholds = Thresholds(session.lag_shed_s, session.lag_limit_s, LimitSettings().target_load)
    claims = [
        f"| {session.start_timeout_s:g} s ",
        f"| {session.idle_timeout_s:g} s ",
        f"| {session.grace_s:g} s ",
        f"| detached sessions                 | {server.max_sessions} ",
        f"if more than {server.max_sessions} sessions are detached",
        f"For {session.grace_s:g} s (the gateway's `session.grace_s`)",
        f"| {session.send_timeout_s:g} s ",
        f"| {session.outbox_max_events} ",
        f"| {session.lag_limit_s:g} s ",
        f"| {server.max_message_bytes // 2**20} MiB ",
        f"| {server.max_sessions} ",
        f"1. {session.lag_shed_s:g} s behind",
        f"themselves at {session.lag_shed_s / 2:g} s",
        f"2. {session.lag_limit_s / 2:g} s behind",
        f"3. {session.lag_limit_s:g} s behind",
        *(f"| {thresholds.lag_s(step):g} s behind " for step in Step if step >= Step.PARTIALS_OFF),
        *(f"`{step.code}`" for step in Step),
        f"1 to 10000; the gateway's default is {segmenter.silence_ms} ",
        f"1 to 2000; the gateway's default is {segmenter.pause_ms}.",
        f"the gateway's default is {segmenter.max_utterance_s:g} ",
        f"50 to 30000; the gateway's default is {segmenter.progress_interval_ms} ",
        f"at most {segmenter.pad_before_ms} ms",
        f"by default `{session.cue_profile}`",
        f"by default `{session.detector}`",
    ]
    assert [claim for claim in claims if claim not in PAGE] == []
    assert all(f"`{name}`" in PAGE for name in DETECTORS)
    assert session.ack_interval_s == 1, "the page says: every second of audio"


async def test_the_python_client_of_the_page_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = np.concatenate([silence(0.4), speechlike(1.5), silence(0.8)])
    with wave.open(str(tmp_path / "audio.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(pcm(samples))
    (client,) = blocks("python")
    async with serving(ScriptedEngine()) as served:
        client = client.replace("ws://127.0.0.1:8000/v1/stream", served.stream_url)
        client = client.replace("asyncio.sleep(0.1)", "asyncio.sleep(0)")  # as fast as may be
        scope: dict[str, Callable[[str], Awaitable[None]]] = {}
        exec(client.replace("asyncio.run(main(sys.argv[1]))", ""), scope)  # noqa: S102  # our own page
        await scope["main"](str(tmp_path / "audio.wav"))
    assert capsys.readouterr().out.startswith("two three")  # how much more depends on the detector


# --- the schema checker itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "breach"),
    [
        ({"type": "flushed", "seq": "1", "id": "a"}, "$.seq: '1' is no integer"),
        ({"type": "flushed", "seq": True, "id": "a"}, "$.seq: True is no integer"),
        ({"type": "flush", "seq": 1, "id": "a"}, "$.type: 'flush' is none of ['flushed']"),
        ({"type": "flushed", "seq": 1}, "$: no id"),
    ],
)
def test_a_wrong_message_is_a_breach(message: Tree, breach: str) -> None:
    assert list(breaches(message, SCHEMAS["FlushedMessage"], SCHEMAS)) == [breach]


def test_a_number_out_of_range_is_a_breach() -> None:
    message = {"type": "resume", "session_id": "s", "token": "t", "after_seq": -1}
    breach = f"$.after_seq: -1 is not within 0 and {2**53}"
    assert list(breaches(message, SCHEMAS["ResumeMessage"], SCHEMAS)) == [breach]


def test_breaches_are_found_in_depth() -> None:
    message = {"type": "start", "audio": {"encoding": "mp3", "rate": 1}, "language": 1}
    assert list(breaches(message, SCHEMAS["StartMessage"], SCHEMAS)) == [
        "$.audio.encoding: 'mp3' is none of ['pcm_alaw', 'pcm_f32le', 'pcm_mulaw', 'pcm_s16le', 'pcm_s24le']",
        "$.audio: rate is not allowed",
        "$.language: none of 2 schemas takes 1",
    ]
