"""The steps that a gateway takes while its engine is overloaded, and back. PURE.

| step | entered at | left at | effect |
|---|---|---|---|
| stretched | partials at half their rate | all partials fit by forecast, or are back | sessions space their partials |
| partials off | lag `lag_shed_s` | half of it, and partials at their lowest rate fit | finals only |
| files paused | 1.5 times that | half of it | files wait, uploads are refused |
| sessions refused | 2 times that | half of it | no session is admitted |
| shedding | a third of `lag_limit_s` | half of it | the session furthest behind ends after a warning |

The lag is that of the upper quartile of sessions, without the audio that each has sent ahead of real time: a client
that sends faster is behind by its own fault. A lag is an integral and does not flicker, so that the ladder is climbed
at once to the step that it requires. It is descended, by a step or more, once a step's conditions have not held for
`_CALM_S`.
"""

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["Ladder", "Pressure", "Step", "Thresholds", "upper_quartile"]

_CALM_S = 1.0
"""Time at a step before a lower one: two observations of each half a second, so that a single one decides nothing."""

_HALF_RATE = 2.0
"""Stretch at which users notice that partials are slow."""

_UPPER_QUARTILE = 0.75

_FILES = 1.5
_REFUSED = 2.0
_SHEDDING = 1 / 3
"""Finals that are 30 s late no longer help, and `lag_limit_s` has to bound the memory of a single session."""

_RELEASE = 0.5
"""Share of a step's lag below which it ends."""


class Step(IntEnum):
    """A step of the ladder; each includes those below it."""

    NORMAL = 0
    STRETCHED = 1
    PARTIALS_OFF = 2
    FILES_PAUSED = 3
    SESSIONS_REFUSED = 4
    SHEDDING = 5

    @property
    def code(self) -> str:
        """Return the code of its warning."""
        return _CODES[self]


_CODES = {
    Step.NORMAL: "overload_over",
    Step.STRETCHED: "partials_stretched",
    Step.PARTIALS_OFF: "partials_off",
    Step.FILES_PAUSED: "files_paused",
    Step.SESSIONS_REFUSED: "sessions_refused",
    Step.SHEDDING: "shedding",
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The lag of each step.

    Attributes:
        lag_shed_s: lag at which partials stop, in seconds, > 0.
        lag_limit_s: lag at which a single session ends, in seconds, > 0.
        load: forecast load up to which a lower step fits, > 0.
    """

    lag_shed_s: float
    lag_limit_s: float
    load: float

    def lag_s(self, step: Step) -> float:
        """Return the lag at which a step above `STRETCHED` begins."""
        shares = {Step.PARTIALS_OFF: 1.0, Step.FILES_PAUSED: _FILES, Step.SESSIONS_REFUSED: _REFUSED}
        if step is Step.SHEDDING:
            return max(self.lag_limit_s * _SHEDDING, self.lag_shed_s * _REFUSED)
        return self.lag_shed_s * shares[step]


@dataclass(frozen=True, slots=True)
class Pressure:
    """The state of the gateway at one moment.

    Attributes:
        lag_s: upper quartile of the sessions' lags, without audio sent ahead of real time, in seconds.
        stretch: upper quartile of the stretch of their partials, ≥ 1.
        load: forecast with partials as often as set.
        stretched_load: forecast with partials as rarely as allowed.
    """

    lag_s: float = 0.0
    stretch: float = 1.0
    load: float = 0.0
    stretched_load: float = 0.0


def upper_quartile(values: list[float], default: float) -> float:
    """Return the upper quartile of some values, the lower of two candidates; the default if there are none."""
    return sorted(values)[int(_UPPER_QUARTILE * (len(values) - 1))] if values else default


class Ladder:
    """The step that a gateway is at.

    Args:
        thresholds: of the steps.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self.step = Step.NORMAL
        """The current step."""
        self._thresholds = thresholds
        self._held_at_s: float | None = None
        """When the conditions of the current step last held."""

    def observe(self, now_s: float, pressure: Pressure) -> Step:
        """Take the state of the gateway, and return the step it is at from now on.

        Args:
            now_s: on any clock that never goes back.
            pressure: at that time.
        """
        entered = max((step for step in Step if self._is_entered(step, pressure)), default=Step.NORMAL)
        held = max((step for step in Step if step <= self.step and self._holds(step, pressure)), default=Step.NORMAL)
        if entered > self.step:
            self.step, self._held_at_s = entered, now_s
        elif held == self.step or self._held_at_s is None:
            self._held_at_s = now_s
        elif now_s - self._held_at_s >= _CALM_S:
            self.step, self._held_at_s = held, now_s
        return self.step

    def _is_entered(self, step: Step, pressure: Pressure) -> bool:
        match step:
            case Step.NORMAL:
                return True
            case Step.STRETCHED:
                return pressure.stretch >= _HALF_RATE
            case _:
                return pressure.lag_s >= self._thresholds.lag_s(step)

    def _holds(self, step: Step, pressure: Pressure) -> bool:
        """Return whether a step that was entered is still needed."""
        match step:
            case Step.NORMAL:
                return True
            case Step.STRETCHED:
                return pressure.stretch > 1 and pressure.load > self._thresholds.load
            case Step.PARTIALS_OFF if pressure.stretched_load > self._thresholds.load:
                return True
            case _:
                return pressure.lag_s > self._thresholds.lag_s(step) * _RELEASE
