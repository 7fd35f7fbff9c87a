"""How the cores of this machine are shared out among batches that are decoded at once."""

import os

from decoder.settings import EngineSettings

__all__ = ["shared_cores"]

CPU_WORKERS = 2
"""A partial need not wait for a final then; more would leave each of them fewer cores."""


def shared_cores(settings: EngineSettings) -> tuple[int, int]:
    """Return how many batches are decoded at once on the CPU, and the threads of each, as set or from the cores."""
    cores = _core_count()
    workers = settings.workers or min(CPU_WORKERS, cores)
    return workers, settings.cpu_threads or max(1, cores // workers)


def _core_count() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS, nor on Windows; a container may be given fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
