"""Recordings with their texts, found in a folder."""

import json
from pathlib import Path

import pytest

from gateway.cli.references import Reference, read_references
from gateway.errors import ConfigurationError


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def test_texts_lie_beside_the_recordings(tmp_path: Path) -> None:
    folder = write(tmp_path, {"b.flac": "", "b.txt": "\ufeffHello there.\n", "of/a.MP3": "", "of/a.txt": "Yes."})

    assert read_references(folder) == [
        Reference(tmp_path / "b.flac", "Hello there."),
        Reference(tmp_path / "of" / "a.MP3", "Yes."),
    ]


def test_recordings_without_a_text_are_there_too(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a.wav": "", "b.wav": "", "b.txt": "Yes.", "c.wav": "", "c.txt": " \n"})

    assert [reference.text for reference in read_references(folder)] == [None, "Yes.", None]


def test_a_manifest_lists_recordings_texts_and_languages(tmp_path: Path) -> None:
    entries = [
        {"file": "of/a.flac", "text": "Guten Tag.", "language": "de", "category": "clean", "duration_s": 1.5},
        {"audio": "b.wav", "text": "Yes."},
        {"file": "hum.wav", "text": "", "language": ""},
    ]
    folder = write(tmp_path, {"manifest.json": json.dumps(entries), "other.wav": "", "other.txt": "Not listed."})

    assert read_references(folder) == [
        Reference(tmp_path / "of" / "a.flac", "Guten Tag.", "de"),
        Reference(tmp_path / "b.wav", "Yes."),
        Reference(tmp_path / "hum.wav", None),
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "0 recordings, none with a text"),
        ({"a.wav": ""}, "1 recordings, none with a text"),
        ({"manifest.json": "[]"}, "0 recordings, none with a text"),
        ({"manifest.json": "nonsense"}, "manifest.json: JSON is malformed"),
        ({"manifest.json": '{"a.wav": "Yes."}'}, "manifest.json: Expected `array`, got `object`"),
        ({"manifest.json": '[{"text": "Yes."}]'}, 'entry 0 has neither "audio" nor "file"'),
    ],
)
def test_a_folder_without_texts_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_references(write(tmp_path, files))

    assert message in str(refused.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        read_references(tmp_path / "missing")


def test_a_text_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a.wav": ""})
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")

    with pytest.raises(ConfigurationError, match=r"a\.txt: cannot be read as UTF-8"):
        read_references(tmp_path)
