"""The benchmark of words, from the folder to the figures."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import words
from benchmarks.words import overrides_of
from tests.recordings import recording_path
from tools.real_models import model_directory

TEXT = "We must find a new home in the stars."


def test_settings_are_assigned_by_group_and_key() -> None:
    overrides = overrides_of(["engine.partial_window=full", "session.detector = silero", "engine.max_batch=2"])

    assert overrides == {"engine": {"partial_window": "full", "max_batch": "2"}, "session": {"detector": "silero"}}


@pytest.mark.parametrize("text", ["engine.max_batch", "max_batch=2", ""])
def test_an_assignment_without_group_or_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected GROUP\.KEY=VALUE"):
        overrides_of([text])


def test_all_arms_of_one_recording_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = model_directory("whisper-tiny.en")
    if weights is None:
        pytest.skip("no weights whisper-tiny.en: `make models` lays them out")
    (tmp_path / "home.flac").symlink_to(recording_path("en_home_in_the_stars.flac"))
    entry = {"file": "home.flac", "category": "clean", "language": "en", "text": TEXT}
    (tmp_path / "manifest.json").write_text(json.dumps([entry]))
    written = tmp_path / "words.json"
    arguments = ["--audio", str(tmp_path), "--weights", str(weights), "--json", str(written)]
    monkeypatch.setattr(sys, "argv", ["words", *arguments, "--set", "engine.final_beam_size=1"])

    words.main()

    results = json.loads(written.read_text())["results"]
    assert [(result["set"], result["arm"]) for result in results] == [
        ("clean", "whole"),
        ("clean", "partials-off"),
        ("clean", "shipped"),
    ]
    assert [result["words"] for result in results] == [9, 9, 9]
    assert all(result["errors"] <= 1 for result in results)
    assert results[2]["shown_p50_s"] < results[2]["final_p50_s"] < 2
    assert "clean, whisper-tiny.en: 1 recordings, 4 s" in capsys.readouterr().out
