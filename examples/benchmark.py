"""Measure the time from the end of each utterance to its final: `python examples/benchmark.py FILE [STREAMS [URL]]`."""

import sys
import time
from collections.abc import Iterator
from statistics import median

import anyio

from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.stream import stream
from gateway.wire import SAMPLE_RATE_HZ, Final, ServerEvent, Start


async def measure(path: str, url: str, times_s: list[float]) -> None:
    begin_s = 0.0

    def frames(media: MediaFile) -> Iterator[bytes]:
        nonlocal begin_s
        begin_s = time.monotonic()
        yield from media.frames()

    def note(event: ServerEvent) -> None:
        if isinstance(event, Final):
            times_s.append(time.monotonic() - begin_s - event.end_sample / SAMPLE_RATE_HZ)

    with MediaFile(path) as media:
        await stream(lambda: connect(url), Start(MEDIA_FORMAT), paced(frames(media), speed=1.0), note)


async def main(path: str, streams: str = "1", url: str = "ws://127.0.0.1:8000") -> None:
    times_s: list[float] = []
    async with anyio.create_task_group() as tasks:
        for _ in range(int(streams)):
            tasks.start_soon(measure, path, url, times_s)
    print(f"{len(times_s)} finals: median {median(times_s):.2f} s, slowest {max(times_s):.2f} s")


anyio.run(lambda: main(*sys.argv[1:]))
