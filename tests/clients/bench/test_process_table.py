"""What `/proc` says of processes and of the machine."""

import pytest

from clients.bench.process_table import ProcessStat, busy_ticks, read_stat, tree

STAT = "42 (a) b (c) S 7 1 1 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 5 0 12345 1000000 250 18446744073709551615 1 1\n"


def test_a_stat_is_read_whatever_the_program_is_called() -> None:
    assert read_stat(STAT) == ProcessStat(parent=7, cpu_ticks=127, resident_pages=250)


def test_a_stat_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="expected more than"):
        read_stat("42 (a) S 7")


def test_a_tree_is_a_process_with_all_of_its_descendants() -> None:
    processes = {pid: ProcessStat(parent, pid, 0) for pid, parent in {2: 1, 3: 2, 4: 3, 5: 1, 6: 2}.items()}
    assert sorted(each.cpu_ticks for each in tree(2, processes)) == [2, 3, 4, 6]
    assert list(tree(9, processes)) == []


def test_busy_time_is_neither_idle_nor_waiting_nor_counted_twice_for_guests() -> None:
    assert busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 128\ncpu0 0 0 0 0\n") == 1 + 2 + 4 + 8 + 16 + 32
