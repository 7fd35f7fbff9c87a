"""The audio that commands read: of files, and of streams by URL."""

import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from clients.interrupts import interruptible, until
from clients.paced_media import MediaFile, paced
from clients.reconnect import BackOff
from clients.sources.address_policy import AddressPolicy
from clients.sources.source import SourceChange, SourceOptions, open_source
from clients.sources.source_url import is_url, parse_source_url
from gateway.wire import Flush, LostAudio

__all__ = ["RECONNECT_FOR_S", "OpenedAudio", "SourceReading", "opened_audio", "report_stream"]

RECONNECT_FOR_S = 60.0
"""An encoder that is started again, or a router, is back within a minute."""


@dataclass(frozen=True, slots=True)
class SourceReading:
    """How audio is read.

    Attributes:
        speed: of files, times real time; None: as fast as possible.
        track: audio track, from 1; None: the default.
        hosts: that a stream may lead to, beside its own.
        public_only: whether private addresses are refused.
        reconnect_for_s: how long a lost stream is waited for.
        wait_s: how long a stream that has not begun is waited for.
    """

    speed: float | None = None
    track: int | None = None
    hosts: tuple[str, ...] = ()
    public_only: bool = False
    reconnect_for_s: float = RECONNECT_FOR_S
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenedAudio:
    """Audio that is open.

    Attributes:
        audio: s16le mono 16 kHz.
        is_live: whether it comes as it happens.
        duration_s: declared length; None: none.
        broken_packets: returns how many packets could not be decoded.
    """

    audio: AsyncIterable[bytes | Flush | LostAudio]
    is_live: bool
    duration_s: float | None
    broken_packets: Callable[[], int]


@asynccontextmanager
async def opened_audio(source: str, reading: SourceReading) -> AsyncIterator[OpenedAudio]:
    """Open a file or a stream while the block lasts; Ctrl-C ends a live stream, not the block.

    Args:
        source: a path, a URL, or `-` for standard input.
        reading: how it is read.

    Raises:
        MediaError, SourceRefused, SourceError: it cannot be opened.
    """
    if not is_url(source):
        with MediaFile(source, reading.track) as media:
            audio = paced(media.frames(), reading.speed)
            yield OpenedAudio(audio, False, media.duration_s, lambda: media.broken_packets)
        return
    url = parse_source_url(source)
    options = SourceOptions(
        source,
        AddressPolicy((url.host, *reading.hosts), reading.public_only),
        reading.track,
        reading.wait_s,
        BackOff(give_up_s=reading.reconnect_for_s),
        report_stream,
    )
    async with open_source(url, options) as stream:
        if not stream.is_live:
            yield OpenedAudio(stream.audio(), False, stream.duration_s, lambda: stream.broken_packets)
            return
        async with interruptible() as has_ended:
            live = until(has_ended, stream.audio())
            yield OpenedAudio(live, True, None, lambda: stream.broken_packets)


def report_stream(change: SourceChange) -> None:
    """Print a change of a stream's state."""
    sys.stderr.write(f"livecue: {change}\n")
