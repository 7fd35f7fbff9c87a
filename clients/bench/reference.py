"""The truth that a stream is measured against: its words with their times, and its stretches without speech. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, zip_longest

__all__ = ["PAUSE_S", "Reference", "ReferenceWord", "with_ends_of_speech"]

PAUSE_S = 0.6
"""A pause of this length ends speech: longer than those between words, and about what endpointers wait for."""


@dataclass(frozen=True, slots=True)
class ReferenceWord:
    """A spoken word.

    Attributes:
        text: as it is written in the reference.
        start_s: since the start of the audio.
        end_s: since the start of the audio.
        ends_speech: whether a pause of at least `PAUSE_S`, or the end of the audio, follows.
    """

    text: str
    start_s: float
    end_s: float
    ends_speech: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """What one stream contains.

    Attributes:
        recording: id.
        language: ISO-639-1; None: no speech.
        duration_s: of the audio.
        words: in order of time; empty: there is no speech, so every transcribed word is invented.
        has_times: whether the words' times are known; if not, only word errors are measured.
        terms: names and words whose recall is measured.
    """

    recording: str
    language: str | None
    duration_s: float
    words: tuple[ReferenceWord, ...]
    has_times: bool = True
    terms: tuple[str, ...] = ()


def with_ends_of_speech(words: Sequence[ReferenceWord], pause_s: float = PAUSE_S) -> tuple[ReferenceWord, ...]:
    """Return the words, each that a pause or the end of the audio follows marked as an end of speech.

    Args:
        words: in order of time.
        pause_s: least length of a pause.
    """
    starts_s = [word.start_s for word in words[1:]]
    # Where people speak at the same time, an earlier word may be the last to end.
    ends_s = accumulate((word.end_s for word in words), max)
    gaps_s = [start_s - end_s for start_s, end_s in zip(starts_s, ends_s, strict=False)]
    return tuple(
        replace(word, ends_speech=gap_s is None or gap_s >= pause_s) for word, gap_s in zip_longest(words, gaps_s)
    )
