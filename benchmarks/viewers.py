"""Many viewers of one session, some of which never read: delivery times of the others, and cost.

A gateway runs in its own process with the scripted engine and receives a recording, faster than real time so that
stalled viewers have an effect within minutes. Viewers in another process watch over loopback, half by server-sent
events and half over WebSockets, and join a session in progress. Delivery is measured from the publication of an event
to its receipt by a viewer, on the monotonic clock of the machine. Stalled viewers send a request and never read; the
buffers of the server's sockets are small (`SO_SNDBUF`), because the kernel would otherwise absorb minutes of events.
"""

import argparse
import asyncio
import multiprocessing
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET, create_server, socket
from urllib.parse import urlsplit

import anyio
import uvicorn
from anyio import to_thread
from websockets.asyncio.client import connect

from benchmarks.gateway import RECORDING, decoded
from benchmarks.percentile import percentile
from benchmarks.process_figures import resident_mib
from benchmarks.report import print_table, write_json
from clients.paced_media import MEDIA_FORMAT
from clients.stream import stream
from decoder.engines.scripted import ScriptedEngine
from gateway.delivery.broadcast import Broadcast, Broadcaster, Loss, SessionInfo
from gateway.http.app import create_app
from gateway.runtime import Gateway, open_gateway
from gateway.session.connection import Connection
from gateway.settings import load_settings
from gateway.transport import memory_pair
from gateway.wire import SAMPLE_RATE_HZ, Final, ServerEvent, Start
from gateway.wire.native.codec import NativeCodec
from gateway.wire.server_events import channel_of

_FRAME_S = 0.1

_BEFORE_S = 20.0
"""Streamed before the viewers join."""

_SERVER_BUFFER_BYTES, _STALLED_BUFFER_BYTES = 4_096, 4_096
"""Of the sockets; Linux doubles them."""

_SEQ = re.compile(r'"seq":(\d+)')

_ID = b"id: "

_LAST_PIECE = b"0\r\n"

_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@dataclass(frozen=True, slots=True)
class Arm:
    """The numbers of live and stalled viewers, the duration, and the speed of the recording."""

    live: int
    stalled: int
    seconds: float
    speed: float
    recording: Path


@dataclass(frozen=True, slots=True)
class Result:
    """One arm of the benchmark.

    Attributes:
        live, stalled: viewers.
        p50_ms, p95_ms, p99_ms, worst_ms: from publication to receipt by a live viewer, without the replayed events.
        deliveries: number measured.
        finals: published; each live viewer should receive each.
        finals_lost: not received, summed over the live viewers.
        dropped: viewers dropped by the gateway because they did not read.
        stalled_left: stalled viewers that were still connected at the end; those over WebSockets may be disconnected
            before they are dropped, as they answer no ping.
        replaced: partial cues superseded before a viewer received them.
        before_mib: resident memory of the gateway before the viewers join.
        peak_mib, after_mib: while they watch, and at the end.
        cpu_share: of one core, used by the gateway while they watch.
    """

    live: int
    stalled: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    worst_ms: float
    deliveries: int
    finals: int
    finals_lost: int
    dropped: int
    stalled_left: int
    replaced: int
    before_mib: float
    peak_mib: float
    after_mib: float
    cpu_share: float


class TimedBroadcast(Broadcast):
    """Records when each event was published, and which are finals."""

    def __init__(self, info: SessionInfo, times: "TimedBroadcaster") -> None:
        super().__init__(info, times.losses)
        self._times = times

    def publish(self, event: ServerEvent) -> None:
        """Record the time, and publish."""
        _, inner = channel_of(event)
        seq = getattr(inner, "seq", 0)
        self._times.published_s[seq] = time.monotonic()
        if isinstance(inner, Final):
            self._times.finals.add(seq)
        super().publish(event)


class TimedBroadcaster(Broadcaster):
    """Broadcasts whose events are timed."""

    def __init__(self) -> None:
        super().__init__()
        self.published_s: dict[int, float] = {}
        self.finals: set[int] = set()

    def create(self, info: SessionInfo) -> Broadcast:
        """Return a timed broadcast."""
        return TimedBroadcast(info, self)


