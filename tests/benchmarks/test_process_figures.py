"""Memory, open files and threads of a process."""

import os
from pathlib import Path

import pytest

from benchmarks.process_figures import entries, resident_mib


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_memory_files_and_threads_are_those_of_the_process() -> None:
    before = entries("fd")
    with Path(os.devnull).open():
        assert entries("fd", os.getpid()) == before + 1
    assert entries("task") >= 1
    assert resident_mib(os.getpid()) > 10


def test_a_process_that_is_gone_has_no_files() -> None:
    assert entries("fd", 2**22 + 1) == 0
