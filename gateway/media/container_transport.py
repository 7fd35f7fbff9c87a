"""Live audio in a container: a transport that passes the session the audio of a recording in progress.

A browser's `MediaRecorder` sends WebM, others Ogg, WAV or MP3. The bytes go to a sandboxed process, as those of a file
do (`gateway.media.sandboxed_decoder`), and its PCM replaces them among the messages.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from gateway.media.decoder_process import PIECE_HEADER
from gateway.media.sandboxed_decoder import decoding_live, report_of
from gateway.settings import UploadSettings
from gateway.transport import Transport
from vad.errors import LivecueError

__all__ = ["ContainerTransport", "demultiplexed"]

logger = logging.getLogger("livecue.containers")

_MESSAGES = 16
"""Queued between decoder and session, as many as a WebSocket library queues; each pipe holds another 64 KiB."""


@asynccontextmanager
async def demultiplexed(
    transport: Transport, is_end: Callable[[str | bytes], bool], settings: UploadSettings
) -> AsyncIterator["ContainerTransport"]:
    """Decode the binary messages of a transport while the block lasts.

    Args:
        transport: an open connection whose binary messages are one recording, cut anywhere.
        is_end: returns whether a message of the dialect ends the audio.
        settings: limits of decoding.
    """
    async with decoding_live(settings) as process:
        with ContainerTransport(transport, is_end, process, settings) as decoded:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(decoded.feed)
                tasks.start_soon(decoded.collect)
                yield decoded
                tasks.cancel_scope.cancel()


class ContainerTransport:
    """A transport whose binary messages are s16le mono 16 kHz; text keeps its position after the audio before it.

    Args:
        transport: the open connection.
        is_end: returns whether a message ends the audio.
        process: the decoder.
        settings: limits of decoding.
    """

    def __init__(
        self, transport: Transport, is_end: Callable[[str | bytes], bool], process: Process, settings: UploadSettings
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._transport = transport
        self._is_end = is_end
        self._process = process
        self._settings = settings
        self._stream: ByteSendStream = process.stdin
        self._audio: ByteReceiveStream = process.stdout
        self._to_session, self._messages = anyio.create_memory_object_stream[str | bytes | LivecueError](_MESSAGES)
        self._sent_bytes = 0
        self._decoded_bytes = 0
        self._broken_packets = self._ignored_bytes = 0
        """Skipped: packets that could not be decoded, and data after the end of the recording."""
        self._pending: deque[str | bytes] = deque()
        """Messages received while the end of the recording is decoded, in order."""
        self._has_ended = False
        self._decoded = anyio.Event()

    def __enter__(self) -> "ContainerTransport":
        return self

    def __exit__(self, *_: object) -> None:
        if self._broken_packets or self._ignored_bytes:
            line = "recording decoded partially broken_packets=%d ignored_bytes=%d"
            logger.warning(line, self._broken_packets, self._ignored_bytes)
        self._to_session.close()
        self._messages.close()

    async def receive(self) -> str | bytes:
        """Return the next audio or text message.

        Raises:
            LivecueError: the peer is gone, or its audio cannot be decoded.
        """
        message = await self._messages.receive()
        if isinstance(message, LivecueError):
            raise message
        return message

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the peer does not read."""
        await self._transport.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection."""
        await self._transport.close(code, reason)

    async def feed(self) -> None:
        """Pass the peer's messages to decoder and session; `demultiplexed` runs this."""
        try:
            while True:
                message = self._pending.popleft() if self._pending else await self._transport.receive()
                if self._is_end(message):
                    await self._stream.aclose()
                    await self._decoder_ended()
                    await self._to_session.send(message)
                elif isinstance(message, bytes):
                    await self._decode(message)
                else:
                    await self._caught_up()
                    await self._to_session.send(message)
        except LivecueError as error:  # the peer is gone
            await self._to_session.send(error)

    async def collect(self) -> None:
        """Pass the decoded audio to the session; `demultiplexed` runs this."""
        audio = BufferedByteReceiveStream(self._audio)
        try:
            with suppress(anyio.EndOfStream, anyio.IncompleteRead):
                while True:
                    header = await audio.receive_exactly(PIECE_HEADER.size)
                    decoded_bytes, piece_bytes = PIECE_HEADER.unpack(header)
                    if piece_bytes:
                        await self._to_session.send(await audio.receive_exactly(piece_bytes))
                    self._note_decoded(decoded_bytes)
            report = await report_of(self._process, self._settings)
            self._broken_packets = report.broken_packets
        except LivecueError as error:
            await self._to_session.send(error)
        self._has_ended = True
        self._note_decoded(self._decoded_bytes)

    async def _decode(self, data: bytes) -> None:
        if self._has_ended:
            self._ignored_bytes += len(data)
            return
        self._sent_bytes += len(data)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # `collect` reports why
            await self._stream.send(data)

    async def _caught_up(self) -> None:
        while not self._has_ended and self._decoded_bytes < self._sent_bytes:
            await self._decoded.wait()

    async def _decoder_ended(self) -> None:
        """Wait for the decoder to end while the peer is connected; queue the messages received meanwhile.

        Raises:
            Disconnected: the peer is gone.
        """
        failure: LivecueError | None = None
        async with anyio.create_task_group() as tasks:

            async def receive_pending() -> None:
                nonlocal failure
                try:
                    while len(self._pending) < _MESSAGES:
                        self._pending.append(await self._transport.receive())
                except LivecueError as error:
                    failure = error
                    tasks.cancel_scope.cancel()

            tasks.start_soon(receive_pending)
            while not self._has_ended:
                await self._decoded.wait()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _note_decoded(self, decoded_bytes: int) -> None:
        self._decoded_bytes = decoded_bytes
        self._decoded.set()
        self._decoded = anyio.Event()
