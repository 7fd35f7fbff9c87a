"""What each place of a meeting was to receive, has received and has lost, and how late it was. PURE."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.percentile import percentile

__all__ = [
    "Account",
    "Arrival",
    "Caption",
    "Outage",
    "Shown",
    "account_of",
    "blocks_of",
    "counts_of",
    "schedule",
    "shown_errors",
]

_RETRY_S = 15.0
"""The longest delay between two attempts of a sink is 10 s; a moment before and after may belong to an outage, too."""


@dataclass(frozen=True, slots=True)
class Outage:
    """When a place cannot be reached, in seconds since 1970."""

    name: str
    start_s: float
    end_s: float

    def has(self, time_s: float, longer_s: float = 0.0) -> bool:
        """Return whether a time is within it, or so much longer."""
        return self.start_s <= time_s <= self.end_s + longer_s


@dataclass(frozen=True, slots=True)
class Caption:
    """What a place was to receive, and when the captioner's client had it, in seconds since 1970."""

    key: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a place had, and when, in seconds since 1970."""

    key: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Account:
    """One place.

    Attributes:
        expected: captions that it was to receive.
        lost: those that it has not.
        repeated: captions that it has more than once.
        foreign: what it has beside.
        caught_up_s: from the end of its outage until it had everything from before; None: it had no outage.
        calm_p50_s, calm_p95_s: from the client to the place, while every place could be reached.
        others_p50_s, others_p95_s: the same during outages of others.
    """

    name: str
    expected: int
    lost: tuple[str, ...]
    repeated: int
    foreign: int
    caught_up_s: float | None
    calm_p50_s: float | None
    calm_p95_s: float | None
    others_p50_s: float | None
    others_p95_s: float | None


def schedule(names: Sequence[str], start_s: float, length_s: float, down_s: float) -> list[Outage]:
    """Return one outage for each place, one after the other, with equal pauses.

    Args:
        names: of the places.
        start_s: of the meeting, in seconds since 1970.
        length_s: of the meeting.
        down_s: length of an outage.

    Raises:
        ValueError: they do not fit.
    """
    pause_s = (length_s - len(names) * down_s) / (len(names) + 1)
    if pause_s < 0:
        raise ValueError(f"{len(names)} outages of {down_s:g} s do not fit into {length_s:g} s")
    begins = [start_s + pause_s + number * (down_s + pause_s) for number in range(len(names))]
    return [Outage(name, begin_s, begin_s + down_s) for name, begin_s in zip(names, begins, strict=True)]


def account_of(
    name: str, expected: Sequence[Caption], arrivals: Iterable[Arrival], outages: Sequence[Outage]
) -> Account:
    """Return what a place has of what it was to receive, in order, by which equal captions are distinguished.

    Args:
        name: of the place.
        expected: what it was to receive.
        arrivals: what it had.
        outages: of all places.
    """
    matched, repeated, foreign = _matched([caption.key for caption in expected], arrivals)
    own = [outage for outage in outages if outage.name == name]
    calm, others = list[float](), list[float]()
    caught_up_s = 0.0 if own else None
    for number, at_s in matched.items():
        emitted_s = expected[number].at_s
        for outage in own:
            if outage.has(emitted_s) and caught_up_s is not None:
                caught_up_s = max(caught_up_s, at_s - outage.end_s)
        if not any(outage.has(emitted_s, _RETRY_S) for outage in own):
            during = any(outage.has(emitted_s) for outage in outages if outage.name != name)
            (others if during else calm).append(at_s - emitted_s)
    lost = tuple(caption.key for number, caption in enumerate(expected) if number not in matched)
    delays = (percentile(values, percent) for values in (calm, others) for percent in (50, 95))
    return Account(name, len(expected), lost, repeated, foreign, caught_up_s, *delays)


def _matched(expected: Sequence[str], arrivals: Iterable[Arrival]) -> tuple[dict[int, float], int, int]:
    """Return the time of arrival of each caption by its place in the order, and the numbers repeated and foreign."""
    matched: dict[int, float] = {}
    following = repeated = foreign = 0
    for arrival in arrivals:
        if following < len(expected) and arrival.key == expected[following]:
            number = following
        elif following and arrival.key == expected[following - 1]:
            repeated += 1
            continue
        elif arrival.key in expected[following:]:
            number = expected.index(arrival.key, following)
        else:
            foreign += 1
            continue
        matched[number] = arrival.at_s
        following = number + 1
    return matched, repeated, foreign


@dataclass(frozen=True, slots=True)
class Shown:
    """A cue that a player has displayed: its id, the date of the picture with which it appeared, and its text."""

    cue_id: str
    date_s: float
    text: str


def shown_errors(spoken_s: dict[str, float], shown: Iterable[Shown]) -> dict[str, float]:
    """Return for each cue that was displayed by how much that was later than its words were spoken.

    Args:
        spoken_s: when the words of each cue were spoken, by its id, in seconds since 1970.
        shown: what the player has displayed; only the first time counts.
    """
    errors: dict[str, float] = {}
    for each in shown:
        if each.cue_id in spoken_s:
            errors.setdefault(each.cue_id, each.date_s - spoken_s[each.cue_id])
    return errors


def blocks_of(subrip: str) -> list[tuple[str, str]]:
    """Return the times and the text of each block of a SubRip file."""
    blocks = [block.split("\n") for block in subrip.strip().split("\n\n") if block.strip()]
    return [(lines[1], "\n".join(lines[2:])) for lines in blocks]


def counts_of(metrics: str, name: str) -> dict[tuple[str, str], int]:
    """Return the samples of a metric by the values of its labels `sink` and `outcome`, empty where it has none.

    Args:
        metrics: as they are scraped.
        name: of the metric.
    """
    counts: dict[tuple[str, str], int] = {}
    for labels, value in re.findall(rf"(?m)^{re.escape(name)}\{{(.*)\}} (\S+)$", metrics):
        values = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        key = values.get("sink", ""), values.get("outcome", "")
        counts[key] = counts.get(key, 0) + int(float(value))
    return counts
