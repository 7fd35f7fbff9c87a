"""Files of word times."""

import json
from pathlib import Path

import pytest

from clients.bench.manifest import ListedWord, TestsetError
from clients.bench.word_times import WordTimesFile, read_word_times, sha256_of_text, word_times_path, write_word_times

TIMES = WordTimesFile("tiny.en", "a1", sha256_of_text("Yes."), (ListedWord("Yes.", 0.5, 1.0),))


def test_word_times_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.wav.words.json"
    write_word_times(path, TIMES)

    times = read_word_times(path)

    assert times is not None
    assert (times.model, times.audio_sha256, list(times.words)) == ("tiny.en", "a1", list(TIMES.words))
    assert json.loads(path.read_text())["schema"] == "livecue-words/1"


def test_there_may_be_no_word_times(tmp_path: Path) -> None:
    assert read_word_times(tmp_path / "a.wav.words.json") is None


def test_word_times_lie_beside_the_recording_or_in_a_folder_of_their_own(tmp_path: Path) -> None:
    assert word_times_path(Path("of/a.wav"), "a1", None) == Path("of/a.wav.words.json")
    assert word_times_path(Path("of/a.wav"), "a1", tmp_path) == tmp_path / "a1.words.json"


@pytest.mark.parametrize(("content", "message"), [("?", "JSON is malformed"), ("{}", "missing required field")])
def test_word_times_that_cannot_be_read_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.wav.words.json"
    path.write_text(content)

    with pytest.raises(TestsetError, match=rf"a\.wav\.words\.json: .*{message}"):
        read_word_times(path)


def test_word_times_of_another_schema_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.words.json"
    write_word_times(path, WordTimesFile("tiny.en", "a1", "b2", (), schema="livecue-words/9"))

    with pytest.raises(TestsetError, match=r"schema 'livecue-words/9': expected 'livecue-words/1'"):
        read_word_times(path)


def test_word_times_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("in the way")

    with pytest.raises(TestsetError, match=r"b\.words\.json"):
        write_word_times(tmp_path / "a" / "b.words.json", TIMES)