# --- the gateway's process ---------------------------------------------------------------------------------------


def measure(arm: Arm) -> Result:
    """Run one arm; once per process, so that its memory can be measured."""
    return anyio.run(_measure, arm, backend_options={"use_uvloop": True})


async def _measure(arm: Arm) -> Result:
    watching = TimedBroadcaster()
    with tempfile.TemporaryDirectory() as folder, create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(SOL_SOCKET, SO_SNDBUF, _SERVER_BUFFER_BYTES)
        files = {name: {"database": Path(folder, f"{name}.db")} for name in ("journal", "state")}
        async with open_gateway(load_settings(files), ScriptedEngine()) as opened, anyio.create_task_group() as tasks:
            gateway = replace(opened, sessions=replace(opened.sessions, broadcaster=watching))
            config = uvicorn.Config(create_app(gateway), ws="websockets-sansio", log_config=None, access_log=False)
            config.ws_per_message_deflate = False
            server = uvicorn.Server(config)
            tasks.start_soon(server.serve, [listener])
            tasks.start_soon(_speak, gateway, arm)
            result = await _watch(arm, f"http://127.0.0.1:{listener.getsockname()[1]}", watching)
            server.should_exit = True
    return result


async def _speak(gateway: Gateway, arm: Arm) -> None:
    """Stream the recording in a loop."""
    audio = decoded(arm.recording)
    frame_bytes = round(SAMPLE_RATE_HZ * _FRAME_S) * MEDIA_FORMAT.bytes_per_sample_frame

    async def frames() -> AsyncIterator[bytes]:
        began_s = time.monotonic()
        for number in range(round((_BEFORE_S + arm.seconds) * arm.speed / _FRAME_S)):
            await anyio.sleep(max(0.0, began_s + (number + 1) * _FRAME_S / arm.speed - time.monotonic()))
            start = number * frame_bytes % (len(audio) - frame_bytes)
            yield audio[start : start + frame_bytes]

    transport, peer = memory_pair()
    async with anyio.create_task_group() as tasks, peer:
        tasks.start_soon(Connection(transport, NativeCodec(), gateway.sessions).run)
        await stream(lambda: nullcontext(peer), Start(MEDIA_FORMAT), frames(), lambda event: None)


async def _watch(arm: Arm, url: str, watching: TimedBroadcaster) -> Result:
    await anyio.sleep(_BEFORE_S)
    (session_id,) = watching.open_sessions()
    before_mib = peak_mib = resident_mib()
    ours, theirs = multiprocessing.Pipe()
    path = f"/v1/sessions/{session_id}/events"
    viewers = multiprocessing.get_context("spawn").Process(target=_view, args=(theirs, url, path, arm))
    viewers.start()
    await to_thread.run_sync(ours.recv)  # all have received an event
    stalled_left = arm.stalled
    joined_s, joined_cpu_s = time.monotonic(), time.process_time()
    while session_id in watching.open_sessions():
        stalled_left = watching.viewers - arm.live
        await anyio.sleep(1.0)
        peak_mib = max(peak_mib, resident_mib())
    cpu_share = (time.process_time() - joined_cpu_s) / (time.monotonic() - joined_s)
    received: list[dict[int, float]] = await to_thread.run_sync(ours.recv)
    after_mib = resident_mib()
    await to_thread.run_sync(viewers.join)
    delays_s = [
        at_s - watching.published_s[seq]
        for each in received
        for seq, at_s in each.items()
        if watching.published_s[seq] > joined_s
    ]
    p50_s, p95_s, p99_s = (percentile(delays_s, percent) or 0.0 for percent in (50, 95, 99))
    return Result(
        live=arm.live,
        stalled=arm.stalled,
        p50_ms=1000 * p50_s,
        p95_ms=1000 * p95_s,
        p99_ms=1000 * p99_s,
        worst_ms=1000 * max(delays_s, default=0.0),
        deliveries=len(delays_s),
        finals=len(watching.finals),
        finals_lost=sum(len(watching.finals - each.keys()) for each in received),
        dropped=watching.losses[Loss.DROPPED],
        stalled_left=stalled_left,
        replaced=watching.losses[Loss.REPLACED],
        before_mib=before_mib,
        peak_mib=peak_mib,
        after_mib=after_mib,
        cpu_share=cpu_share,
    )


