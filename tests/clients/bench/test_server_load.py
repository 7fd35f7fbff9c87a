"""Load of the server's processes: from files that look like `/proc`, and of a process that works."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from clients.bench.server_load import GpuSample, LoadMonitor, NoSuchProcess, monitored, parse_gpu, server_load

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def write_proc(folder: Path, at_s: float, busy_s: float, processes: Mapping[int, tuple[int, float, int]]) -> None:
    """Write the files of a machine.

    Args:
        processes: pid → parent, seconds of CPU, pages.
    """
    (folder / "uptime").write_text(f"{at_s:.2f} 0.00\n")
    (folder / "stat").write_text(f"cpu  {round(busy_s * TICKS)} 0 0 900 0 0 0 0 0 0\n")
    for pid, (parent, cpu_s, pages) in processes.items():
        (folder / str(pid)).mkdir(exist_ok=True)
        fields = ["S", str(parent), *["0"] * 9, str(round(cpu_s * TICKS)), *["0"] * 9, str(pages), "0"]
        (folder / str(pid) / "stat").write_text(f"{pid} (server) {' '.join(fields)}\n")


async def test_the_server_with_its_children_and_the_others_are_told_apart(tmp_path: Path) -> None:
    own = os.getpid()
    write_proc(tmp_path, 100.0, 50.0, {own: (1, 5.0, 1), 77_001: (1, 10.0, 100), 77_002: (77_001, 1.0, 50)})
    async with monitored(77_001, tmp_path) as monitor:
        write_proc(tmp_path, 110.0, 65.0, {own: (1, 6.0, 1), 77_001: (1, 16.0, 80), 77_002: (77_001, 3.0, 60)})
    assert (monitor.wall_s, monitor.server_cpu_s) == (10.0, 8.0)
    assert monitor.other_cores == pytest.approx(0.6)
    assert monitor.server_memory_bytes == 150 * PAGE


async def test_a_server_that_dies_keeps_its_figures(tmp_path: Path) -> None:
    write_proc(tmp_path, 100.0, 50.0, {77_001: (1, 10.0, 100)})
    async with monitored(77_001, tmp_path) as monitor:
        (tmp_path / "77001" / "stat").unlink()
    assert (monitor.server_cpu_s, monitor.server_memory_bytes) == (0.0, 100 * PAGE)


async def test_a_pid_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_proc(tmp_path, 100.0, 50.0, {})
    with pytest.raises(NoSuchProcess, match="--pid 77001"):
        async with monitored(77_001, tmp_path):
            pass


async def test_where_the_system_does_not_tell_nothing_is_measured(tmp_path: Path) -> None:
    async with monitored(None, tmp_path) as monitor:
        pass
    assert monitor == LoadMonitor(gpu=monitor.gpu)
    assert server_load(monitor, 10.0) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
async def test_a_working_process_is_measured_while_it_works() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:  # noqa: ASYNC220
        try:
            async with monitored(process.pid) as monitor:
                with anyio.move_on_after(2.5):
                    await anyio.sleep_forever()
        finally:
            process.kill()
    load = server_load(monitor, audio_s=1.0)
    assert load is not None
    assert load.cores > 0.05
    assert load.memory_bytes_max > 2**20
    assert monitor.other_cores is not None


def test_streams_per_core_follow_from_the_cpu_time() -> None:
    monitor = LoadMonitor(10.0, 5.0, 2**20, gpu=[GpuSample(0.5, 100), GpuSample(1.0, 300)])
    load = server_load(monitor, audio_s=40.0)
    assert load is not None
    assert (load.cpu_s_per_audio_s, load.cores, load.streams_per_core) == (0.125, 0.5, 8.0)
    assert (load.gpu_share, load.gpu_memory_bytes_max) == (0.75, 300)


def test_without_a_gpu_its_figures_are_absent() -> None:
    load = server_load(LoadMonitor(10.0, 0.0, 2**20), audio_s=40.0)
    assert load is not None
    assert (load.streams_per_core, load.gpu_share, load.gpu_memory_bytes_max) == (None, None, None)


def test_all_gpus_are_one_sample() -> None:
    assert parse_gpu("50, 1024\n100, 2048\n") == GpuSample(0.75, 3072 * 2**20)


@pytest.mark.parametrize("text", ["", "No devices were found", "[N/A], 5", "1, 2\n3"])
def test_what_is_no_sample_is_none(text: str) -> None:
    assert parse_gpu(text) is None
