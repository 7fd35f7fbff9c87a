"""`livecue bench prepare`, as a user meets it."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from clients.bench.testset import read_testset
from gateway.cli.bench_prepare import prepare
from tests.clients.bench.recordings import timed, write_manifest, write_wav
from tests.contracts.engines import write_micro_whisper

app = typer.Typer()
app.command()(prepare)


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_whisper(tmp_path_factory.mktemp("whisper") / "micro")


def prepared(folder: Path, model: Path, *options: str) -> Result:
    return CliRunner().invoke(app, [str(folder), "--model", str(model), "--offline", *options])


def test_texts_get_the_times_of_their_words(tmp_path: Path, micro: Path) -> None:
    write_wav(tmp_path / "a.wav", 2.0)
    (tmp_path / "a.txt").write_text("Red, blue.")

    result = prepared(tmp_path, micro)

    assert result.exit_code == 0, result.output
    assert result.stdout == "word times, model micro: 1 aligned\n"
    written = json.loads((tmp_path / "a.wav.words.json").read_text())
    assert (written["schema"], written["model"]) == ("livecue-words/1", "micro")
    assert [word["text"] for word in written["words"]] == ["Red,", "blue."]
    [recording] = read_testset(tmp_path).recordings
    assert recording.entry.times == "aligned (micro)"
    assert recording.reference.has_times


def test_what_has_times_already_is_not_aligned_again(tmp_path: Path, micro: Path) -> None:
    write_manifest(
        tmp_path,
        {"audio": "a.wav", "text": "Red."},
        {"audio": "b.wav", "words": timed(("Blue.", 0.1, 0.5))},
        {"audio": "c.wav", "category": "noise"},
        {"audio": "d.wav", "text": "Red rot.", "language": "en+de"},
    )
    prepared(tmp_path, micro)

    assert prepared(tmp_path, micro).stdout == (
        "word times, model micro: 1 already aligned, 1 with times in the manifest, 1 without a text, "
        "1 in several languages\n"
    )


def test_a_changed_text_is_aligned_again(tmp_path: Path, micro: Path) -> None:
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red."})
    prepared(tmp_path, micro)
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red blue."})

    assert "1 aligned" in prepared(tmp_path, micro).stdout
    assert read_testset(tmp_path).recordings[0].entry.words == 2


def test_word_times_may_lie_in_a_folder_of_their_own(tmp_path: Path, micro: Path) -> None:
    write_manifest(tmp_path / "talks", {"audio": "a.wav", "text": "你好", "language": "zh"})

    result = prepared(tmp_path / "talks", micro, "--cache", str(tmp_path / "times"))

    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "times").glob("*.words.json"))) == 1
    [recording] = read_testset(tmp_path / "talks", tmp_path / "times").recordings
    assert [word.text for word in recording.reference.words] == ["你", "好"]


def test_one_recording_that_cannot_be_aligned_does_not_stop_the_others(tmp_path: Path, micro: Path) -> None:
    write_manifest(
        tmp_path,
        {"audio": "long.wav", "text": "nothing of that kind"},
        {"audio": "b.wav", "text": "Red.", "language": "klingon"},
        {"audio": "c.wav", "text": "Red.", "language": "xx"},
        {"audio": "d.wav", "text": "Red."},
        {"audio": "e.wav", "text": "Red."},
    )
    write_wav(tmp_path / "long.wav", 40.0)
    (tmp_path / "d.wav").write_text("no audio")

    result = prepared(tmp_path, micro)

    assert result.exit_code == 1
    assert "long.wav: 4 of 4 words cannot be aligned, from 'nothing' on" in result.stderr
    assert "b.wav: language 'klingon': Whisper does not know it; expected a code such as en" in result.stderr
    assert "c.wav: language 'xx'" in result.stderr
    assert "d.wav: not a readable audio or video file" in result.stderr
    assert result.stdout == "word times, model micro: 4 failed, 1 aligned\n"


def test_an_english_model_aligns_english_only(tmp_path: Path, micro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from decoder.engines.whisper.reference_alignment import ReferenceAligner

    monkeypatch.setattr(ReferenceAligner, "is_multilingual", False)
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Rot.", "language": "de"}, {"audio": "b.wav", "text": "Red."})

    result = prepared(tmp_path, micro)

    assert "language 'de': model micro aligns English only; choose a multilingual one with --model" in result.stderr
    assert "1 failed, 1 aligned" in result.stdout


@pytest.mark.parametrize(
    ("folder", "model", "message"),
    [("missing", "micro", "missing: no such file or folder"), (".", "micro", "0 recordings, none with a text")],
)
def test_a_folder_without_texts_is_refused(tmp_path: Path, folder: str, model: str, message: str) -> None:
    result = prepared(tmp_path / folder, Path(model))

    assert result.exit_code == 2
    assert message in result.stderr


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"audio": "a.wav", "text": "Red."})

    assert prepared(tmp_path, tmp_path / "none").exit_code == 2
