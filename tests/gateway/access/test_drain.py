"""The drain state."""

import anyio
import pytest

from gateway.access.drain import Drain
from gateway.errors import Draining


def test_new_work_is_refused_once_the_drain_has_begun() -> None:
    drain = Drain()
    drain.check()
    drain.begin()
    with pytest.raises(Draining):
        drain.check()


def test_callbacks_run_when_the_drain_begins_and_only_while_registered() -> None:
    drain, called = Drain(), list[str]()
    with drain.calling(lambda: called.append("left")):
        pass
    with drain.calling(lambda: called.append("registered")):
        drain.begin()
    assert called == ["registered"]
    with drain.calling(lambda: called.append("late")):
        assert called == ["registered", "late"]


async def test_work_that_is_done_before_the_deadline_has_its_outcome() -> None:
    async def work() -> str:
        return "done"

    assert await Drain().before_due(work) == "done"


async def test_work_is_cancelled_at_the_deadline() -> None:
    drain = Drain()
    drain.is_due.set()
    with pytest.raises(Draining):
        await drain.before_due(anyio.sleep_forever)
