"""Files of word times, made once by `livecue bench prepare` and read by every benchmark of the recording after it.

They lie beside the recording, as `talk.flac.words.json`, or in a folder of their own, named by the recording's hash.
They are valid only for the audio and the text they were made from.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from clients.bench.manifest import ListedWord, TestsetError

__all__ = [
    "WORD_TIMES_SCHEMA",
    "WordTimesFile",
    "read_word_times",
    "sha256_of_text",
    "word_times_path",
    "write_word_times",
]

WORD_TIMES_SCHEMA = "livecue-words/1"

_SUFFIX = ".words.json"


class WordTimesFile(msgspec.Struct, frozen=True):
    """Word times of one recording.

    Attributes:
        model: that aligned the text.
        audio_sha256: of the recording's file.
        text_sha256: of the text, in UTF-8.
        words: of the text, in order.
    """

    model: str
    audio_sha256: str
    text_sha256: str
    words: Sequence[ListedWord]
    schema: str = WORD_TIMES_SCHEMA


def sha256_of_text(text: str) -> str:
    """Return the hash of a text in UTF-8."""
    return sha256(text.encode()).hexdigest()


def word_times_path(recording: Path, audio_sha256: str, cache: Path | None) -> Path:
    """Return where the word times of a recording lie.

    Args:
        recording: its file.
        audio_sha256: of that file.
        cache: folder for word times; None: beside the recording.
    """
    return recording.with_name(recording.name + _SUFFIX) if cache is None else cache / f"{audio_sha256}{_SUFFIX}"


def read_word_times(path: Path) -> WordTimesFile | None:
    """Return the word times in a file; None: there is no such file.

    Raises:
        TestsetError: it cannot be read.
    """
    try:
        times = msgspec.json.decode(path.read_bytes(), type=WordTimesFile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise TestsetError(f"{path}: {error}") from error
    if times.schema != WORD_TIMES_SCHEMA:
        raise TestsetError(f"{path}: schema {times.schema!r}: expected {WORD_TIMES_SCHEMA!r}")
    return times


def write_word_times(path: Path, times: WordTimesFile) -> None:
    """Write word times, one word a line.

    Raises:
        TestsetError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(times), indent=1) + b"\n")
    except OSError as error:
        raise TestsetError(f"{path}: {error}") from error
