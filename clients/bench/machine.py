"""The machine on which the bench runs, as results name it."""

import os
import platform
import shutil
from subprocess import DEVNULL, CalledProcessError

import anyio

from clients.bench.result import Machine

__all__ = ["cpu_name", "describe_machine"]


async def describe_machine(other_load_cores: float | None = None) -> Machine:
    """Return this machine.

    Args:
        other_load_cores: cores that other processes kept busy; None: unknown.
    """
    cpuinfo = anyio.Path("/proc/cpuinfo")
    text = await cpuinfo.read_text() if await cpuinfo.exists() else ""
    return Machine(
        platform=platform.platform(),
        cpu=cpu_name(text) or platform.processor() or "unknown",
        cores=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        gpu=await _gpu_name(),
        other_load_cores=other_load_cores,
    )


def cpu_name(cpuinfo: str) -> str | None:
    """Return the name of the CPU in Linux' `/proc/cpuinfo`; None: it has none."""
    names = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return names[0] if names else None


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0  # Windows does not tell


async def _gpu_name() -> str | None:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return None
    try:
        completed = await anyio.run_process([smi, "--query-gpu=name", "--format=csv,noheader"], stderr=DEVNULL)
    except (OSError, CalledProcessError):
        return None
    return completed.stdout.decode(errors="replace").strip().replace("\n", ", ") or None
