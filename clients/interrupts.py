"""Ctrl-C ends the audio, but not the captions that are still outstanding."""

import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio

from gateway.wire import LivecueError

__all__ = ["interruptible", "until"]

_Item = TypeVar("_Item")


@asynccontextmanager
async def interruptible() -> AsyncIterator[anyio.Event]:
    """Yield an event that the first Ctrl-C sets. The second ends the block.

    Raises:
        KeyboardInterrupt: on the second Ctrl-C.
    """
    has_ended, at_once = anyio.Event(), False

    async def watch() -> None:
        nonlocal at_once
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            async for _ in signals:
                if has_ended.is_set():
                    at_once = True
                    tasks.cancel_scope.cancel()
                has_ended.set()

    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":  # its event loop does not support signals
            tasks.start_soon(watch)
        yield has_ended
        tasks.cancel_scope.cancel()
    if at_once:
        raise KeyboardInterrupt


async def until(has_ended: anyio.Event, audio: AsyncIterable[_Item]) -> AsyncGenerator[_Item]:
    """Yield audio until the event is set, even while waiting for more, and drop the rest."""
    items = aiter(audio)

    async def end(tasks: anyio.CancelScope) -> None:
        await has_ended.wait()
        tasks.cancel()

    try:
        while not has_ended.is_set():
            item: _Item | None = None
            failure: LivecueError | None = None  # a task group would wrap it
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(end, waiting.cancel_scope)
                try:
                    item = await anext(items, None)
                except LivecueError as error:
                    failure = error
                waiting.cancel_scope.cancel()
            if failure is not None:
                raise failure
            if item is None:
                return
            yield item
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
