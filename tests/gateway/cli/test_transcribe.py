"""`livecue transcribe`, when all is well and when it is not: nothing is lost without a word."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch
from zipfile import ZipFile

import anyio
import pytest
from typer.testing import CliRunner, Result

from clients.caption_writers import OutputFormat
from clients.output_paths import Job
from decoder.engines.scripted import ScriptedEngine, spoken_count
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, Word
from gateway.cli.main import app
from gateway.cli.reading import SourceReading
from gateway.cli.transcribe import _transcribe, _Work
from gateway.in_process import local_gateway
from gateway.settings import load_settings
from gateway.wire import Start
from tests.sessions import LoudnessDetector
from tests.uploading import utterances, wav
from vad.detector import DETECTORS

TALK = Path(__file__).parents[3] / "clients" / "demo" / "talk.flac"

LOUDNESS = ("--set", "session.detector=loudness")

Script = Callable[[DecodeRequest], Hypothesis | EngineError]


@pytest.fixture(autouse=True)
def loudness() -> Iterator[None]:
    with patch.dict(DETECTORS, {"loudness": f"{LoudnessDetector.__module__}:LoudnessDetector"}):
        yield


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording of ten utterances."""
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(utterances(10)))
    return path


def transcribe(*arguments: str | Path, script: Script = spoken_count) -> Result:
    with patch("gateway.in_process.create_engine", lambda settings: ScriptedEngine(script)):
        return CliRunner().invoke(app, ["transcribe", *map(str, arguments), *LOUDNESS])


class StuckEngine(ScriptedEngine):
    """Decodes the first utterance, and no other."""

    def __init__(self) -> None:
        super().__init__()
        self.max_batch = 1
        self.is_stuck = anyio.Event()

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        if batch[0].utterance_id:
            self.is_stuck.set()
            await anyio.sleep_forever()
        return await super().decode(batch)


def polish(request: DecodeRequest) -> Hypothesis:
    """Answer with a word whose first and last letter are not in CEA-608."""
    word = Word(" Łódź", request.start_sample, request.end_sample, 1.0)
    return Hypothesis.answering(request, (word,), "pl")


def failing_from(first: int, last: int) -> Script:
    """Return a script that always fails at some utterances."""

    def script(request: DecodeRequest) -> Hypothesis | EngineError:
        return EngineFailed("down") if first <= request.utterance_id <= last else spoken_count(request)

    return script


def test_several_recordings_are_transcribed_to_a_folder(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "other.wav").write_bytes(wav(utterances(1)))
    result = transcribe(recording, tmp_path / "other.wav", "-o", tmp_path / "out", "--format", "srt")
    assert result.exit_code == 0, result.output
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["other.srt", "talk.srt"]
    assert (tmp_path / "out" / "talk.srt").read_text().count("-->") == 5


def test_the_cues_of_a_recording_are_laid_out_by_the_profile(recording: Path, tmp_path: Path) -> None:
    result = transcribe(recording, "-o", tmp_path / "talk.srt", "--profile", "bbc")
    assert result.exit_code == 0, result.output
    assert "00:00:02,080 --> 00:00:03,2" not in (tmp_path / "talk.srt").read_text()


def test_an_unknown_profile_is_refused_before_anything_is_transcribed(recording: Path) -> None:
    result = transcribe(recording, "--profile", "cinema")
    assert result.exit_code == 2
    assert "unknown cue profile 'cinema': expected one of web, live," in result.stderr


def test_what_scenarist_captions_cannot_express_is_said(recording: Path, tmp_path: Path) -> None:
    result = transcribe(recording, "-o", tmp_path / "talk.scc", script=polish)
    assert result.exit_code == 0, result.output
    assert f"{recording}: characters that CEA-608 lacks: 20 spelt with others" in result.stderr


