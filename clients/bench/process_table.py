"""CPU time and memory of processes and of the machine, as Linux' `/proc` has them (proc(5)). PURE."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["ProcessStat", "busy_ticks", "read_stat", "tree"]

_PPID, _UTIME, _STIME, _CUTIME, _CSTIME, _RSS = 1, 11, 12, 13, 14, 21
"""Fields of `/proc/PID/stat` after the name of the program, from 0: proc(5) counts the state, the first, as 3."""

_IDLE, _IOWAIT, _GUEST = 3, 4, 8
"""Fields of the line `cpu` in `/proc/stat`, from 0; guest time is part of user time."""


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process.

    Attributes:
        parent: its pid.
        cpu_ticks: of the process, and of its children that have ended.
        resident_pages: memory.
    """

    parent: int
    cpu_ticks: int
    resident_pages: int


def read_stat(text: str) -> ProcessStat:
    """Return what `/proc/PID/stat` says.

    Raises:
        ValueError: it is cut off.
    """
    fields = text[text.rfind(")") + 1 :].split()  # the name of the program may have spaces and brackets
    if len(fields) <= _RSS:
        raise ValueError(f"process stat of {len(fields)} fields: expected more than {_RSS}")
    ticks = sum(int(fields[place]) for place in (_UTIME, _STIME, _CUTIME, _CSTIME))
    return ProcessStat(int(fields[_PPID]), ticks, int(fields[_RSS]))


def tree(root: int, processes: Mapping[int, ProcessStat]) -> Iterator[ProcessStat]:
    """Yield a process, if it is there, and all of its descendants."""
    if root in processes:
        yield processes[root]
    for pid, process in processes.items():
        if process.parent == root:
            yield from tree(pid, processes)


def busy_ticks(text: str) -> int:
    """Return the CPU time that was not idle since the machine started, of all cores, from `/proc/stat`."""
    counts = [int(count) for count in text.splitlines()[0].split()[1:]]
    return sum(counts[:_GUEST]) - counts[_IDLE] - counts[_IOWAIT]
