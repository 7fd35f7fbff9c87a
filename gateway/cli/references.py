"""Recordings in a folder, with the texts that are spoken in them."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from clients.output_paths import media_files
from gateway.errors import ConfigurationError

__all__ = ["MANIFEST", "Reference", "read_references"]

MANIFEST = "manifest.json"

_TEXT_SUFFIX = ".txt"


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording and its text.

    Attributes:
        path: of the recording.
        text: spoken in it; None: unknown, or nothing is.
        language: as the manifest has it; None: unknown.
    """

    path: Path
    text: str | None
    language: str | None = None


class _Entry(msgspec.Struct):
    """One recording of a manifest; what else it says of it is not used."""

    audio: str | None = None
    file: str | None = None
    text: str | None = None
    language: str | None = None


def read_references(folder: Path) -> list[Reference]:
    """Return the recordings of a folder, those without a text included.

    They are those of its `manifest.json`, a list of `{"audio" or "file", "text", "language"}` with paths in the folder;
    where it has none, the recordings in it and below, whose texts lie beside them: `talk.txt` for `talk.flac`.

    Args:
        folder: any.

    Raises:
        ConfigurationError: there is no such folder, its manifest or a text cannot be read, or no recording has a text.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder")
    manifest = folder / MANIFEST
    references = _listed(manifest) if manifest.is_file() else [_beside(path) for path in media_files(folder)]
    if not any(reference.text for reference in references):
        raise ConfigurationError(
            f"{folder}: {len(references)} recordings, none with a text: expected talk.txt beside talk.flac, or "
            f'{MANIFEST}, a list of {{"audio": "talk.flac", "text": "what is spoken", "language": "en"}}'
        )
    return references


def _listed(manifest: Path) -> list[Reference]:
    try:
        entries = msgspec.json.decode(manifest.read_bytes(), type=list[_Entry])
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{manifest}: {error}") from error
    references = []
    for number, entry in enumerate(entries):
        name = entry.audio or entry.file
        if name is None:
            raise ConfigurationError(f'{manifest}: entry {number} has neither "audio" nor "file"')
        references.append(Reference(manifest.parent / name, entry.text or None, entry.language or None))
    return references


def _beside(recording: Path) -> Reference:
    path = recording.with_suffix(_TEXT_SUFFIX)
    if not path.is_file():
        return Reference(recording, None)
    try:
        return Reference(recording, path.read_text("utf-8-sig").strip() or None)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read as UTF-8 ({error})") from error