def test_an_utterance_that_the_engine_cannot_do_is_a_marked_gap_and_an_exit_code(
    recording: Path, tmp_path: Path
) -> None:
    result = transcribe(recording, "-o", tmp_path / "talk.txt", script=failing_from(1, 2))
    lines = (tmp_path / "talk.txt").read_text().splitlines()
    assert (len(lines), lines[1], lines[2]) == (10, "[missing]", "[missing]")
    assert result.exit_code == 1
    assert f"{recording}: the transcript of 3.9 s is missing: 0:00:02.6 to 0:00:04.5 (engine_failed)" in result.stderr


def test_an_engine_that_fails_half_way_is_reported_and_earlier_captions_are_kept(
    recording: Path, tmp_path: Path
) -> None:
    result = transcribe(recording, "-o", tmp_path / "talk.txt", script=failing_from(4, 99))
    assert result.exit_code == 1
    assert "5 utterances in a row (engine_failed)" in result.stderr
    assert "has the words up to 0:00:09.5, the rest is missing\n" in result.stderr
    assert (tmp_path / "talk.txt").read_text().splitlines()[:4] == [
        "two three four five",
        "eight nine ten one",
        "four five six seven",
        "ten one two three",
    ]


def test_a_dead_engine_is_reported(recording: Path) -> None:
    result = transcribe(recording, script=failing_from(0, 99))
    assert result.exit_code == 1
    assert "engine_failed" in result.stderr


def test_one_recording_that_cannot_be_read_stops_no_other(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no audio at all")
    result = transcribe(tmp_path / "broken.wav", recording, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "broken.wav: not a readable audio or video file" in result.stderr
    assert len((tmp_path / "out" / "talk.txt").read_text().splitlines()) == 10


@pytest.mark.parametrize("output_format", list(OutputFormat))
async def test_an_interrupt_keeps_the_captions_so_far_and_reports_it(
    output_format: OutputFormat, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, output = StuckEngine(), tmp_path / f"talk.{output_format}"
    settings = load_settings({"session": {"detector": "loudness"}})
    with patch("gateway.in_process.create_engine", lambda settings: engine):
        async with local_gateway(settings) as connect, anyio.create_task_group() as tasks:
            job = Job(str(recording), output, output_format)
            tasks.start_soon(_transcribe, _Work(job, Start(file=True), SourceReading(), None, connect))
            await engine.is_stuck.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert f"interrupted: {output} has the words up to 0:00:" in capsys.readouterr().err
    if output_format is OutputFormat.JSON:
        assert json.loads(output.read_text())[0]["lines"] == ["two three four five"]
    elif output_format is OutputFormat.DOCX:
        assert "two three four" in ZipFile(output).read("word/document.xml").decode()
    elif output_format is OutputFormat.SCC:
        assert output.read_text().count("\t") == 2  # displayed and erased
    else:
        assert "two three four" in output.read_text()


def test_a_reader_that_goes_away_ends_it_with_one_line() -> None:
    command = [sys.executable, "-m", "gateway", "transcribe", str(TALK), "--engine", "scripted"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
    assert process.returncode == 1
    assert complaint.count("\n") == 1
    assert "standard output was closed" in complaint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk at hand")
def test_a_full_disk_ends_it_with_one_line(recording: Path) -> None:
    result = transcribe(recording, "-o", "/dev/full", "--format", "srt")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "No space left on device" in result.stderr


def test_a_file_has_as_long_as_the_engine_needs(recording: Path) -> None:
    with patch("gateway.runtime.Scheduler", side_effect=RuntimeError) as scheduler:
        transcribe(recording)
    assert [call.args[2].file_timeout_s for call in scheduler.call_args_list] == [float("inf")]


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [[], ["serve"], ["transcribe"], ["keys", "create"]])
def test_help_is_there_by_either_name(command: list[str], flag: str) -> None:
    assert CliRunner().invoke(app, [*command, flag]).exit_code == 0


def test_shells_can_be_taught_to_complete() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["-h"]).stdout


def test_the_version_is_an_option_too() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == CliRunner().invoke(app, ["version"]).stdout
