"""Progress of a benchmark on a terminal and elsewhere."""

import io

from rich.console import Console

from clients.bench.run import Progress
from gateway.cli.bench_progress import run_progress


def test_without_a_terminal_each_run_is_a_line() -> None:
    out = io.StringIO()
    with run_progress(Console(file=out)) as progress:
        progress.run(1, "load", 30.0)
        progress.update(Progress(10.0, 0))
        progress.run(4, "capacity", 120.0)
    assert out.getvalue() == "1 stream: 30 s of audio each\n4 streams (capacity): 30 s of audio each\n"


def test_on_a_terminal_each_run_is_a_bar_with_its_failures() -> None:
    out = io.StringIO()
    with run_progress(Console(file=out, force_terminal=True, width=100)) as progress:
        progress.run(2, "load", 60.0)
        progress.run(4, "load", 120.0)
        progress.update(Progress(60.0, 1))
    assert "4 streams, 1 failed" in out.getvalue()
    assert "50 %" in out.getvalue()
