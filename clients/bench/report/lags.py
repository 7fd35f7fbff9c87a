"""The lags of words and finals: which there are, their distributions, and how they change over time. PURE."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from clients.bench.result import Percentiles, Run, Stream, Word

__all__ = ["LAGS", "Distribution", "Interval", "Lag", "distribution", "over_time", "share_within"]

_MAX_POINTS = 240
"""Of a curve: more than a chart has pixels to tell apart."""

_INTERVALS = 40
"""Of lag over time, at most."""

_MIN_INTERVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Lag:
    """A kind of lag.

    Attributes:
        metric: the field of `Run` with its percentiles.
        title: of its chart.
        span: from what to what.
        at_s: when the word got there; None: never.
        percentiles: of a run.
        only_ends: whether only words that a pause follows have it.
    """

    metric: str
    title: str
    span: str
    at_s: Callable[[Word], float | None]
    percentiles: Callable[[Run], Percentiles]
    only_ends: bool = False


LAGS = (
    Lag(
        "first_shown",
        "Word first shown",
        "end of word → first display, right or wrong",
        lambda word: word.first_shown_s,
        lambda run: run.first_shown,
    ),
    Lag(
        "word_shown",
        "Word shown",
        "end of word → displayed from then on",
        lambda word: word.shown_s,
        lambda run: run.word_shown,
    ),
    Lag(
        "word_committed",
        "Word committed",
        "end of word → promised to stay until the final",
        lambda word: word.committed_s,
        lambda run: run.word_committed,
    ),
    Lag(
        "word_final",
        "Word final",
        "end of word → its final",
        lambda word: word.final_s,
        lambda run: run.word_final,
    ),
    Lag(
        "final",
        "End of speech → final",
        "end of the last word before a pause → its final",
        lambda word: word.final_s,
        lambda run: run.final,
        only_ends=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """An empirical distribution.

    Attributes:
        due: words that should have the lag; those that never got there count as infinitely late.
        points: (lag in seconds, share of the due words that are at most as late), ascending; empty: there are none.
    """

    due: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """Lags of all streams in an interval of audio: the lowest, the median, and the highest, in seconds."""

    middle_s: float
    low: float
    median: float
    high: float


def distribution(lag: Lag, runs: Sequence[Run]) -> Distribution:
    """Return the distribution of a lag over all words of runs."""
    due = [word for word in _words(runs) if word.ends_speech or not lag.only_ends]
    times = ((lag.at_s(word), word.end_s) for word in due)
    values = sorted(at_s - end_s for at_s, end_s in times if at_s is not None)
    return Distribution(len(due), tuple((values[rank - 1], rank / len(due)) for rank in _ranks(len(values))))


def share_within(found: Distribution, limit_s: float) -> float:
    """Return the share of words that are at most as late as a limit."""
    return max((share for lag_s, share in found.points if lag_s <= limit_s), default=0.0)


def over_time(streams: Sequence[Stream]) -> tuple[Interval, ...]:
    """Return how late words were displayed, in order of time; intervals without words are left out."""
    entries = [entry for stream in streams for entry in stream.lag_over_time]
    width_s = max(_MIN_INTERVAL_S, max((at_s for at_s, _ in entries), default=0.0) / _INTERVALS)
    groups: defaultdict[int, list[float]] = defaultdict(list)
    for at_s, lag_s in entries:
        groups[int(at_s / width_s)].append(lag_s)
    return tuple(
        Interval((place + 0.5) * width_s, min(lags), median(lags), max(lags)) for place, lags in sorted(groups.items())
    )


def _words(runs: Sequence[Run]) -> Iterator[Word]:
    for run in runs:
        for stream in run.per_stream:
            yield from stream.words


def _ranks(total: int) -> list[int]:
    """Return the ranks that a curve goes through: the first, the last, and evenly spaced ones between."""
    if total <= _MAX_POINTS:
        return list(range(1, total + 1))
    return sorted({1 + round(place * (total - 1) / (_MAX_POINTS - 1)) for place in range(_MAX_POINTS)})
