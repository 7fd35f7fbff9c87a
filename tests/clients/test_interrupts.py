"""Ctrl-C ends the audio, at any time."""

import os
import signal
import sys
from collections.abc import AsyncIterator

import anyio
import pytest

from clients.interrupts import interruptible, until
from gateway.wire import LivecueError


async def audio(closed: list[bool], *, hangs: bool = False) -> AsyncIterator[bytes]:
    try:
        yield b"1"
        yield b"2"
        if hangs:
            await anyio.sleep_forever()
    finally:
        closed.append(True)


async def test_audio_passes_until_its_end() -> None:
    closed: list[bool] = []
    assert [data async for data in until(anyio.Event(), audio(closed))] == [b"1", b"2"]
    assert closed == [True]


async def test_the_wait_for_more_audio_ends_with_the_event() -> None:
    closed: list[bool] = []
    has_ended, passed = anyio.Event(), []
    with anyio.fail_after(5):
        async for data in until(has_ended, audio(closed, hangs=True)):
            passed.append(data)
            if data == b"2":
                has_ended.set()
    assert passed == [b"1", b"2"]
    assert closed == [True]


async def test_a_source_that_hangs_is_left_when_the_event_is_set_later() -> None:
    closed: list[bool] = []
    has_ended = anyio.Event()
    passed = []

    async def read() -> None:
        passed.extend([data async for data in until(has_ended, audio(closed, hangs=True))])

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            has_ended.set()
    assert passed == [b"1", b"2"]
    assert closed == [True]


async def test_an_error_of_the_audio_reaches_the_consumer_as_it_is() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"1"
        raise LivecueError("the source is gone")

    with pytest.raises(LivecueError, match="the source is gone"):
        assert [data async for data in until(anyio.Event(), broken())]


@pytest.mark.skipif(sys.platform == "win32", reason="its event loop does not support signals")
async def test_the_first_interrupt_sets_the_event_and_the_second_ends_the_block() -> None:
    is_first_noticed = False

    async def interrupted_twice() -> None:
        nonlocal is_first_noticed
        async with interruptible() as has_ended:
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGINT)
            await has_ended.wait()
            is_first_noticed = True
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()

    with anyio.fail_after(5), pytest.raises(KeyboardInterrupt):
        await interrupted_twice()
    assert is_first_noticed
