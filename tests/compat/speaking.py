"""Shared by the tests of all frameworks: a gateway with the embedded engine, and checks of a transcript."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from difflib import SequenceMatcher

from decoder.engine_selection import create_engine
from gateway.settings import load_settings
from tests.meeting import spoken_frames, spoken_words, words
from tests.servers import EMBEDDED, Served, serving

__all__ = ["embedded", "is_whole", "mistakes", "speech_and_silence"]


@asynccontextmanager
async def embedded() -> AsyncIterator[Served]:
    settings = load_settings(EMBEDDED)
    async with serving(create_engine(settings.engine), settings) as served:
        yield served


def speech_and_silence() -> list[bytes]:
    """Return the recording, and silence that ends its last utterance; 16 kHz in 16 bits, 100 ms at a time."""
    return [*spoken_frames(), *[bytes(3_200)] * 15]


def is_whole(text: str) -> bool:
    """Return whether a text ends with the recording's last word."""
    return words(text)[-1:] == spoken_words()[-1:]


def mistakes(text: str) -> int:
    """Return the number of wrong, missing or surplus words of a text.

    Each framework chooses its endpointing; where it cuts a sentence, the embedded engine may misrecognize a word.
    """
    changes = SequenceMatcher(None, spoken_words(), words(text), autojunk=False).get_opcodes()
    return sum(
        max(spoken_end - spoken, written_end - written)
        for kind, spoken, spoken_end, written, written_end in changes
        if kind != "equal"
    )
