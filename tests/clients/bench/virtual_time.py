"""An event loop whose clock jumps to the next timer, so that minutes of a paced stream take no time.

Only tasks, timers and memory streams are possible on it: nothing outside the loop can wake it.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

__all__ = ["VirtualLoop", "run_virtually", "stall"]

Returned = TypeVar("Returned")


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("deadlock: all tasks wait, and no timer is set")
        if not ready and timeout:
            self._advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs tasks in virtual time, which begins at `start_s`."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self._now_s = start_s
        super().__init__(_JumpingSelector(self.advance))

    def time(self) -> float:
        """Return the virtual time."""
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Let time pass."""
        self._now_s += by_s


def stall(seconds: float) -> None:
    """Let time pass while no task can run, as on an overloaded machine."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.advance(seconds)


def run_virtually(function: Callable[[], Awaitable[Returned]]) -> Returned:
    """Return what an async function returns, run in virtual time."""

    async def awaited() -> Returned:
        return await function()

    coroutine: Coroutine[object, object, Returned] = awaited()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
