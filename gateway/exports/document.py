"""A transcript that is exported: its captions and its passages. PURE."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.captions.subtitles import span_and_lines
from gateway.wire import Final
from gateway.wire.cue import Cue
from vad.audio import SAMPLE_RATE_HZ

__all__ = [
    "Caption",
    "Document",
    "Passage",
    "caption_of",
    "displayed_lines",
    "most_spoken",
    "passage_of",
    "speakers_of",
]

_MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Caption:
    """Lines that are displayed together.

    Attributes:
        start_ms: since the session or recording began, ≥ 0.
        end_ms: > `start_ms`.
        lines: without line ends; none empty.
        speaker: name of who speaks; None: unknown.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """The text of one utterance.

    Attributes:
        start_ms: since the session or recording began, ≥ 0.
        end_ms: ≥ `start_ms`.
        text: not empty.
        speaker: name of who speaks; None: unknown.
    """

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What an export is made of.

    Attributes:
        captions: sorted by start.
        passages: the same words as running text, sorted by start.
        title: None: none was given.
        language: ISO 639-1 code; None: unknown.
    """

    captions: tuple[Caption, ...]
    passages: tuple[Passage, ...] = ()
    title: str | None = None
    language: str | None = None


def caption_of(cue: Cue, speaker: str | None = None) -> Caption:
    """Return a final cue as a caption.

    Raises:
        ValueError: the cue is not final.
    """
    return Caption(*span_and_lines(cue), speaker)


def passage_of(final: Final, speaker: str | None = None) -> Passage:
    """Return the text of an utterance with its times."""
    start_ms, end_ms = (sample * _MS_PER_S // SAMPLE_RATE_HZ for sample in (final.start_sample, final.end_sample))
    return Passage(start_ms, end_ms, final.text, speaker)


def most_spoken(finals: Iterable[Final]) -> str | None:
    """Return the language of most of the utterances, ISO 639-1; None: none is known."""
    languages = Counter(final.language for final in finals if final.language is not None)
    return max(languages, key=languages.__getitem__, default=None)


def speakers_of(spoken: Iterable[Caption | Passage]) -> tuple[str, ...]:
    """Return the names of the speakers, in the order in which they first speak."""
    return tuple(dict.fromkeys(each.speaker for each in spoken if each.speaker is not None))


def displayed_lines(document: Document) -> list[tuple[Caption, tuple[str, ...]]]:
    """Return the captions with the lines to display: with the speaker's name in front, where several are named."""
    has_several = len(speakers_of(document.captions)) > 1
    if not has_several:
        return [(caption, caption.lines) for caption in document.captions]
    return [(caption, _labelled(caption)) for caption in document.captions]


def _labelled(caption: Caption) -> tuple[str, ...]:
    if caption.speaker is None or not caption.lines:
        return caption.lines
    return (f"{caption.speaker}: {caption.lines[0]}", *caption.lines[1:])
