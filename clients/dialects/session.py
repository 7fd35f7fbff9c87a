"""One session of a driver over one connection: audio in, events out.

driver = DRIVERS["vosk"](DriverOptions())
await run_session(driver, "ws://127.0.0.1:2700", frames, on_event=print)
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import anyio

from clients.connection import Closed, Connection, ConnectionFailed
from clients.dialects.driver import Driver, DriverEvent, Failed, Finished, SettlingDriver
from clients.dialects.transports import open_transport
from gateway.wire import LivecueError

__all__ = ["drive", "run_session"]


async def run_session(
    driver: Driver, url: str, audio: AsyncIterable[bytes], on_event: Callable[[DriverEvent], None]
) -> None:
    """Send all audio and report every event, the last of which is `Finished` or `Failed`.

    Args:
        driver: new.
        url: of the server as users write it.
        audio: at the driver's rate, mono in 16 bits, whole samples.
        on_event: called with each event; it must not block.

    Raises:
        ConnectionFailed: the server cannot be reached.
        ProtocolError: it sent a message that is not of the dialect.
    """
    try:
        async with open_transport(driver.target(url)) as connection:
            await drive(driver, connection, audio, on_event)
    except ConnectionFailed as refusal:
        if refusal.status is None:
            raise
        for event in driver.closed(refusal.status, refusal.body):
            on_event(event)


async def drive(
    driver: Driver, connection: Connection, audio: AsyncIterable[bytes], on_event: Callable[[DriverEvent], None]
) -> None:
    """Do the same over a connection that is open.

    Raises:
        ProtocolError: the server sent a message that is not of the dialect.
        LivecueError: any other error that `audio` raises.
    """
    await _Session(driver, connection, on_event).run(audio)


class _Session:
    def __init__(self, driver: Driver, connection: Connection, on_event: Callable[[DriverEvent], None]) -> None:
        self._driver = driver
        self._connection = connection
        self._on_event = on_event
        self._sending = anyio.Lock()
        self._has_finished = False

    async def run(self, audio: AsyncIterable[bytes]) -> None:
        failures: list[LivecueError] = []  # a task group would wrap them

        async def either(run: Callable[[], Awaitable[bool]]) -> None:
            try:
                is_over = await run()
            except LivecueError as error:
                is_over = True
                failures.append(error)
            if is_over:
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(either, partial(self._write, audio))
            tasks.start_soon(either, self._read)
        if failures:
            raise failures[0]

    async def _write(self, audio: AsyncIterable[bytes]) -> bool:
        """Send everything; return False: the session goes on."""
        try:
            self._driver.open()
            await self._send()
            async for pcm in audio:
                self._driver.send_audio(pcm)
                await self._send()
            self._driver.finish()
            self._has_finished = True
            await self._send()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the reading task learns why
        return False

    async def _send(self) -> None:
        async with self._sending:  # both tasks send, and each message once and in order
            for message in self._driver.take_outgoing():
                await self._connection.send(message)

    async def _read(self) -> bool:
        """Report events; return True: the session is over."""
        while True:
            try:
                message = await self._receive()
            except anyio.EndOfStream as end:
                closed = end if isinstance(end, Closed) else Closed()
                self._report(self._driver.closed(closed.code, closed.reason))
                return True
            if self._report(self._driver.receive(message)):
                return True
            await self._send_if_open()

    async def _send_if_open(self) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # receiving raises the reason
            await self._send()

    async def _receive(self) -> str | bytes:
        driver = self._driver
        if not isinstance(driver, SettlingDriver):
            return await self._connection.receive()
        while True:
            with anyio.move_on_after(driver.settle_s):
                return await self._connection.receive()
            if self._has_finished:
                driver.settle()
                await self._send_if_open()

    def _report(self, events: Sequence[DriverEvent]) -> bool:
        """Report events; return whether the session has ended."""
        for event in events:
            self._on_event(event)
        return any(isinstance(event, Finished | Failed) for event in events)
