"""Work that an event may cancel."""

import anyio
import pytest

from gateway.cancellation import work_until
from vad.errors import LivecueError


async def never() -> None:
    await anyio.sleep_forever()


async def at_once() -> None:
    await anyio.lowlevel.checkpoint()


async def test_the_outcome_of_finished_work_is_returned() -> None:
    async def work() -> str:
        return "done"

    assert await work_until(never, work, "cancelled") == "done"


async def test_work_is_cancelled_by_the_event() -> None:
    async def work() -> str:
        await anyio.sleep_forever()
        return "done"

    assert await work_until(at_once, work, "cancelled") == "cancelled"


async def test_an_error_of_the_work_is_raised_unwrapped() -> None:
    async def work() -> str:
        raise LivecueError("failed")

    with pytest.raises(LivecueError, match="failed"):
        await work_until(never, work, "cancelled")


async def test_cancellation_from_outside_passes_through() -> None:
    with anyio.move_on_after(0.01) as scope:
        await work_until(never, never, None)
    assert scope.cancelled_caught
