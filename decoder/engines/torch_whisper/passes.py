"""PURE: which rows go through the decoder together, and how many tokens of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

__all__ = ["EXACT", "GRAPHS", "Need", "Pass", "Shapes", "passes"]

MOST_DRAFTED = 96
"""Tokens of a draft that are verified at once; a longer one, of half a minute of speech, takes another pass."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a running row needs of its next pass.

    Attributes:
        row: which.
        entering: tokens that have to be taken in before one can be chosen, ≥ 1.
        drafted: tokens of the draft that are left.
        own: places of the context that are taken.
        cross: positions of the audio that can be attended to.
        is_new: whether this is its first pass, in which <|startoftranscript|> says whether there is speech.
    """

    row: int
    entering: int
    drafted: int
    own: int
    cross: int
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of adjacent rows; shapes only, so that passes that are equal can share a CUDA graph.

    Attributes:
        first, count: its rows.
        width: tokens of each row that go in.
        chosen: tokens of each row that may be chosen: the drafted ones, and one more.
        own: places of the context that are attended to.
        cross: positions of the audio that are attended to.
        is_step: whether one token of each row goes in, and none of them is new.
    """

    first: int
    count: int
    width: int
    chosen: int
    own: int
    cross: int
    is_step: bool


@dataclass(frozen=True, slots=True)
class Shapes:
    """The sizes that passes are rounded up to; none: they are exact.

    Attributes:
        lane: rows are taken in lanes of so many.
        widths: (tokens that go in, tokens chosen) where these are not steps of one token, ascending.
        own: places of the context.
        cross: positions of the audio.
    """

    lane: int = 1
    widths: Sequence[tuple[int, int]] = ()
    own: Sequence[int] = ()
    cross: Sequence[int] = ()

    def all_passes(self, rows: int) -> list[Pass]:
        """Return the passes of that many rows that occur all the time, the largest first; none where they are exact."""
        lanes = range(0, rows, self.lane)
        steps = [
            Pass(0, lane + self.lane, 1, 1, own, cross, is_step=True)
            for lane in lanes
            for own in self.own
            for cross in self.cross
        ]
        first = [
            Pass(lane, self.lane, width, chosen, own, cross, is_step=False)
            for lane in lanes
            for n, (width, chosen) in enumerate(self.widths[:2])
            for own in self.own[n:2]
            for cross in self.cross
        ]
        return sorted(first + steps, key=lambda shape: -shape.count * shape.width * shape.cross)


EXACT = Shapes()
"""A CPU computes what is asked for, and no more."""

GRAPHS = Shapes(16, ((32, 25), (80, 65), (448, MOST_DRAFTED + 1)), (64, 128, 256, 448), (352, 608, 1500))
"""A GPU replays graphs, each captured for one shape. Of the first passes of partials half are below 15 tokens wide,
nine in ten below 32, and all below 80."""


def passes(needs: Iterable[Need], shapes: Shapes) -> list[Pass]:
    """Return the passes that advance each of the rows by one, the wide ones first.

    Steps of one token go together, all up to the last lane; the others, mostly new ones with a prompt and a draft, go
    lane by lane. The rows between those that a pass is for take it, too, so that it has to do for their texts and their
    audio as well.

    Args:
        needs: of all running rows.
        shapes: what is rounded to.
    """
    rows = list(needs)
    wide: dict[int, list[Need]] = {}
    narrow: list[Need] = []
    for need in rows:
        if need.entering + need.drafted == 1 and not need.is_new:
            narrow.append(need)
        else:
            wide.setdefault(need.row // shapes.lane, []).append(need)
    together = [_pass(some, rows, shapes, is_step=False) for _, some in sorted(wide.items())]
    moved = [_moved(need) if need.row // shapes.lane in wide else need for need in rows]
    return together + ([_pass(narrow, moved, shapes, is_step=True)] if narrow else [])


def _taken(need: Need) -> int:
    """Return how many tokens of a row go in."""
    return need.entering + min(need.drafted, MOST_DRAFTED)


def _moved(need: Need) -> Need:
    """Return what a row needs at most of a step that follows its pass."""
    return replace(need, entering=1, drafted=0, own=need.own + _taken(need), is_new=False)


def _pass(needs: Sequence[Need], rows: Iterable[Need], shapes: Shapes, *, is_step: bool) -> Pass:
    """Return the pass for some of the rows."""
    is_rounded = bool(shapes.widths)
    first = 0 if is_step and is_rounded else min(need.row for need in needs) // shapes.lane * shapes.lane
    end = (max(need.row for need in needs) // shapes.lane + 1) * shapes.lane
    width = max(map(_taken, needs))
    chosen = max(min(need.drafted, MOST_DRAFTED) for need in needs) + 1
    for most_width, most_chosen in () if is_step else shapes.widths:
        if width <= most_width and chosen <= most_chosen:
            width, chosen = most_width, most_chosen
            break
    taking = [need for need in rows if first <= need.row < end]
    own = max(width, *(need.own + _taken(need) for need in taking))
    cross = max(need.cross for need in taking)
    return Pass(first, end - first, width, chosen, _rounded(own, shapes.own), _rounded(cross, shapes.cross), is_step)


def _rounded(size: int, sizes: Sequence[int]) -> int:
    return next((edge for edge in sizes if size <= edge), sizes[-1]) if sizes else size
