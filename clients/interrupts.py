"""Ctrl-C ends the audio, but not the captions that are still outstanding."""

import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

import anyio

__all__ = ["interruptible", "until"]


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


async def until(has_ended: anyio.Event, audio: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """Yield audio until the event is set, and drop the rest."""
    async for data in audio:
        if has_ended.is_set():
            return
        yield data
