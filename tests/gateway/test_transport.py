"""A transport whose peer may be silent."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import anyio
import pytest

from gateway.access.admission import Admission
from gateway.errors import Overloaded
from gateway.transport import SparingTransport, memory_pair

TINY_S = 0.01


@pytest.mark.parametrize("is_taken", [False, True])
async def test_a_silent_peer_has_no_place_and_needs_one_for_its_next_message(is_taken: bool) -> None:
    admission, is_free = Admission(1), anyio.Event()

    @contextmanager
    def enter() -> Iterator[None]:
        with admission.enter():
            yield
        is_free.set()

    transport, peer = memory_pair()
    async with peer, anyio.create_task_group() as tasks:

        async def speak_when_free() -> None:
            await is_free.wait()
            with admission.enter() if is_taken else nullcontext():
                assert admission.open == is_taken
                await peer.send("again")
                await anyio.wait_all_tasks_blocked()

        with SparingTransport(transport, enter, TINY_S) as sparing:
            assert admission.open == 1
            tasks.start_soon(speak_when_free)
            if is_taken:
                with pytest.raises(Overloaded):
                    await sparing.receive()
            else:
                assert await sparing.receive() == "again"
                assert admission.open == 1
        await sparing.close(1000, "")
    assert admission.open == 0
