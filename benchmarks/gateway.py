"""The cost of the gateway itself: CPU per stream and memory per session, with an engine without a cost.

A gateway runs in its own process with the scripted engine; this process sends it paced streams over WebSockets, each
frame at its due time, whenever the one before was consumed, the streams' starts spread over one frame. CPU seconds are
the gateway's user and system time while all streams run, so they do not depend on other load.
"""

import argparse
import os
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio

from benchmarks.processes import GatewayProcess
from benchmarks.report import print_table, write_json
from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile
from clients.stream import stream
from gateway.wire import SAMPLE_RATE_HZ, Final, ServerEvent, Start

RECORDING = Path("clients/demo/talk.flac")

SETTLE_S = 2.0
"""Wait after the start of the last stream, before the measurement: the first utterances are in progress by then."""


@dataclass(frozen=True, slots=True)
class Result:
    """One arm of the benchmark.

    Attributes:
        streams: concurrent.
        frame_ms: audio in a message.
        cpu_ms_per_stream_s: the gateway's CPU time for a second of one stream.
        memory_per_session_kib: growth of the gateway's resident memory, divided by the streams.
        late_ms: delay of the latest frame sent; large figures mean that the client was the limit.
        finals: received, over all streams.
    """

    streams: int
    frame_ms: int
    cpu_ms_per_stream_s: float
    memory_per_session_kib: float
    late_ms: float
    finals: int


class Load:
    """Paced streams against one gateway."""

    def __init__(self, url: str, audio: bytes, streams: int, frame_ms: int, seconds: float) -> None:
        self.finals = 0
        self.late_s = 0.0
        self._url = url
        self._audio = audio
        self._streams = streams
        self._frame_s = frame_ms / 1000
        self._frame_bytes = SAMPLE_RATE_HZ * frame_ms // 1000 * MEDIA_FORMAT.bytes_per_sample_frame
        self._opened = 0
        self._all_open = anyio.Event()
        self._frames = round((seconds + SETTLE_S) / self._frame_s)

    async def run(self, usage: "Usage") -> None:
        """Run all streams, and measure the gateway's usage while all of them are paced."""
        async with anyio.create_task_group() as tasks:
            for index in range(self._streams):
                tasks.start_soon(self._stream, index)
            await self._all_open.wait()
            await anyio.sleep(SETTLE_S)
            usage.begin()
            await anyio.sleep(self._frames * self._frame_s - SETTLE_S)
            usage.end()

    async def _stream(self, index: int) -> None:
        async with connect(self._url) as connection:
            self._opened += 1
            if self._opened == self._streams:
                self._all_open.set()
            await self._all_open.wait()
            await stream(lambda: nullcontext(connection), Start(MEDIA_FORMAT), self._paced(index), self._event)

    async def _paced(self, index: int) -> AsyncIterator[bytes]:
        begin_s = time.monotonic() + self._frame_s * index / self._streams
        offset = index * len(self._audio) // self._streams
        for number in range(self._frames):
            due_s = begin_s + number * self._frame_s
            await anyio.sleep(max(0.0, due_s - time.monotonic()))
            self.late_s = max(self.late_s, time.monotonic() - due_s)
            start = (offset + number * self._frame_bytes) % (len(self._audio) - self._frame_bytes) & ~1
            yield self._audio[start : start + self._frame_bytes]

    def _event(self, event: ServerEvent) -> None:
        self.finals += isinstance(event, Final)


class Usage:
    """CPU time and memory of a process, from /proc."""

    def __init__(self, pid: int) -> None:
        self.cpu_s = 0.0
        self.seconds = 0.0
        self.resident_kib = 0
        self._pid = pid
        self._idle_kib = self._resident()
        self._begin = (0.0, 0.0)

    def begin(self) -> None:
        """Start the clock."""
        self._begin = (time.monotonic(), self._cpu())

    def end(self) -> None:
        """Stop the clock."""
        begin_s, begin_cpu_s = self._begin
        self.seconds = time.monotonic() - begin_s
        self.cpu_s = self._cpu() - begin_cpu_s
        self.resident_kib = self._resident() - self._idle_kib

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _resident(self) -> int:
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def measure(audio: bytes, streams: int, frame_ms: int, seconds: float) -> Result:
    """Run one arm against a new gateway."""
    with GatewayProcess("--engine", "scripted") as gateway:
        usage = Usage(gateway.pid)
        load = Load(gateway.url, audio, streams, frame_ms, seconds)
        anyio.run(load.run, usage, backend_options={"use_uvloop": True})
    return Result(
        streams=streams,
        frame_ms=frame_ms,
        cpu_ms_per_stream_s=1000 * usage.cpu_s / usage.seconds / streams,
        memory_per_session_kib=usage.resident_kib / streams,
        late_ms=1000 * load.late_s,
        finals=load.finals,
    )


def decoded(path: Path) -> bytes:
    """Return a recording in the clients' media format."""
    with MediaFile(str(path)) as media:
        return b"".join(media.frames())


def main() -> None:
    """Measure all arms, print the table and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--streams", type=int, nargs="+", default=[10, 50, 200], help="concurrent streams")
    parser.add_argument("--frame-ms", type=int, nargs="+", default=[20, 100], help="audio per message")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each stream")
    parser.add_argument("--recording", type=Path, default=RECORDING, help="audio of the streams")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    audio = decoded(arguments.recording)
    results = [
        measure(audio, streams, frame_ms, arguments.seconds)
        for streams in arguments.streams
        for frame_ms in arguments.frame_ms
    ]
    columns = ["streams", "frame ms", "CPU ms / stream-second", "KiB / session", "latest frame ms", "finals"]
    rows = [list(asdict(result).values()) for result in results]
    print_table("gateway without an engine's work", columns, rows)
    write_json(arguments.json, "gateway", [asdict(result) for result in results])


if __name__ == "__main__":
    main()
