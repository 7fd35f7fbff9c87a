"""Divides the CPU cores among the batches decoded in parallel."""

import os

from decoder.settings import EngineSettings

__all__ = ["core_count", "shared_cores"]

CPU_WORKERS = 2
"""Two, so that a partial need not wait for a final; more workers would leave too few cores for each."""


def shared_cores(settings: EngineSettings) -> tuple[int, int]:
    """Return the number of batches decoded in parallel and the threads of each, from the settings or the core count."""
    cores = core_count()
    workers = settings.workers or min(CPU_WORKERS, cores)
    return workers, settings.cpu_threads or max(1, cores // workers)


def core_count() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS or Windows; a container may be limited to fewer cores
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
