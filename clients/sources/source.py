"""A stream as the audio of a session: over any number of connections, each sample at its presentation time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import anyio

from clients.connection import ConnectionFailed
from clients.reconnect import BackOff, Change, Outage
from clients.sources.address_policy import AddressPolicy
from clients.sources.errors import SourceError, SourceRefused
from clients.sources.file_timeline import FileTimeline
from clients.sources.messages import Ended, Failed, Message, Opened, Request
from clients.sources.reader import Reader
from clients.sources.source_url import SourceUrl
from clients.sources.timeline import LiveTimeline, Placed, TimedAudio
from gateway.wire import SAMPLE_RATE_HZ, Flush, LostAudio

__all__ = ["Connection", "Source", "SourceChange", "SourceOptions", "open_source"]

_BYTES_PER_SAMPLE = 2

_HLS_BACKLOG_S = 15.0
"""How much later than at best audio of HLS may come: a segment and the interval at which the playlist is fetched."""

_MARKED_SAMPLES = SAMPLE_RATE_HZ
"""Lost audio of 1 s or more is marked; shorter gaps are lost packets."""

_SILENCE_SAMPLES = SAMPLE_RATE_HZ
_SILENCE_SPEED = 20.0
"""Times real time: a gateway answers so much at once, and a client keeps only the newest 120 s of live audio."""


class SourceChange(StrEnum):
    """Changes of the stream, as messages to the user."""

    LOST = "the stream was lost; reconnecting"
    RESTORED = "the stream is back"
    OVER = "the stream did not come back; it counts as ended"


_CHANGES = {Change.LOST: SourceChange.LOST, Change.RESTORED: SourceChange.RESTORED}


class Connection(Protocol):
    """Reads a stream until it ends; a `Reader`."""

    async def receive(self) -> Message:
        """Return the next message; it may be cancelled without a loss."""
        ...

    async def aclose(self) -> None:
        """End reading."""
        ...


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a stream is read.

    Attributes:
        text: its URL, complete.
        policy: hosts and addresses that may be contacted.
        track: of its audio tracks, from 1; None: the default one.
        wait_s: for a stream that has not begun.
        back_off: timing of the retries; its clock also dates the audio.
        on_change: called when the stream is lost, is back, or has not come back.
        flush_s: after so long without a connection, what was spoken before gets its final.
        connect: begins to read the stream.
    """

    text: str
    policy: AddressPolicy
    track: int | None = None
    wait_s: float = 0.0
    back_off: BackOff = field(default_factory=BackOff)
    on_change: Callable[[SourceChange], None] = lambda _: None
    flush_s: float = 3.0
    connect: Callable[[Request], Awaitable[Connection]] = Reader.start


@asynccontextmanager
async def open_source(url: SourceUrl, options: SourceOptions) -> AsyncIterator["Source"]:
    """Open a stream while the block lasts.

    Raises:
        SourceRefused: it is not allowed, or has no audio.
        SourceError: it cannot be opened.
    """
    source = Source(url, options)
    try:
        await source.open()
        yield source
    finally:
        await source.aclose()


