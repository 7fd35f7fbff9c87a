"""What the tests of all frameworks have in common: the recording, said to a gateway with the embedded engine."""

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
    """Return whether a text goes to the recording's last word."""
    return words(text)[-1:] == spoken_words()[-1:]


def mistakes(text: str) -> int:
    """Return how many words of the recording are missing, wrong or too many in a text.

    A framework chooses its own endpointing, and where that cuts a sentence the embedded engine hears a word otherwise.
    """
    changes = SequenceMatcher(None, spoken_words(), words(text), autojunk=False).get_opcodes()
    return sum(
        max(said_end - said, heard_end - heard) for kind, said, said_end, heard, heard_end in changes if kind != "equal"
    )
