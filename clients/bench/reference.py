"""The truth that a stream is measured against: its words with their times, and its stretches without speech. PURE."""

from dataclasses import dataclass

__all__ = ["Reference", "ReferenceWord"]


@dataclass(frozen=True, slots=True)
class ReferenceWord:
    """A spoken word.

    Attributes:
        text: as it is written in the reference.
        start_s: since the start of the audio.
        end_s: since the start of the audio.
        ends_speech: whether a pause of at least `Reference.pause_s`, or the end of the audio, follows.
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
