"""Load of the server's processes, of the GPU and of everything else on the machine while a run lasts."""

import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, CalledProcessError

import anyio
from anyio import to_thread

from clients.bench.process_table import ProcessStat, busy_ticks, read_stat, tree
from clients.bench.result import ServerLoad
from gateway.wire import LivecueError

__all__ = ["GpuSample", "LoadMonitor", "NoSuchProcess", "monitored", "parse_gpu", "server_load"]

_SAMPLE_S = 2.0
"""A sample takes milliseconds, in a thread."""

_MIB = 2**20

_GPU_QUERY = ("--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits")


class NoSuchProcess(LivecueError):
    """The process to watch is not there, or this system does not report processes."""

    code = "no_such_process"


@dataclass(frozen=True, slots=True)
class GpuSample:
    """All GPUs of the machine at one moment.

    Attributes:
        share: of the time that a kernel ran, 0 to 1, on average.
        memory_bytes: used, of all.
    """

    share: float
    memory_bytes: int


@dataclass(slots=True)
class LoadMonitor:
    """What was measured; None: this system does not report it.

    Attributes:
        wall_s: length of the measurement.
        server_cpu_s: CPU time of the server's process and its descendants.
        server_memory_bytes: the most resident memory of these.
        other_cores: cores busy with other processes than these and the bench.
        gpu: samples.
    """

    wall_s: float = 0.0
    server_cpu_s: float | None = None
    server_memory_bytes: int | None = None
    other_cores: float | None = None
    gpu: list[GpuSample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    at_s: float
    busy_s: float
    bench_cpu_s: float
    server: Sequence[ProcessStat]


@asynccontextmanager
async def monitored(pid: int | None, proc: Path = Path("/proc")) -> AsyncIterator[LoadMonitor]:
    """Measure while the block lasts; the figures are complete after it.

    Args:
        pid: of the server; None: only the rest of the machine is measured.
        proc: where Linux reports processes.

    Raises:
        NoSuchProcess: there is none of this pid.
    """
    monitor = LoadMonitor()
    first = await to_thread.run_sync(_snapshot, pid, proc)
    if pid is not None and (first is None or not first.server):
        raise NoSuchProcess(f"--pid {pid}: no such process in {proc}")
    smi = shutil.which("nvidia-smi")

    async def sample() -> None:
        while True:
            if smi is not None:
                monitor.gpu += await _gpu(smi)
            await anyio.sleep(_SAMPLE_S)
            _add(monitor, first, await to_thread.run_sync(_snapshot, pid, proc))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sample)
        yield monitor
        tasks.cancel_scope.cancel()
    _add(monitor, first, await to_thread.run_sync(_snapshot, pid, proc))


def server_load(monitor: LoadMonitor, audio_s: float) -> ServerLoad | None:
    """Return the load of the server; None: it was not measured.

    Args:
        monitor: of the run.
        audio_s: that the server transcribed, all streams together.
    """
    if monitor.server_cpu_s is None or monitor.server_memory_bytes is None or not audio_s or not monitor.wall_s:
        return None
    gpu = monitor.gpu
    return ServerLoad(
        cpu_s_per_audio_s=monitor.server_cpu_s / audio_s,
        cores=monitor.server_cpu_s / monitor.wall_s,
        memory_bytes_max=monitor.server_memory_bytes,
        streams_per_core=audio_s / monitor.server_cpu_s if monitor.server_cpu_s else None,
        gpu_share=sum(each.share for each in gpu) / len(gpu) if gpu else None,
        gpu_memory_bytes_max=max((each.memory_bytes for each in gpu), default=None),
    )


def parse_gpu(text: str) -> GpuSample | None:
    """Return what `nvidia-smi` says of all GPUs: a line each, percent and MiB; None: nothing that can be read."""
    try:
        rows = [[float(cell) for cell in line.split(",")] for line in text.splitlines() if line.strip()]
        shares, used_mib = zip(*rows, strict=True)
    except ValueError:
        return None
    return GpuSample(sum(shares) / len(shares) / 100, round(sum(used_mib) * _MIB))


async def _gpu(smi: str) -> list[GpuSample]:
    try:
        completed = await anyio.run_process([smi, *_GPU_QUERY], stderr=DEVNULL)
    except (OSError, CalledProcessError):
        return []
    sample = parse_gpu(completed.stdout.decode(errors="replace"))
    return [] if sample is None else [sample]


def _add(monitor: LoadMonitor, first: _Snapshot | None, now: _Snapshot | None) -> None:
    if first is None or now is None:
        return
    monitor.wall_s = now.at_s - first.at_s
    server_s = 0.0
    if first.server:
        # of descendants that ended before their parents took note, the newest figure may be less than an earlier one
        server_s = max(monitor.server_cpu_s or 0.0, _cpu_s(now.server) - _cpu_s(first.server))
        pages = max(sum(each.resident_pages for each in snapshot.server) for snapshot in (first, now))
        monitor.server_cpu_s = server_s
        monitor.server_memory_bytes = max(monitor.server_memory_bytes or 0, pages * os.sysconf("SC_PAGE_SIZE"))
    others_s = (now.busy_s - first.busy_s) - (now.bench_cpu_s - first.bench_cpu_s) - server_s
    monitor.other_cores = max(0.0, others_s / monitor.wall_s) if monitor.wall_s else None


def _snapshot(pid: int | None, proc: Path) -> _Snapshot | None:
    """Return the state of all processes; None: this system does not report it."""
    try:
        busy_s = busy_ticks((proc / "stat").read_text()) / os.sysconf("SC_CLK_TCK")
        processes = _processes(proc)
    except OSError:
        return None
    server = [] if pid is None else list(tree(pid, processes))
    return _Snapshot(_uptime_s(proc), busy_s, _cpu_s(list(tree(os.getpid(), processes))), server)


def _processes(proc: Path) -> dict[int, ProcessStat]:
    processes = {}
    for folder in proc.iterdir():
        if folder.name.isdecimal():
            try:
                processes[int(folder.name)] = read_stat((folder / "stat").read_text(errors="replace"))
            except (OSError, ValueError):
                continue  # it has ended
    return processes


def _uptime_s(proc: Path) -> float:
    return float((proc / "uptime").read_text().split()[0])


def _cpu_s(processes: Sequence[ProcessStat]) -> float:
    return sum(each.cpu_ticks for each in processes) / os.sysconf("SC_CLK_TCK")
