"""The bundled recording, generated speech, and what is said in it."""

import re
from pathlib import Path

from clients.media import MediaFile

__all__ = ["RECORDING", "said_words", "spoken_frames", "words"]

_FOLDER = Path(__file__).parent.parent / "clients" / "demo"

RECORDING = _FOLDER / "meeting.flac"


def spoken_frames(duration_s: float | None = None) -> list[bytes]:
    """Return the recording's beginning, or all of it, as 16 kHz mono in 16 bits, 100 ms at a time."""
    with MediaFile(str(RECORDING)) as media:
        return list(media.frames())[: None if duration_s is None else round(duration_s * 10)]


def said_words() -> list[str]:
    """Return the words of the recording, lower case, without punctuation."""
    lines = (_FOLDER / "meeting.txt").read_text(encoding="utf-8").splitlines()
    return words(" ".join(line.partition("\t")[2] for line in lines))


def words(text: str) -> list[str]:
    """Return the plain words of a text."""
    return re.findall(r"[a-z']+", text.lower())
