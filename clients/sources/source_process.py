"""The process that reads one connection of one stream: a request on stdin, its audio on stdout.

What a stream contains is not trusted, FFmpeg may wait in the network, and a process can be killed. So it runs in one of
its own, which writes no file. `clients.sources.source` starts it.
"""

import os
import sys
from collections.abc import Iterator

from av import time_base
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.stream import Discard

from clients.sources.address_policy import AddressPolicy
from clients.sources.errors import SourceError, SourceRefused
from clients.sources.messages import Ended, Failed, Message, Opened, Request, packed
from clients.sources.source_url import parse_source_url
from clients.sources.stream_input import StreamInput, opened
from clients.sources.timeline import TimedAudio
from vad.media_file import MediaError, audio_track, reason_of
from vad.pcm_converter import PcmConverter

__all__ = ["answers"]

_MEMORY_BYTES = 2 * 2**30
"""Of addresses, of which FFmpeg's libraries take half a gigabyte."""

_STEP_S = 0.1
"""A longer step between timestamps begins a new conversion: `vad.track_clock` tolerates as much."""


def answers(request: Request) -> Iterator[Message]:
    """Yield the answers to a request; the last is `Ended` or `Failed`."""
    name = "stream"
    try:
        url = parse_source_url(request.url)
        name = url.displayed
        with opened(url, AddressPolicy(request.hosts, request.public_only), request.missed_s) as stream:
            try:
                yield from _audio(stream, name, request.track)
            except (FFmpegError, ValueError) as error:
                raise stream.failure() or error from error
    except (SourceRefused, MediaError) as error:
        yield Failed(str(error), is_refused=True)
    except SourceError as error:
        yield Failed(str(error))
    except (FFmpegError, ValueError) as error:
        yield Failed(f"{name}: {reason_of(error)}")


def _audio(stream: StreamInput, name: str, track_number: int | None) -> Iterator[Message]:
    container = stream.container
    track = audio_track(container.streams.audio, name, track_number)
    for other in container.streams:
        if other is not track:
            other.discard = Discard.all  # HLS then fetches it no more
    begin, duration = container.start_time, container.duration
    begin_s = None if begin is None else begin / time_base
    yield Opened(stream.is_live, begin_s, duration / time_base if duration and duration > 0 else None)
    frames = _Frames(track)
    yield from _pieces(frames.of(stream))
    yield Ended(stream.is_whole(), frames.broken_packets)


class _Frames:
    """Decodes the frames of a track, and counts what is broken."""

    def __init__(self, track: AudioStream) -> None:
        self._track = track
        self.broken_packets = 0

    def of(self, stream: StreamInput) -> Iterator[AudioFrame]:
        for packet in stream.container.demux(self._track):
            try:
                yield from packet.decode()
            except FFmpegError:
                self.broken_packets += 1


def _pieces(frames: Iterator[AudioFrame]) -> Iterator[TimedAudio]:
    """Yield the audio of frames with its timestamps, each piece as soon as it is known."""
    converter: PcmConverter | None = None
    current, next_s = None, 0.0
    for frame in frames:
        frame_format = frame.format.name, frame.layout.name, frame.sample_rate
        is_step = frame.time is not None and abs(frame.time - next_s) > _STEP_S
        if converter is None or current != frame_format or is_step:
            yield from _converted(converter, None)
            converter, current = PcmConverter(is_mono=frame.layout.nb_channels == 1), frame_format
        yield from _converted(converter, frame)
        next_s = (next_s if frame.time is None else frame.time) + frame.samples / frame.sample_rate
    yield from _converted(converter, None)


def _converted(converter: PcmConverter | None, frame: AudioFrame | None) -> Iterator[TimedAudio]:
    if converter is None:
        return
    pcm = b"".join(converter.convert(frame))
    if pcm:
        yield TimedAudio(None if frame is None else frame.time, pcm)


def _confine() -> None:
    """Drop rights that reading a stream does not need, as far as the platform has such limits."""
    if sys.platform == "win32":
        return
    import resource

    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    if sys.platform != "darwin":  # has the constant, but refuses every value
        limits[resource.RLIMIT_AS] = _MEMORY_BYTES
    for limit, value in limits.items():
        most = resource.getrlimit(limit)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(limit, (value, value))


def _main() -> None:
    request = Request.from_line(sys.stdin.buffer.readline())
    _confine()
    try:
        for message in answers(request):
            sys.stdout.buffer.write(packed(message))
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader is gone. Python would flush stdout once more at exit, and fail.
        os._exit(0)


if __name__ == "__main__":
    _main()
