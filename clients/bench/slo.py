"""Service-level objectives: conditions such as `word_shown.p95<=1.5` on the numbers of a run. PURE."""

import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import UnionType
from typing import get_args, get_type_hints

import msgspec

from clients.bench.limits import Limits
from clients.bench.result import Run, SloOutcome
from gateway.wire import LivecueError

__all__ = ["Condition", "SloError", "evaluate", "goodput_limits", "parse_condition", "slo_fields"]

_COMPARISONS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}

_CONDITION = re.compile(r"\s*([A-Za-z0-9_.]+)\s*(<=|>=|<|>)\s*([^\s<>=]+)\s*")

_NUMBER = re.compile(r"-?\d*\.?\d+")

_SUGGESTIONS = 4
_LEAST_SIMILARITY = 0.4
"""Of a suggested name: "shown.p95" is to find "word_shown.p95"."""


class SloError(LivecueError):
    """A condition cannot be read."""

    code = "invalid_slo"


@dataclass(frozen=True, slots=True)
class Condition:
    """A number of a run and its limit.

    Attributes:
        field: dotted path below `Run`.
        comparison: `<=`, `<`, `>=` or `>`.
        limit: in the unit of the field: seconds, a share of 1, or a count.
    """

    field: str
    comparison: str
    limit: float

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.field}{self.comparison}{self.limit:g}"

    @property
    def is_upper(self) -> bool:
        """Whether it limits the number from above."""
        return self.comparison in {"<=", "<"}


def slo_fields() -> list[str]:
    """Return the dotted paths of all numbers of a run."""
    return list(_numbers(Run, ""))


def parse_condition(expression: str) -> Condition:
    """Return the condition that an expression states.

    Args:
        expression: a field, a comparison and a number, such as `final.p95<=0.7`.

    Raises:
        SloError: it is none, or a run has no such number.
    """
    match = _CONDITION.fullmatch(expression)
    if match is None:
        raise SloError(f"SLO {expression!r}: expected FIELD<=NUMBER (or <, >=, >), such as word_shown.p95<=1.5")
    field, comparison, limit = match.groups()
    known = slo_fields()
    if field not in known:
        raise SloError(f"SLO {expression!r}: a run has no number {field!r}; {_suggestion(field, known)}")
    if _NUMBER.fullmatch(limit) is None:
        raise SloError(f"SLO {expression!r}: {limit!r} is not a number; the unit of times is the second")
    return Condition(field, comparison, float(limit))


def evaluate(run: Run, conditions: Sequence[Condition]) -> tuple[SloOutcome, ...]:
    """Return the outcome of each condition. Where there was nothing to measure, it is not met.

    Args:
        run: any.
        conditions: on it.
    """
    return tuple(_outcome(run, condition) for condition in conditions)


def goodput_limits(conditions: Sequence[Condition], limits: Limits | None = None) -> Limits:
    """Return limits with those by which the conditions call words and finals late.

    Args:
        conditions: upper limits of `word_shown` and `final` replace the limits of words and finals; the widest counts.
        limits: the other ones; None: the defaults.
    """
    limits = limits or Limits()
    words_s = [each.limit for each in conditions if each.is_upper and _is_lag_of("word_shown", each)]
    finals_s = [each.limit for each in conditions if each.is_upper and _is_lag_of("final", each)]
    return replace(limits, word_s=max(words_s, default=limits.word_s), final_s=max(finals_s, default=limits.final_s))


def _is_lag_of(name: str, condition: Condition) -> bool:
    metric, _, statistic = condition.field.partition(".")
    return metric == name and statistic != "count"


def _outcome(run: Run, condition: Condition) -> SloOutcome:
    value: object = run
    for name in condition.field.split("."):
        value = None if value is None else getattr(value, name)
    if value is None:
        return SloOutcome(str(condition), None, met=False)
    assert isinstance(value, int | float)
    return SloOutcome(str(condition), float(value), _COMPARISONS[condition.comparison](value, condition.limit))


def _numbers(struct: type[msgspec.Struct], path: str) -> Iterator[str]:
    for name, hint in get_type_hints(struct).items():
        for kind in get_args(hint) if isinstance(hint, UnionType) else (hint,):
            if kind in {int, float}:
                yield path + name
            elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield from _numbers(kind, f"{path}{name}.")


def _suggestion(field: str, known: Sequence[str]) -> str:
    near = get_close_matches(field, known, _SUGGESTIONS, _LEAST_SIMILARITY)
    metrics = dict.fromkeys(name.partition(".")[0] for name in known)
    return f"nearest: {', '.join(near)}" if near else f"expected one below {', '.join(metrics)}"
