"""Recordings in a folder, with the texts that are spoken in them, as its manifest or text files beside them say.

A manifest is a list of entries with paths in its folder:

    [{"audio": "talk.flac", "text": "what is spoken", "language": "en", "category": "clean", "terms": ["Ada"],
      "words": [{"text": "what", "start_s": 0.31, "end_s": 0.52}, …]}]

"file" is another name for "audio". Words with times may also come in `segments`, as lists of `[text, start_s, end_s]`,
or from `labels/*_words.json`, an object of file → {"words": […]}, where several people's words are merged by time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from clients.output_paths import media_files
from gateway.wire import LivecueError

__all__ = ["MANIFEST", "ListedRecording", "ListedWord", "TestsetError", "read_listed"]

MANIFEST = "manifest.json"

_TEXT_SUFFIX = ".txt"

_SPEECHLESS = frozenset({"music", "noise", "silence"})
"""Categories of recordings in which nobody speaks, unless they have a text."""

_LABELS = "labels/*_words.json"


class TestsetError(LivecueError):
    """Recordings or references cannot be read."""

    code = "invalid_testset"

    __test__ = False  # pytest takes classes named Test… for tests


class ListedWord(msgspec.Struct, frozen=True):
    """A spoken word with its times, in seconds of the recording."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class ListedRecording:
    """A recording and what is known of it.

    Attributes:
        path: of the recording.
        name: its path within the folder.
        text: spoken in it; empty: nothing is spoken; None: unknown.
        language: as the manifest has it; None: unknown.
        words: with their times, in order; empty: unknown.
        terms: whose recall is measured.
    """

    path: Path
    name: str
    text: str | None
    language: str | None = None
    words: tuple[ListedWord, ...] = ()
    terms: tuple[str, ...] = ()


class _Segment(msgspec.Struct):
    words: Sequence[tuple[str, float, float]] = ()


class _Entry(msgspec.Struct):
    """One recording of a manifest; what else it says of it is not used."""

    audio: str | None = None
    file: str | None = None
    text: str | None = None
    language: str | None = None
    category: str | None = None
    words: Sequence[ListedWord] = ()
    segments: Sequence[_Segment] = ()
    terms: Sequence[str] = ()


class _Labels(msgspec.Struct):
    words: Sequence[ListedWord] = ()


def read_listed(source: Path) -> list[ListedRecording]:
    """Return the recordings of a manifest or of a folder, those whose text is unknown included.

    Those of a folder are those of its `manifest.json`; where it has none, the recordings in it and below, whose texts
    lie beside them: `talk.txt` for `talk.flac`.

    Args:
        source: a folder, or a manifest of any name.

    Raises:
        TestsetError: there is no such folder or file, or a manifest, its labels or a text cannot be read.
    """
    if source.is_dir():
        manifest = source / MANIFEST
        return _of_manifest(manifest) if manifest.is_file() else _of_folder(source)
    if not source.exists():
        raise TestsetError(f"{source}: no such file or folder")
    return _of_manifest(source)


def _of_folder(folder: Path) -> list[ListedRecording]:
    return [
        ListedRecording(path, path.relative_to(folder).as_posix(), _text_beside(path)) for path in media_files(folder)
    ]


def _text_beside(recording: Path) -> str | None:
    path = recording.with_suffix(_TEXT_SUFFIX)
    try:
        return path.read_text("utf-8-sig").strip() if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise TestsetError(f"{path}: cannot be read as UTF-8 ({error})") from error


def _of_manifest(manifest: Path) -> list[ListedRecording]:
    try:
        entries = msgspec.json.decode(manifest.read_bytes(), type=list[_Entry])
    except (OSError, msgspec.MsgspecError) as error:
        raise TestsetError(f"{manifest}: {error}") from error
    labelled = _read_labels(manifest.parent)
    recordings = []
    for number, entry in enumerate(entries):
        name = entry.audio or entry.file
        if name is None:
            raise TestsetError(f'{manifest}: entry {number} has neither "audio" nor "file"')
        recordings.append(_listed(manifest, name, entry, labelled.get(name, ())))
    return recordings


def _listed(manifest: Path, name: str, entry: _Entry, labelled: Sequence[ListedWord]) -> ListedRecording:
    of_segments = [ListedWord(*word) for segment in entry.segments for word in segment.words]
    words = tuple(entry.words or of_segments) or tuple(sorted(labelled, key=lambda word: word.start_s))
    _check_times(manifest, name, words)
    text = " ".join(word.text for word in words) if words else entry.text
    if text is None and entry.category in _SPEECHLESS:
        text = ""
    return ListedRecording(manifest.parent / name, name, text, entry.language or None, words, tuple(entry.terms))


def _check_times(manifest: Path, name: str, words: Iterable[ListedWord]) -> None:
    before_s = 0.0
    for word in words:
        if not before_s <= word.start_s <= word.end_s:
            raise TestsetError(
                f"{manifest}: {name}: word {word.text!r} from {word.start_s:g} to {word.end_s:g} s: expected words in "
                f"order of their starts, none ending before it starts (the one before starts at {before_s:g} s)"
            )
        before_s = word.start_s


def _read_labels(folder: Path) -> dict[str, Sequence[ListedWord]]:
    labels: dict[str, Sequence[ListedWord]] = {}
    for path in sorted(folder.glob(_LABELS)):
        try:
            files = msgspec.json.decode(path.read_bytes(), type=dict[str, _Labels])
        except (OSError, msgspec.MsgspecError) as error:
            raise TestsetError(f"{path}: {error}") from error
        labels |= {file: label.words for file, label in files.items() if label.words}
    return labels
