"""Memory, open files and threads of a process."""

import os
import sys
from pathlib import Path

__all__ = ["entries", "resident_mib"]


def resident_mib(process: int | str = "self") -> float:
    """Return the resident memory of a process; on systems without /proc, the peak of this one."""
    statm = Path(f"/proc/{process}/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere: getrusage(2)


def entries(folder: str, process: int | str = "self") -> int:
    """Return the number of open files (`fd`) or threads (`task`) of a process; 0 on systems without /proc."""
    path = Path(f"/proc/{process}/{folder}")
    return len(list(path.iterdir())) if path.is_dir() else 0
