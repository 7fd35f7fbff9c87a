"""The bundled recording, generated speech, and what is said in it."""

import re
from pathlib import Path

__all__ = ["RECORDING", "said_words", "words"]

_FOLDER = Path(__file__).parent.parent / "clients" / "demo"

RECORDING = _FOLDER / "meeting.flac"


def said_words() -> list[str]:
    """Return the words of the recording, lower case, without punctuation."""
    lines = (_FOLDER / "meeting.txt").read_text(encoding="utf-8").splitlines()
    return words(" ".join(line.partition("\t")[2] for line in lines))


def words(text: str) -> list[str]:
    """Return the plain words of a text."""
    return re.findall(r"[a-z']+", text.lower())
