"""Recordings with their texts, found in a folder."""

import json
from pathlib import Path

import pytest

from clients.bench.manifest import ListedRecording, ListedWord, TestsetError, read_listed
from tests.clients.bench.recordings import timed


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def listed(folder: Path, *entries: dict[str, object]) -> list[ListedRecording]:
    return read_listed(write(folder, {"manifest.json": json.dumps(entries)}))


def test_texts_lie_beside_the_recordings(tmp_path: Path) -> None:
    folder = write(tmp_path, {"b.flac": "", "b.txt": "\ufeffHello there.\n", "of/a.MP3": "", "of/a.txt": "Yes."})

    assert read_listed(folder) == [
        ListedRecording(tmp_path / "b.flac", "b.flac", "Hello there."),
        ListedRecording(tmp_path / "of" / "a.MP3", "of/a.MP3", "Yes."),
    ]


def test_an_empty_text_says_that_nothing_is_spoken_and_a_missing_one_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a.wav": "", "b.wav": "", "b.txt": "Yes.", "c.wav": "", "c.txt": " \n"})

    assert [recording.text for recording in read_listed(folder)] == [None, "Yes.", ""]


def test_a_manifest_lists_recordings_texts_languages_and_terms(tmp_path: Path) -> None:
    entries = [
        {"file": "of/a.flac", "text": "Guten Tag.", "language": "de", "category": "clean", "duration_s": 1.5},
        {"audio": "b.wav", "text": "Yes.", "terms": ["Ada"]},
        {"file": "hum.wav", "text": "", "language": ""},
    ]
    folder = write(tmp_path, {"manifest.json": json.dumps(entries), "other.wav": "", "other.txt": "Not listed."})

    expected = [
        ListedRecording(tmp_path / "of" / "a.flac", "of/a.flac", "Guten Tag.", "de"),
        ListedRecording(tmp_path / "b.wav", "b.wav", "Yes.", terms=("Ada",)),
        ListedRecording(tmp_path / "hum.wav", "hum.wav", ""),
    ]
    assert read_listed(folder) == read_listed(folder / "manifest.json") == expected


def test_a_category_without_speech_needs_no_text(tmp_path: Path) -> None:
    texts = listed(
        tmp_path,
        {"file": "a.wav", "category": "music"},
        {"file": "b.wav", "category": "silence", "text": "Yes."},
        {"file": "c.wav", "category": "clean"},
    )

    assert [recording.text for recording in texts] == ["", "Yes.", None]


def test_words_have_times_in_either_form(tmp_path: Path) -> None:
    one, other = listed(
        tmp_path,
        {"file": "a.wav", "text": "Something else.", "words": timed(("Oh,", 0.5, 1), ("yes.", 1, 1.5))},
        {"file": "b.wav", "segments": [{"words": [["Oh,", 0.5, 1]]}, {"words": [["yes.", 1, 1.5]]}, {}]},
    )

    assert one.words == other.words == (ListedWord("Oh,", 0.5, 1), ListedWord("yes.", 1, 1.5))
    assert one.text == other.text == "Oh, yes."


def test_labels_of_several_people_are_merged_by_time(tmp_path: Path) -> None:
    labels = {
        "source": {"licence": "free"},
        "a.wav": {"words": [*timed(("one", 1, 2), ("three", 3, 4)), *timed(("two", 2.5, 3.5))]},
    }
    write(tmp_path, {"labels/x_words.json": json.dumps(labels)})

    [recording] = listed(tmp_path, {"file": "a.wav", "text": None})

    assert [word.text for word in recording.words] == ["one", "two", "three"]
    assert recording.text == "one two three"


@pytest.mark.parametrize("words", [timed(("a", 1, 2), ("b", 0.5, 2.5)), timed(("a", 2, 1)), timed(("a", -1, 1))])
def test_impossible_times_are_refused_with_the_word(tmp_path: Path, words: list[dict[str, object]]) -> None:
    with pytest.raises(TestsetError, match=r"a\.wav: word '[ab]' from .*: expected words in order of their starts"):
        listed(tmp_path, {"file": "a.wav", "words": words})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "manifest.json: JSON is malformed"),
        ('{"a.wav": "Yes."}', "manifest.json: Expected `array`, got `object`"),
        ('[{"text": "Yes."}]', 'entry 0 has neither "audio" nor "file"'),
        ('[{"file": "a.wav", "words": [{"text": "a"}]}]', "missing required field `start_s`"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(TestsetError) as refused:
        read_listed(write(tmp_path, {"manifest.json": content}))

    assert message in str(refused.value)


def test_labels_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(TestsetError, match=r"x_words\.json: JSON is malformed"):
        read_listed(write(tmp_path, {"manifest.json": "[]", "labels/x_words.json": "?"}))


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TestsetError, match="no such file or folder"):
        read_listed(tmp_path / "missing")


def test_a_text_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.wav": ""})
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")

    with pytest.raises(TestsetError, match=r"a\.txt: cannot be read as UTF-8"):
        read_listed(tmp_path)
