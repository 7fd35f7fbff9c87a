"""The words of one stream as a viewer saw them: since when each was displayed, committed and final. PURE.

Transcripts that arrive together are one update. Each updated run of neighbouring segments is compared with its display
before, by alignment, so a word that only moved keeps its times, even into the next segment. Case and punctuation do not
matter.

- *First appearance*: of a word, or of another one in its place. A word that was taken away and comes back soon has
  its earlier appearances too.
- *Shown*: the time since which a word is displayed without interruption.
- *Committed*: the time since which the server also promises to keep it, its final at the latest.
- *Final*: the time since which it also is in a final.
- *Erased*: words from the first changed one on (Arivazhagan et al. 2020).
- *Withdrawn*: displayed words that were taken away or replaced.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from clients.bench.alignment import aligned, common_prefix
from clients.bench.normaliser import is_unspaced, plain_form, tokens
from clients.bench.result import Correction
from clients.bench.trace import Observed

__all__ = ["DisplayCounts", "DisplayedWord", "WordTimeline"]

TOGETHER_S = 0.005
"""Transcripts that arrive within this time are one update: less than a display's frame."""

_REMEMBERED_S = 10.0
"""A word that comes back later is a new one."""


@dataclass(slots=True)
class DisplayedWord:
    """A word on the display.

    Attributes:
        text: as it is compared with other displays (`plain_form`).
        written: as it is displayed.
        segment: that it belongs to.
        appeared_s: each time at which it, or another word in its place, appeared; the last is `shown_s`.
        committed_s: None: never.
        final_s: None: never.
    """

    text: str
    written: str
    segment: str
    appeared_s: tuple[float, ...]
    committed_s: float | None = None
    final_s: float | None = None

    @property
    def shown_s(self) -> float:
        """The time since which it is displayed without interruption."""
        return self.appeared_s[-1]


@dataclass(slots=True)
class DisplayCounts:
    """How the display of one stream changed.

    Attributes:
        updates_s: times at which the displayed words changed.
        erased: words taken back between partials.
        erased_by_final: words taken back by finals.
        withdrawn: displayed words that were taken away or replaced.
        changed_by_final: of these, by finals.
    """

    updates_s: list[float] = field(default_factory=list)
    erased: int = 0
    erased_by_final: int = 0
    withdrawn: int = 0
    changed_by_final: int = 0


@dataclass(slots=True)
class _Segment:
    words: list[DisplayedWord] = field(default_factory=list)
    text: str = ""
    is_final: bool = False
    most_words: int = 0


@dataclass(frozen=True, slots=True)
class _NewWord:
    text: str
    written: str
    segment: str
    at_s: float
    is_committed: bool
    is_final: bool


