"""`livecue relay` and `livecue transcribe` with URLs."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from decoder.engines.scripted import ScriptedEngine, spoken_count
from gateway.cli.main import app
from gateway.cli.reading import SourceReading
from gateway.cli.relay import _relay
from gateway.settings import load_settings
from gateway.wire import Start
from tests.clients.sources.serving import OTHER_HOST, Page, WebServer, web_server
from tests.servers import serving
from tests.sessions import LoudnessDetector
from tests.uploading import utterances, wav
from vad.detector import DETECTORS

LOUDNESS = ("--set", "session.detector=loudness")


@pytest.fixture(autouse=True)
def loudness() -> Iterator[None]:
    with patch.dict(DETECTORS, {"loudness": f"{LoudnessDetector.__module__}:LoudnessDetector"}):
        yield


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.pages |= {
            "/talk.wav": Page(wav(utterances(4))),
            "/radio.wav": Page(wav(utterances(4)), has_length=False),
        }
        yield server


def transcribe(*arguments: str | Path) -> Result:
    with patch("gateway.in_process.create_engine", lambda settings: ScriptedEngine(spoken_count)):
        return CliRunner().invoke(app, ["transcribe", *map(str, arguments), *LOUDNESS])


def test_a_recording_by_url_becomes_captions_named_after_it(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    result = transcribe(f"{web.url}/talk.wav?key=secret", "-o", tmp_path / "out", "--format", "srt")
    assert result.exit_code == 1  # no such page: a query is a part of the address
    assert "answered HTTP 404" in result.stderr
    assert "secret" not in result.output
    result = transcribe(f"{web.url}/talk.wav", "-o", tmp_path / "out", "--format", "srt")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "talk.srt").read_text().count("-->") == 2  # of four utterances


def test_a_live_stream_is_transcribed_until_it_does_not_come_back(web: WebServer, tmp_path: Path) -> None:
    result = transcribe(f"{web.url}/radio.wav", "-o", tmp_path / "radio.txt", "--reconnect-for", "0")
    assert result.exit_code == 0, result.output
    assert len((tmp_path / "radio.txt").read_text().splitlines()) >= 4
    assert "the stream was lost; reconnecting" in result.stderr
    assert "the stream did not come back; it counts as ended" in result.stderr


def test_a_redirect_elsewhere_is_refused_and_the_message_says_how_to_allow_it(web: WebServer) -> None:
    with web_server(OTHER_HOST) as other:
        other.pages["/b"] = Page(wav(utterances(1)))
        web.pages["/a"] = Page(status=302, headers={"Location": f"{other.url}/b"})
        refused = transcribe(f"{web.url}/a")
        assert refused.exit_code == 1
        assert f"--allow-host {OTHER_HOST} allows it" in refused.stderr
        assert other.paths == []
        assert transcribe(f"{web.url}/a", "--allow-host", OTHER_HOST).exit_code == 0


def test_private_addresses_are_refused_on_request(web: WebServer) -> None:
    result = transcribe(f"{web.url}/talk.wav", "--public-only")
    assert "private address 127.0.0.1: expected a public one" in result.stderr
    assert web.paths == []


@pytest.mark.parametrize("command", ["transcribe", "relay"])
def test_a_url_of_another_protocol_is_a_wrong_command(command: str) -> None:
    result = CliRunner().invoke(app, [command, "ftp://example.com/talk.mp3"])
    assert result.exit_code == 2
    assert "ftp: not a protocol of streams: expected rtsp" in result.stderr


async def test_a_stream_is_captioned_in_a_session_that_others_can_watch(
    web: WebServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(ScriptedEngine(spoken_count), load_settings({"session": {"detector": "loudness"}})) as served:
        await _relay(f"{web.url}/radio.wav", SourceReading(reconnect_for_s=0), served.url, None, Start(resumable=True))
    link, *captions = capsys.readouterr().out.splitlines()
    assert link.startswith(f"captions: {served.url}/watch/")
    assert len(captions) >= 4


def test_a_gateway_that_is_not_there_is_reported(web: WebServer) -> None:
    result = CliRunner().invoke(app, ["relay", f"{web.url}/radio.wav", "ws://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "cannot be reached" in result.stderr
