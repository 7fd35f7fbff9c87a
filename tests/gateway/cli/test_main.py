"""The command line, as a user meets it."""

import json
import logging
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from socket import create_server

import pytest
import webvtt
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.cli.running import set_up_logging

RECORDING = Path(__file__).parents[3] / "clients" / "demo" / "talk.flac"

SCRIPTED = ("--engine", "scripted")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_version_is_the_packages_own() -> None:
    result = run("version")
    assert result.exit_code == 0
    assert result.stdout.strip()


def test_doctor_finds_everything_that_is_needed() -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert "detector silero" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("serve", "--port", "70000"), "server.port = 70000"),
        (("serve", "--set", "session.lag=3"), "session.lag"),
        (("serve", "--set", "nonsense"), "expected GROUP.KEY=VALUE"),
        (("serve", "--engine", "dragon"), "'dragon'"),
        (("serve", "--host", "0.0.0.0"), "without an API key"),  # noqa: S104  # refused is what is tested
        (("serve", "--wyoming", "tcp://0.0.0.0:10300"), "no API keys"),
        (("serve", "--config", "missing.toml"), "missing.toml"),
        (("serve", "--log-level", "shout"), "'shout'"),
        (("transcribe", "x.wav", "--speed", "-1"), "--speed -1"),
        (("transcribe", str(RECORDING), "--upstream-url", "nonsense"), "base_url"),
        (
            ("transcribe", str(RECORDING), "--upstream-url", "http://127.0.0.1:9/v1", "--upstream-key-file", "no"),
            "file no",
        ),
        (("listen", "--upstream-url", "nonsense"), "base_url"),
        (("listen", "--partials", "sometimes"), "partials"),
        (("transcribe", str(RECORDING), "-o", "no/such/folder/x.srt"), "no/such/folder"),
    ],
)
def test_a_wrong_setting_is_named_and_the_exit_code_is_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "not a readable audio or video file"),
        (b"no audio at all", "not a readable audio or video file"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "not a readable audio or video file"),
        (b"ffconcat version 1.0\nfile other.wav\n", "not a readable audio or video file"),
    ],
)
def test_a_file_without_audio_is_refused_with_its_name(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "speech.wav"
    if content is not None:
        file.write_bytes(content)
    result = run("transcribe", str(file), *SCRIPTED)
    assert result.exit_code == 1
    assert "speech.wav" in result.stderr
    assert message in result.stderr


def test_an_unreachable_gateway_is_named() -> None:
    result = run("transcribe", str(RECORDING), "--url", "ws://127.0.0.1:9")
    assert result.exit_code == 1
    assert "ws://127.0.0.1:9/v1/stream cannot be reached" in result.stderr


@pytest.mark.parametrize("output_format", ["srt", "vtt", "txt", "json", "jsonl"])
def test_transcribe_writes_each_format(tmp_path: Path, output_format: str) -> None:
    output = tmp_path / "captions"
    result = run("transcribe", str(RECORDING), "--format", output_format, "-o", str(output), *SCRIPTED)
    assert result.exit_code == 0, result.output
    text = output.read_text()
    match output_format:
        case "srt":
            assert webvtt.from_srt(str(output))[0].text
        case "vtt":
            assert webvtt.read(str(output))[0].text
        case "json":
            assert json.loads(text)
        case "jsonl":
            types = [json.loads(line)["type"] for line in text.splitlines()]
            assert types[0] == "ready"
            assert types[-1] == "finished"
        case _:
            assert len(text.splitlines()) > 1


def test_transcribe_reads_standard_input() -> None:
    command = [sys.executable, "-m", "gateway", "transcribe", "-", *SCRIPTED]
    with RECORDING.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, check=True)  # noqa: S603
    assert done.stdout


def test_print_config_shows_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SERVER__API_KEYS", "key-one,key-two")
    result = run("serve", "--print-config")
    assert result.exit_code == 0
    assert "key-one" not in result.stdout
    assert "key-two" not in result.stdout
    assert tomllib.loads(result.stdout)["server"]["port"] == 8000


def test_a_record_is_one_line_without_colours(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(logging.root, "handlers", [])
    set_up_logging("info")
    logging.getLogger("livecue.test").info("session opened session=%s rate_hz=%d %s", "a" * 32, 16_000, "x" * 200)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ INFO livecue\.test session opened .*x{200}", lines[0])


def test_a_taken_port_is_named() -> None:
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", str(port), *SCRIPTED)
    assert result.exit_code == 2
    assert f"server.port = {port}" in result.stderr


def test_listen_without_portaudio_or_microphone_prints_what_to_install() -> None:
    result = run("listen", "--microphone", "no such device", *SCRIPTED)
    assert result.exit_code == 1
    assert "microphone" in result.stderr


def test_pull_of_an_unknown_model_lists_the_known_ones() -> None:
    result = run("pull", "enormous")
    assert result.exit_code == 2
    assert "large-v3-turbo" in result.stderr
