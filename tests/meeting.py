"""A short meeting in generated voices, whose words are known exactly; `tools.make_meeting_recording` makes it."""

import re
from collections.abc import Sequence
from pathlib import Path

import jiwer

from clients.paced_media import MediaFile

__all__ = [
    "RECORDING",
    "TALK",
    "TALK_BEGINNING",
    "TALK_BEGINNING_S",
    "spoken_frames",
    "spoken_words",
    "words",
    "wrong_share",
]

_FOLDER = Path(__file__).parent / "data"

RECORDING = _FOLDER / "meeting.flac"


TALK = Path(__file__).parent.parent / "clients" / "demo" / "talk.flac"
"""The audio of the demo: people, where generated voices do not suffice."""

TALK_BEGINNING_S = 8.0

TALK_BEGINNING = (
    "and mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them"
)


def spoken_frames(duration_s: float | None = None, recording: Path = RECORDING) -> list[bytes]:
    """Return a recording's beginning, or all of it, as 16 kHz mono in 16 bits, 100 ms at a time."""
    with MediaFile(str(recording)) as media:
        return list(media.frames())[: None if duration_s is None else round(duration_s * 10)]


def spoken_words() -> list[str]:
    """Return the words of the recording, lower case, without punctuation."""
    lines = (_FOLDER / "meeting.txt").read_text(encoding="utf-8").splitlines()
    return words(" ".join(line.partition("\t")[2] for line in lines))


def wrong_share(text: str, spoken: Sequence[str] | None = None) -> float:
    """Return how many words of a text are wrong for each word that is spoken, by default all of the recording."""
    return float(jiwer.wer(" ".join(spoken_words() if spoken is None else spoken), " ".join(words(text))))


def words(text: str) -> list[str]:
    """Return the plain words of a text."""
    return re.findall(r"[a-z']+", text.lower().replace("-", " "))
