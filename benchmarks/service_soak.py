"""Stability of a busy service: a gateway in its own process, for hours, at a constant load with churn.

A constant number of clients stream recordings in real time. A session lasts a random time, and then the next begins;
of every five, one client loses its connection and resumes, and one vanishes and never comes back. Each session has a
viewer, who may leave early. Figures are taken each minute, and printed for each quarter of the run.

- *Memory, files, threads* of the gateway's process: at the end of the quarter, when as many clients are connected as
  at the end of any other.
- *Sessions*: begun, resumed, abandoned. *Failed*: ended by the gateway with an error.
- *Finals*, and *late*: from the end of an utterance's audio to its final, seconds at p50 and p95.
"""

import argparse
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import anyio

from benchmarks.percentile import percentile
from benchmarks.process_figures import entries, resident_mib
from benchmarks.processes import GatewayProcess
from benchmarks.recordings import SHARED_AUDIO
from benchmarks.report import print_table, write_json
from benchmarks.talks import read_talk, talk_from
from clients.connection import ConnectionFailed, connect
from clients.paced_media import MEDIA_FORMAT, paced
from clients.reconnect import Change
from clients.stream import Lost, SessionFailed, stream
from clients.watch import find_session, watch
from decoder.packaged_models import EMBEDDED
from gateway.wire import SAMPLE_RATE_HZ, Final, Ready, ServerEvent, Start
from tools.fault_proxy import Cut, FaultProxy, Learns, Way, proxying

__all__ = ["Quarter", "Tally"]

QUARTERS = 4
SHORTEST_S, LONGEST_S = 20.0, 180.0
"""Of a session."""


@dataclass(slots=True)
class Tally:
    """What happened in a quarter."""

    begun: int = 0
    resumed: int = 0
    abandoned: int = 0
    failed: int = 0
    late_s: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)
    files: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Quarter:
    """The figures of a quarter; memory is the median of its minutes, and that of its end."""

    end_min: float
    begun: int
    resumed: int
    abandoned: int
    failed: int
    finals: int
    late_p50_s: float | None
    late_p95_s: float | None
    median_mib: float | None
    end_mib: float
    files: int
    threads: int

    @classmethod
    def of(cls, tally: Tally, end_min: float) -> "Quarter":
        """Return the figures of a tally. PURE."""
        return cls(
            end_min,
            *(tally.begun, tally.resumed, tally.abandoned, tally.failed, len(tally.late_s)),
            *(percentile(tally.late_s, 50), percentile(tally.late_s, 95)),
            *(percentile(tally.resident_mib, 50), tally.resident_mib[-1]),
            *(tally.files, tally.threads),
        )


