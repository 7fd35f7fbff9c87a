"""`livecue doctor --compare-windows`, as a user meets it."""

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks.recordings import read_recording
from decoder.engine import ENGINES, WINDOWED_ENGINES
from gateway.cli import window_comparison
from gateway.cli.main import app
from tests.audio import noise
from tests.contracts.engines import SENTENCE, write_micro_whisper
from tests.media import encoded
from tests.meeting import TALK, TALK_BEGINNING
from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

TALK_BEGINNING_S = 7.5
"""The first sentence, without the beginning of the next."""


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_whisper(tmp_path_factory.mktemp("whisper") / "micro")


def write_recording(folder: Path, name: str, audio: Float32, text: str | None = SENTENCE) -> None:
    (folder / f"{name}.wav").write_bytes(encoded("wav", audio, rate_hz=SAMPLE_RATE_HZ))
    if text is not None:
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def compare(folder: Path, model: Path | str, *options: str) -> Result:
    arguments = ["doctor", "--compare-windows", str(folder), "--model", str(model), "--device", "cpu", *options]
    return CliRunner().invoke(app, arguments)


def rows(result: Result) -> dict[str, list[str]]:
    """Return the cells of each window's row."""
    found = (re.split(r" {2,}", line) for line in result.stdout.splitlines())
    return {cells[0]: cells[1:] for cells in found if cells[0] in ("full", "trimmed")}


def test_both_windows_are_measured_on_the_same_recordings(tmp_path: Path, micro: Path) -> None:
    write_recording(tmp_path, "right", noise(2.0))
    write_recording(tmp_path, "wrong", noise(2.4), "So: one two three four five and seven eight nine.")

    result = compare(tmp_path, micro, "--language", "de")

    assert result.exit_code == 0, result.output
    assert "model micro, cpu: 2 recordings, 20 words" in result.stdout
    full, trimmed = rows(result)["full"], rows(result)["trimmed"]
    assert full == ["15.00 %", "5.00 %", "5.00 %", "5.00 %", "0", "60"]
    assert trimmed == [*full[:-1], "10"]  # 2.5 s and the margin, twice
    assert "trimmed – full: +0.00 points, 95 % interval +0.00 to +0.00" in result.stdout
    assert "too few to decide: 2 of at least 100 recordings" in result.stdout


def test_an_english_number_may_be_written_either_way(tmp_path: Path, micro: Path) -> None:
    write_recording(tmp_path, "english", noise(2.0), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")

    result = compare(tmp_path, micro, "--language", "en")

    assert rows(result)["full"][0] == "0.00 %"


def test_a_text_without_words_is_none(tmp_path: Path, micro: Path) -> None:
    write_recording(tmp_path, "a", noise(2.0))
    write_recording(tmp_path, "music", noise(2.0), "[Music]")

    result = compare(tmp_path, micro, "--language", "en")

    assert "not compared: 1 without a text\n" in result.stdout


def test_the_normaliser_that_is_missing_is_named(tmp_path: Path, micro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recording(tmp_path, "a", noise(2.0))
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", None)

    result = compare(tmp_path, micro)

    assert result.exit_code == 2
    assert "pip install 'livecue[bench]'" in result.stderr


def test_enough_recordings_decide(tmp_path: Path, micro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_comparison, "MIN_RECORDINGS", 3)
    entries = [{"audio": "a.wav", "text": SENTENCE, "language": "en-US"}] * 3
    write_recording(tmp_path, "a", noise(2.0))
    (tmp_path / "manifest.json").write_text(json.dumps(entries))

    result = compare(tmp_path, micro)

    assert result.exit_code == 0, result.output
    assert 'set engine.final_window = "trimmed"' in result.stdout


def test_a_broken_recording_is_reported_and_the_others_still_count(tmp_path: Path, micro: Path) -> None:
    write_recording(tmp_path, "a", noise(2.0))
    (tmp_path / "broken.wav").write_bytes(b"no recording")
    (tmp_path / "broken.txt").write_text(SENTENCE)

    result = compare(tmp_path, micro, "--language", "de")

    assert result.exit_code == 1
    assert "broken.wav: not a readable audio or video file" in result.stderr
    assert "not compared: 1 with an error" in result.stdout
    assert "1 recordings, 10 words" in result.stdout


def test_recordings_that_cannot_be_compared_are_counted_by_reason(tmp_path: Path, micro: Path) -> None:
    write_recording(tmp_path, "a", noise(2.0))
    write_recording(tmp_path, "long", noise(30.1))
    languages = {"a.wav": "en", "long.wav": "en", "hum.wav": None, "it.wav": "it", "two.wav": "en+de"}
    entries = [
        {"file": file, "text": None if file == "hum.wav" else SENTENCE, "language": language}
        for file, language in languages.items()
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(entries))

    result = compare(tmp_path, micro)

    assert result.exit_code == 0, result.output
    reasons = "1 longer than 30 s, 1 without a text, 2 in languages that the model does not write"
    assert f"not compared: {reasons}\n" in result.stdout


def test_a_folder_of_which_nothing_can_be_compared_is_refused(tmp_path: Path, micro: Path) -> None:
    write_recording(tmp_path, "long", noise(30.1))

    result = compare(tmp_path, micro)

    assert result.exit_code == 2
    assert "none of 1 recordings can be compared" in result.stderr


@pytest.mark.parametrize("engine", sorted({*ENGINES} - WINDOWED_ENGINES))
def test_an_engine_without_windows_is_refused(tmp_path: Path, engine: str) -> None:
    write_recording(tmp_path, "a", noise(2.0))

    result = CliRunner().invoke(app, ["doctor", "--compare-windows", str(tmp_path), "--engine", engine])

    assert result.exit_code == 2
    assert f"engine {engine} has no windows to compare: expected torch, whisper" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--compare-windows", "missing"), "missing: no such file or folder"),
        (("--compare-windows", ".", "--language", "?"), "--language: language '?'"),
        (("--compare-windows", ".", "--set", "engine.window=1"), "engine.window"),
        (("--model", "tiny.en"), "expected only with --compare-windows DIR"),
    ],
)
def test_wrong_options_are_refused(options: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["doctor", *options])

    assert result.exit_code == 2
    assert message in result.stderr


def test_the_packaged_model_is_right_in_both_windows(tmp_path: Path) -> None:
    write_recording(tmp_path, "talk", read_recording(TALK)[: s_to_samples(TALK_BEGINNING_S)], TALK_BEGINNING)

    result = compare(tmp_path, "tiny.en", "--offline")

    assert result.exit_code == 0, result.output
    assert [cells[0] for cells in rows(result).values()] == ["0.00 %", "0.00 %"]
