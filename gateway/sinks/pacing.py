"""The clock of sinks, which tests replace."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

__all__ = ["Pacing"]


@dataclass(frozen=True, slots=True)
class Pacing:
    """How sinks know the time, and wait.

    Attributes:
        clock: returns seconds since 1970.
        sleep: waits for so many seconds.
        fraction: returns a random number, 0..1, that spreads retries.
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    fraction: Callable[[], float] = random.random
