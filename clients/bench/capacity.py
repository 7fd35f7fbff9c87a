"""The search for the most streams that meet the SLO, and what an overload did to those that were there before. PURE."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from clients.bench.reference import Reference
from clients.bench.result import Word

__all__ = [
    "CapacitySearch",
    "TimedWord",
    "first_part",
    "recovery_s",
    "timed_words",
    "words_on_time",
]

_CLOSE = 0.05
"""The search ends when the fewest streams that failed are within 5 % of the most that did not: runs of the same load
differ by more than that."""

_WINDOW_S = 5.0
"""Time over which words are counted as on time again: some ten words of one speaker."""

_ON_TIME_SHARE = 0.9
"""Of the words of a window. Some are wrong or late without any overload."""


@dataclass(slots=True)
class CapacitySearch:
    """A search that doubles the streams until the SLO is not met, and then bisects.

    It supposes that a server that holds N streams holds any fewer. A miss in the first try is searched downwards.

    Attributes:
        count: streams to try next, ≥ 1; None: the search is over.
        limit: most streams to try.
        tried: streams, and whether the SLO was met, in the order of the search.
    """

    count: int | None = 1
    limit: int = 4096
    tried: list[tuple[int, bool]] = field(default_factory=list)

    @property
    def streams(self) -> int:
        """Most streams that met the SLO; 0: none did."""
        return max((count for count, is_met in self.tried if is_met), default=0)

    def note(self, *, is_met: bool) -> None:
        """Take whether `count` streams met the SLO, and choose the next.

        Raises:
            ValueError: the search is over.
        """
        if self.count is None:
            raise ValueError("the search is over: no count is to be tried")
        self.tried.append((self.count, is_met))
        self.count = self._next()

    def _next(self) -> int | None:
        met = self.streams
        failed = min((count for count, is_met in self.tried if not is_met), default=None)
        if failed is None:
            return None if met >= self.limit else min(2 * met, self.limit)
        is_close = failed - met <= max(1, _CLOSE * met)
        return None if is_close else (met + failed) // 2


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A spoken word on the clock of the run.

    Attributes:
        end_s: when it ended, since the start of the run.
        is_on_time: whether it was displayed within the limit; a wrong word counts by its first display.
    """

    end_s: float
    is_on_time: bool


def timed_words(words: Iterable[Word], began_s: float, limit_s: float) -> list[TimedWord]:
    """Return the words of one stream on the clock of the run.

    Args:
        words: of the stream.
        began_s: when its audio began, since the start of the run.
        limit_s: most from the end of a word to its display.
    """
    timed = []
    for word in words:
        shown_s = word.first_shown_s if word.shown_s is None else word.shown_s
        is_on_time = shown_s is not None and shown_s - word.end_s <= limit_s
        timed.append(TimedWord(began_s + word.end_s, is_on_time))
    return timed


def words_on_time(words: Iterable[TimedWord], from_s: float, until_s: float) -> int:
    """Return how many words that ended in a span of the run were displayed on time."""
    return sum(word.is_on_time for word in words if from_s <= word.end_s < until_s)


def recovery_s(words: Iterable[TimedWord], overload_end_s: float) -> float | None:
    """Return the time from the end of the overload until words are on time again; None: they never are.

    They are when, of those that end within 5 s, at least nine in ten are on time.

    Args:
        words: of the streams that were there before and after the overload.
        overload_end_s: since the start of the run.
    """
    after = sorted((word for word in words if word.end_s >= overload_end_s), key=lambda word: word.end_s)
    for place, first in enumerate(after):
        if not first.is_on_time:
            continue
        window = [word.is_on_time for word in after[place:] if word.end_s < first.end_s + _WINDOW_S]
        if sum(window) >= _ON_TIME_SHARE * len(window):
            return first.end_s - overload_end_s
    return None


def first_part(reference: Reference, seconds: float) -> Reference:
    """Return the reference of the beginning of a recording, which cuts no word.

    Args:
        reference: of the recording, with times.
        seconds: most that the part lasts.
    """
    if seconds >= reference.duration_s:
        return reference
    words = tuple(word for word in reference.words if word.end_s <= seconds)
    following = reference.words[len(words) :]
    duration_s = min([seconds, *(word.start_s for word in following)])
    if words:
        words = (*words[:-1], replace(words[-1], ends_speech=True))
        duration_s = max(duration_s, words[-1].end_s)
    return replace(
        reference, recording=f"{reference.recording}, first {seconds:g} s", duration_s=duration_s, words=words
    )