# --- the viewers' process ----------------------------------------------------------------------------------------


def _view(pipe: Pipe, url: str, path: str, arm: Arm) -> None:
    """Watch; report when all viewers have an event, and at the end the receipt times of each viewer."""
    stalled = [_stall(url, path, _UPGRADE if number % 2 else "") for number in range(arm.stalled)]
    pipe.send(asyncio.run(_view_all(pipe, url, path, arm.live)))
    for each in stalled:
        each.close()


async def _view_all(pipe: Pipe, url: str, path: str, live: int) -> list[dict[int, float]]:
    received: list[dict[int, float]] = [{} for _ in range(live)]
    waiting = set(range(live))

    def note(viewer: int, seq: int) -> None:
        received[viewer][seq] = time.monotonic()
        if viewer in waiting:
            waiting.remove(viewer)
            if not waiting:
                pipe.send("all have received an event")

    ways = (_by_events, _by_messages)
    await asyncio.gather(*(ways[number % 2](url, path, partial(note, number)) for number in range(live)))
    return received


async def _by_events(url: str, path: str, note: Callable[[int], None]) -> None:
    host, port = _address(url)
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    writer.write(_request(path, host, ""))
    async for line in reader:  # chunk sizes are on separate lines
        if line.startswith(_ID):
            note(int(line.removeprefix(_ID)))
        elif line == _LAST_PIECE:
            break
    writer.close()


async def _by_messages(url: str, path: str, note: Callable[[int], None]) -> None:
    async with connect(f"{url.replace('http', 'ws', 1)}{path}", compression=None, max_queue=None) as websocket:
        async for message in websocket:
            found = _SEQ.search(str(message))
            assert found is not None, "each message has a sequence number"
            note(int(found[1]))


def _stall(url: str, path: str, headers: str) -> socket:
    """Request the events, and never read them."""
    stalled = socket()
    stalled.setsockopt(SOL_SOCKET, SO_RCVBUF, _STALLED_BUFFER_BYTES)
    host, port = _address(url)
    stalled.connect((host, port))
    stalled.sendall(_request(path, host, headers))
    return stalled


def _request(path: str, host: str, headers: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


# -----------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure without and with stalled viewers, print the table and write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewers", description=__doc__)
    parser.add_argument("--viewers", type=int, default=200, help="of one session")
    parser.add_argument("--stalled", type=int, default=20, help="of these, in the second run")
    parser.add_argument("--seconds", type=float, default=180.0, help="of watching")
    parser.add_argument("--speed", type=float, default=3.0, help="of the recording, times real time")
    parser.add_argument("--recording", type=Path, default=RECORDING, help="audio of the session")
    parser.add_argument("--json", type=Path, help="file for the results")
    given = parser.parse_args()
    results: list[Result] = []
    for stalled in (0, given.stalled):
        arm = Arm(given.viewers - given.stalled, stalled, given.seconds, given.speed, given.recording)
        with ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn")
        ) as process:  # so that its memory can be measured
            results.append(process.submit(measure, arm).result())
    columns = [field.name.replace("_", " ") for field in fields(Result)]
    print_table("viewers of one session", columns, [list(asdict(result).values()) for result in results])
    without, with_stalled = results
    if with_stalled.stalled:
        growth_mib = (with_stalled.peak_mib - with_stalled.before_mib) - (without.peak_mib - without.before_mib)
        print(f"peak memory per stalled viewer: {1024 * growth_mib / with_stalled.stalled:.0f} KiB")
    write_json(given.json, "viewers", [asdict(result) for result in results])


if __name__ == "__main__":
    main()