class _Load:
    """The clients of the run."""

    def __init__(self, options: argparse.Namespace, port: int, frames: list[bytes]) -> None:
        self.tallies = [Tally() for _ in range(QUARTERS)]
        self.quarter = 0
        self.is_over = False
        self._port = port
        self._frames = frames
        self._chance = random.Random(options.seed)  # not for security: runs are repeatable

    @property
    def tally(self) -> Tally:
        return self.tallies[self.quarter]

    async def client(self, number: int) -> None:
        """Stream one session after the other."""
        await anyio.sleep(number)
        while not self.is_over:
            kind = self._chance.randrange(5)
            seconds = self._chance.uniform(SHORTEST_S, LONGEST_S)
            first = self._chance.randrange(len(self._frames))
            frames = talk_from(self._frames, first, seconds)
            self.tally.begun += 1
            async with proxying(self._port) as (proxy, port), anyio.create_task_group() as tasks:
                try:
                    if kind == 0:
                        self.tally.abandoned += 1
                        with anyio.move_on_after(seconds / 2):  # the connection is closed without a stop
                            await self._session(port, frames, tasks)
                    else:
                        if kind == 1:
                            tasks.start_soon(self._cut, proxy, seconds / 2)
                        await self._session(port, frames, tasks)
                except (ConnectionFailed, SessionFailed):
                    self.tally.failed += 1
                    await anyio.sleep(1)  # refused: the next try may succeed
                tasks.cancel_scope.cancel()

    async def _session(self, port: int, frames: Sequence[bytes], tasks: anyio.abc.TaskGroup) -> None:
        begin_s = 0.0

        def note(event: ServerEvent) -> None:
            match event:
                case Ready():
                    tasks.start_soon(self._view, event.session_id)
                case Final():
                    end_s = begin_s + event.end_sample / SAMPLE_RATE_HZ
                    self.tally.late_s.append(anyio.current_time() - end_s)
                case _:
                    pass

        async def audio() -> AsyncIterator[bytes]:
            nonlocal begin_s
            async for frame in paced(iter(frames), 1.0):
                begin_s = begin_s or anyio.current_time()
                yield frame

        def changed(change: Change) -> None:
            self.tally.resumed += change is Change.RESTORED

        start = Start(MEDIA_FORMAT, language="en", resumable=True)
        lost = Lost(is_live=True, on_change=changed)
        await stream(lambda: connect(f"ws://127.0.0.1:{port}"), start, audio(), note, lost)

    async def _view(self, session_id: str) -> None:
        try:
            session = await find_session(f"http://127.0.0.1:{self._port}/watch/{session_id}")
            with anyio.move_on_after(self._chance.uniform(SHORTEST_S / 2, LONGEST_S)):
                await watch(session, lambda event: None)
        except ConnectionFailed:
            pass  # the session is over

    async def _cut(self, proxy: FaultProxy, after_s: float) -> None:
        await anyio.sleep(after_s)
        proxy.cut(Cut(self._chance.choice(list(Way)), self._chance.randrange(400), Learns.BOTH))


async def measure(options: argparse.Namespace, gateway: GatewayProcess, frames: list[bytes]) -> list[Quarter]:
    """Run the load, and return the figures of each quarter."""
    port = urlsplit(gateway.url).port
    assert port is not None, "the URL of a gateway process has a port"
    load = _Load(options, port, frames)
    quarters: list[Quarter] = []
    minutes = round(options.minutes)
    async with anyio.create_task_group() as tasks:
        for number in range(options.streams):
            tasks.start_soon(load.client, number)
        for minute in range(1, minutes + 1):
            await anyio.sleep(60)
            tally = load.tally
            tally.resident_mib.append(resident_mib(gateway.pid))
            tally.files, tally.threads = entries("fd", gateway.pid), entries("task", gateway.pid)
            if (quarter := minute * QUARTERS // minutes) > load.quarter:
                quarters.append(Quarter.of(tally, minute))
                print_quarters(quarters)
                load.quarter = min(quarter, QUARTERS - 1)
        load.is_over = True
        tasks.cancel_scope.cancel()
    return quarters


def print_quarters(quarters: Sequence[Quarter]) -> None:
    """Print the figures so far."""
    columns = ["until min", "begun", "resumed", "abandoned", "failed", "finals", "late s p50", "p95"]
    columns += ["MiB median", "MiB at the end", "files", "threads"]
    rows = [["–" if figure is None else figure for figure in asdict(quarter).values()] for quarter in quarters]
    print_table("the gateway's process", columns, rows)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO / "en_librispeech", help="folder of recordings")
    parser.add_argument("--minutes", type=float, default=90.0, help="a multiple of 4")
    parser.add_argument("--streams", type=int, default=3)
    parser.add_argument("--model", default=EMBEDDED, help="of the engine whisper")
    parser.add_argument(
        "--serve", nargs="*", default=[], help="further options of `livecue serve`, without their dashes"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        serve = ["--engine", "whisper", "--model", options.model, "--offline"]
        serve += ["--set", f"journal.database={folder}/journal.db"]
        serve += [f"--{option}" for option in options.serve]
        with GatewayProcess(*serve) as gateway:
            quarters = anyio.run(measure, options, gateway, read_talk(options.audio))
    write_json(options.json, "service_soak", [asdict(quarter) for quarter in quarters])


if __name__ == "__main__":
    main()
