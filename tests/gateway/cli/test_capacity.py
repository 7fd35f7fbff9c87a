"""`livecue capacity`, as an operator meets it."""

import wave
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner, Result

from decoder.cpu_cores import core_count
from gateway.cli.main import app
from gateway.load.recorded_capacity import read_capacities
from tests.sessions import LoudnessDetector, silence, speech
from vad.detector import DETECTORS


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((silence(0.2) + speech(1.0) + silence(0.8)) * 3)
    return path


def capacity(tmp_path: Path, recording: Path, *arguments: str) -> Result:
    common = ["capacity", "--engine", "scripted", "--audio", str(recording), "--run-s", "5", "--max-streams", "3"]
    settings = ["session.detector=loudness", f"limits.capacity_file={tmp_path / 'capacity.json'}"]
    with patch.dict(DETECTORS, loudness=f"{LoudnessDetector.__module__}:LoudnessDetector"):
        return CliRunner().invoke(app, [*common, *arguments, *(each for line in settings for each in ("--set", line))])


@pytest.mark.slow
def test_it_prints_what_the_machine_holds_and_records_it_for_serve(tmp_path: Path, recording: Path) -> None:
    result = capacity(tmp_path, recording)
    assert result.exit_code == 0, result.output
    assert "holds 3 streams at SLO: 95 % of finals within 2 s" in result.stdout
    (record,) = read_capacities(tmp_path / "capacity.json")
    assert (record.engine, record.model, record.streams, record.cpus) == ("scripted", "script", 3, core_count())


def test_a_machine_that_holds_no_stream_says_so_and_records_nothing(tmp_path: Path, recording: Path) -> None:
    result = capacity(tmp_path, recording, "--final-s", "0.1")
    assert result.exit_code == 1
    assert "holds 0 streams at SLO" in result.stdout
    assert not (tmp_path / "capacity.json").exists()