class Source:
    """A stream; `open_source` makes it.

    | state     | event                                  | next state                    |
    |-----------|----------------------------------------|-------------------------------|
    | opening   | opened                                 | reading                       |
    | reading   | its end, if it is known to be the end  | over                          |
    | reading   | any other end, of live audio           | lost                          |
    | lost      | opened                                 | reading                       |
    | lost      | no connection for `back_off.give_up_s` | over                          |

    Args:
        url: of the stream.
        options: how it is read.
    """

    def __init__(self, url: SourceUrl, options: SourceOptions) -> None:
        self._url = url
        self._options = options
        self._clock = options.back_off.clock
        self._outage = Outage(options.back_off, lambda change: options.on_change(_CHANGES[change]))
        self._reader: Connection | None = None
        self._timeline: LiveTimeline | FileTimeline = LiveTimeline()
        self._has_given_up = False
        self._audio_at_s = 0.0
        """When the newest audio came."""
        self.is_live = True
        """Whether its audio comes as it happens."""
        self.duration_s: float | None = None
        """Length that a recording declares."""
        self.broken_packets = 0
        """Packets that could not be decoded and were skipped."""

    async def open(self) -> None:
        """Connect for the first time, and wait for a stream that has not begun.

        Raises:
            SourceRefused, SourceError: see `open_source`.
        """
        until_s = self._clock() + self._options.wait_s
        while isinstance(opened := await self._connect(None), Failed):
            if opened.is_refused:
                raise SourceRefused(opened.message)
            if self._clock() >= until_s:
                raise SourceError(opened.message)
            await self._options.back_off.sleep(self._options.back_off.longest_s)
        self.is_live, self.duration_s = opened.is_live, opened.duration_s
        if self.is_live:
            self._timeline = LiveTimeline(_HLS_BACKLOG_S if self._url.protocol.is_http else 0.0)
        else:
            self._timeline = FileTimeline(opened.begin_s, opened.duration_s)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            await self._reader.aclose()
            self._reader = None

    async def audio(self) -> AsyncIterator[bytes | Flush | LostAudio]:
        """Yield the audio as s16le mono 16 kHz until the stream ends; a flush where it is lost for longer, and a mark
        before silence of 1 s or more that stands in for lost audio.

        Raises:
            SourceRefused: it has led to an address that is not allowed.
            SourceError: a recording cannot be read further.
        """
        outages = 0
        while True:
            assert self._reader is not None
            match await self._reader.receive():
                case TimedAudio() as piece:
                    self._audio_at_s = self._clock()
                    self._outage.restored()
                    self._outage.progress()
                    for placed in self._timeline.push(piece, self._audio_at_s):
                        async for data in self._with_silence(placed):
                            yield data
                    continue
                case Opened():
                    continue
                case Ended() | Failed() as end:
                    pass
            for placed in self._timeline.reconnected():
                async for data in self._with_silence(placed):
                    yield data
            if self._is_over(end):
                return
            outages += 1
            async for flush in self._reconnect(end, f"outage-{outages}"):
                yield flush
            if self._has_given_up:
                return

    def _is_over(self, end: Ended | Failed) -> bool:
        """Return whether the stream is over; if not, it is lost.

        Raises:
            SourceRefused, SourceError: see `audio`.
        """
        if isinstance(end, Ended):
            self.broken_packets += end.broken_packets
            return end.is_whole or not self.is_live
        if end.is_refused:
            raise SourceRefused(end.message)
        if not self.is_live:
            raise SourceError(end.message)
        return False

    async def _reconnect(self, end: Ended | Failed, flush_id: str) -> AsyncIterator[Flush]:
        """Connect again, and yield a flush if that takes long.

        Raises:
            SourceRefused: it leads to an address that is not allowed.
        """
        flush_at_s: float | None = self._clock() + self._options.flush_s
        message = end.message if isinstance(end, Failed) else "the server has closed the connection"
        while True:
            await self.aclose()
            try:
                await self._outage.wait(ConnectionFailed(message))
            except ConnectionFailed:
                self._has_given_up = True
                self._options.on_change(SourceChange.OVER)
                return
            self._reader = await self._options.connect(self._request(self._clock() - self._audio_at_s))
            received = None
            if flush_at_s is not None:
                with anyio.move_on_after(max(0.0, flush_at_s - self._clock())):
                    received = await self._reader.receive()
                if self._clock() >= flush_at_s:
                    flush_at_s = None
                    yield Flush(flush_id)
            received = received or await self._reader.receive()
            if isinstance(received, Opened):
                return
            assert isinstance(received, Failed), "the first message"
            if received.is_refused:
                raise SourceRefused(received.message)
            message = received.message

    async def _connect(self, missed_s: float | None) -> Opened | Failed:
        await self.aclose()
        self._reader = await self._options.connect(self._request(missed_s))
        first = await self._reader.receive()
        assert isinstance(first, Opened | Failed), "the first message"
        return first

    def _request(self, missed_s: float | None) -> Request:
        policy = self._options.policy
        return Request(self._options.text, policy.hosts, policy.public_only, self._options.track, missed_s)

    async def _with_silence(self, placed: Placed) -> AsyncIterator[bytes | LostAudio]:
        if placed.silence_samples >= _MARKED_SAMPLES:
            yield LostAudio(placed.silence_samples)
        for silence in _silence(placed.silence_samples):
            yield silence
            if self.is_live:
                await self._options.back_off.sleep(len(silence) / _BYTES_PER_SAMPLE / SAMPLE_RATE_HZ / _SILENCE_SPEED)
        yield placed.pcm


def _silence(samples: int) -> Iterator[bytes]:
    for begin in range(0, samples, _SILENCE_SAMPLES):
        yield bytes(min(_SILENCE_SAMPLES, samples - begin) * _BYTES_PER_SAMPLE)