class WordTimeline:
    """Follows the displayed words of one stream.

    Args:
        transcripts: of the stream, in order of arrival.
        language: ISO-639-1; None: unknown.
    """

    def __init__(self, transcripts: Iterable[Observed], language: str | None) -> None:
        self.counts = DisplayCounts()
        self.corrections: list[Correction] = []
        self.has_partials = False
        self.has_commitments = False
        self._language = language
        self._segments: dict[str, _Segment] = {}
        """In the order in which they are displayed."""
        self._vanished: dict[str, tuple[float, DisplayedWord]] = {}
        """The latest word of each compared form that was taken away, and when."""
        for update in _together(transcripts):
            self._update(update)

    @property
    def final_segments(self) -> list[list[DisplayedWord]]:
        """The words of each final."""
        return [segment.words for segment in self._segments.values() if segment.is_final]

    @property
    def final_words(self) -> list[DisplayedWord]:
        """The words of all finals, in order of display."""
        return [word for words in self.final_segments for word in words]

    @property
    def transcript(self) -> str:
        """The text of all finals."""
        return self._joined(segment.text for segment in self._segments.values() if segment.is_final)

    @property
    def displayed_words(self) -> int:
        """The most words in any display of each segment, summed."""
        return sum(segment.most_words for segment in self._segments.values())

    @property
    def withdrawn_words(self) -> int:
        """Displayed words that are in no final."""
        left = sum(len(segment.words) for segment in self._segments.values() if not segment.is_final)
        return self.counts.withdrawn + left

    def _update(self, update: Sequence[Observed]) -> None:
        latest = {observed.transcript.segment: observed for observed in update}
        self.has_partials |= any(not each.transcript.is_final and each.transcript.text.strip() for each in update)
        self.has_commitments |= any(each.transcript.committed_chars is not None for each in update)
        for each in update:
            segment = self._segments.setdefault(each.transcript.segment, _Segment())
            segment.is_final |= each.transcript.is_final
        is_changed = [self._change([latest[segment] for segment in run]) for run in self._runs(latest)]
        if any(is_changed):
            self.counts.updates_s.append(update[-1].at_s)

    def _runs(self, updated: Container[str]) -> list[list[str]]:
        """Return the updated segments, neighbours together."""
        runs: list[list[str]] = []
        is_neighbour = False
        for segment in self._segments:
            if segment in updated:
                runs = [*runs[:-1], [*runs[-1], segment]] if is_neighbour else [*runs, [segment]]
            is_neighbour = segment in updated
        return runs

    def _change(self, run: Sequence[Observed]) -> bool:
        """Replace the display of neighbouring segments; return whether its words changed."""
        names = [observed.transcript.segment for observed in run]
        segments = [self._segments[name] for name in names]
        by_final = any(segment.is_final for segment in segments)
        before = [word for segment in segments for word in segment.words]
        after = [word for observed in run for word in self._new_words(observed)]
        before_text = self._joined([segment.text for segment in segments])
        erased = len(before) - common_prefix([word.text for word in before], [word.text for word in after])
        words = self._carried(before, after, run[-1].at_s, by_final=by_final)
        for observed, segment in zip(run, segments, strict=True):
            segment.text = observed.transcript.text
            segment.words = [word for word in words if word.segment == observed.transcript.segment]
            segment.most_words = max(segment.most_words, len(segment.words))
        if by_final:
            self.counts.erased_by_final += erased
        else:
            self.counts.erased += erased
        if erased:
            after_text = self._joined([segment.text for segment in segments])
            self.corrections.append(Correction(run[-1].at_s, names[0], before_text, after_text, by_final))
        return erased > 0 or len(after) != len(before)

    def _carried(
        self, before: Sequence[DisplayedWord], after: Sequence[_NewWord], at_s: float, *, by_final: bool
    ) -> list[DisplayedWord]:
        """Return the words displayed from now on; those that stay keep their times."""
        words: list[DisplayedWord] = []
        for i, j in aligned([word.text for word in before], [word.text for word in after]):
            old, new = None if i is None else before[i], None if j is None else after[j]
            if old is not None and (new is None or old.text != new.text):
                self.counts.withdrawn += 1
                self.counts.changed_by_final += by_final
            if new is not None:
                words.append(self._word(old, new))
            else:
                assert old is not None  # no pair is without both
                self._vanished[old.text] = (at_s, old)
        return words

    def _word(self, old: DisplayedWord | None, new: _NewWord) -> DisplayedWord:
        if old is not None and old.text == new.text:
            word = old
            word.written, word.segment = new.written, new.segment
        else:
            earlier = self._returned(new) if old is None else old.appeared_s
            word = DisplayedWord(new.text, new.written, new.segment, (*earlier, new.at_s))
        is_kept = new.is_committed or new.is_final
        word.committed_s = (new.at_s if word.committed_s is None else word.committed_s) if is_kept else None
        word.final_s = new.at_s if new.is_final and word.final_s is None else word.final_s
        return word

    def _returned(self, new: _NewWord) -> tuple[float, ...]:
        """Return the appearances of a word that comes back."""
        vanished_s, vanished = self._vanished.pop(new.text, (0.0, None))
        is_recent = vanished is not None and new.at_s - vanished_s <= _REMEMBERED_S
        return vanished.appeared_s if vanished is not None and is_recent else ()

    def _new_words(self, observed: Observed) -> list[_NewWord]:
        transcript = observed.transcript
        committed_chars = transcript.committed_chars or 0
        is_final = self._segments[transcript.segment].is_final
        return [
            _NewWord(text, written, transcript.segment, observed.at_s, end <= committed_chars, is_final)
            for written, end in tokens(transcript.text, self._language)
            if (text := plain_form(written))
        ]

    def _joined(self, texts: Iterable[str]) -> str:
        return ("" if is_unspaced(self._language) else " ").join(filter(None, map(str.strip, texts)))


def _together(transcripts: Iterable[Observed]) -> list[list[Observed]]:
    updates: list[list[Observed]] = []
    for observed in transcripts:
        if updates and observed.at_s - updates[-1][0].at_s <= TOGETHER_S:
            updates[-1].append(observed)
        else:
            updates.append([observed])
    return updates
