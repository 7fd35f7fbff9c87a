"""The words of a reference, each with the words that the finals have in its place. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clients.bench.alignment import WordTimes, aligned, aligned_in_time
from clients.bench.normaliser import comparable
from clients.bench.reference import Reference, ReferenceWord
from clients.bench.word_timeline import DisplayedWord

__all__ = ["MatchedWord", "Matches", "WrittenPart", "match_words", "utterances"]


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part of a word of a final as it is compared, and the displayed word."""

    text: str
    word: DisplayedWord


@dataclass(frozen=True, slots=True)
class MatchedWord:
    """A spoken word that is compared, and what was written in its place.

    A word may have several compared parts ("twenty-one" has two digits). It has the times of the last of them.

    Attributes:
        spoken: the word.
        compared: its parts as they are compared.
        written: in the places of its parts; empty: nothing.
        is_right: whether all of its parts were written.
        speech_ends_s: end of the speech that it is the last compared word of; None: speech goes on.
    """

    spoken: ReferenceWord
    compared: tuple[str, ...]
    written: tuple[DisplayedWord, ...] = ()
    is_right: bool = False
    speech_ends_s: float | None = None

    @property
    def first_shown_s(self) -> float | None:
        """When anything was first displayed in its place, after it began; None: nothing was."""
        appeared_s = [self._first_shown_s(part) for part in self.written]
        return max(appeared_s, default=None)

    @property
    def shown_s(self) -> float | None:
        """Since when it is displayed without interruption; None: it is not."""
        return max((part.shown_s for part in self.written), default=None) if self.is_right else None

    @property
    def committed_s(self) -> float | None:
        """Since when it is committed; None: it is not."""
        times = [part.committed_s for part in self.written if part.committed_s is not None]
        return max(times, default=None) if self.is_right else None

    @property
    def final_s(self) -> float | None:
        """Since when a final has it, or another word in its place; None: none has."""
        return max((part.final_s for part in self.written if part.final_s is not None), default=None)

    def _first_shown_s(self, part: DisplayedWord) -> float:
        # What was displayed before the word began is another word, which only happened to be in its place.
        return next((at_s for at_s in part.appeared_s if at_s >= self.spoken.start_s), part.shown_s)


@dataclass(frozen=True, slots=True)
class Matches:
    """A reference aligned with the finals.

    Attributes:
        words: of the reference that are compared, in order; fillers are not.
        segment_ends: for each final, index of the last word in `words` that it has; None: it has none.
        surplus: parts of words of the finals that are in no word's place, in order.
    """

    words: tuple[MatchedWord, ...]
    segment_ends: tuple[int | None, ...]
    surplus: tuple[WrittenPart, ...]


def match_words(reference: Reference, finals: Sequence[Sequence[DisplayedWord]]) -> Matches:
    """Align a reference with the words of the finals, by times where it has them.

    Args:
        reference: of the stream.
        finals: words of each final, in order of display.
    """
    words = _compared(reference)
    owners = [number for number, word in enumerate(words) for _ in word.compared]
    spoken = [text for word in words for text in word.compared]
    segments = [_parts(final, reference.language) for final in finals]
    written = [part for parts in segments for part in parts]
    texts = [part.text for part in written]
    if reference.has_times:
        starts_s = [words[owner].spoken.start_s for owner in owners]
        ends_s = [words[owner].spoken.end_s for owner in owners]
        pairs = aligned_in_time(spoken, texts, WordTimes(starts_s, ends_s, [part.word.shown_s for part in written]))
    else:
        pairs = aligned(spoken, texts)
    in_place: dict[int, list[tuple[str, WrittenPart]]] = {}
    owner_of: dict[int, int] = {}
    for i, j in pairs:
        if i is not None and j is not None:
            in_place.setdefault(owners[i], []).append((spoken[i], written[j]))
            owner_of[j] = owners[i]
    matched = tuple(_with_written(word, in_place.get(number, [])) for number, word in enumerate(words))
    surplus = tuple(written[j] for i, j in pairs if i is None and j is not None)
    return Matches(matched, _segment_ends([len(parts) for parts in segments], owner_of), surplus)


def utterances(words: Sequence[MatchedWord]) -> list[Sequence[MatchedWord]]:
    """Return the words between pauses."""
    ends = [place + 1 for place, word in enumerate(words) if word.speech_ends_s is not None]
    return [words[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _compared(reference: Reference) -> list[MatchedWord]:
    compared = comparable([word.text for word in reference.words], reference.language)
    parts: dict[int, list[str]] = {}
    for text, source in zip(compared.words, compared.sources, strict=True):
        parts.setdefault(source, []).append(text)
    words: list[MatchedWord] = []
    for place, word in enumerate(reference.words):
        if place in parts:
            words.append(MatchedWord(word, tuple(parts[place])))
        # Speech may end with a filler: then its last compared word is an earlier one, unless it has none.
        if words and word.ends_speech and words[-1].speech_ends_s is None:
            words[-1] = replace(words[-1], speech_ends_s=word.end_s)
    return words


def _parts(final: Sequence[DisplayedWord], language: str | None) -> list[WrittenPart]:
    compared = comparable([word.written for word in final], language)
    return [WrittenPart(text, final[source]) for text, source in zip(compared.words, compared.sources, strict=True)]


def _with_written(word: MatchedWord, places: Sequence[tuple[str, WrittenPart]]) -> MatchedWord:
    is_right = len(places) == len(word.compared) and all(text == part.text for text, part in places)
    return replace(word, written=tuple(part.word for _, part in places), is_right=is_right)


def _segment_ends(sizes: Sequence[int], owners: Mapping[int, int]) -> tuple[int | None, ...]:
    ends, first = [], 0
    for size in sizes:
        ends.append(max((owners[place] for place in range(first, first + size) if place in owners), default=None))
        first += size
    return tuple(ends)
