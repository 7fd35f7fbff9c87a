"""Progress of `livecue bench`: a bar on a terminal, else a line for each run."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from clients.bench.run import Progress as Played

__all__ = ["RunProgress", "run_progress"]


class RunProgress:
    """Displays how far each run is.

    Args:
        console: of standard error.
        bars: of rich, which draws them on a terminal only.
    """

    def __init__(self, console: Console, bars: Progress) -> None:
        self._console = console
        self._bars = bars
        self._task: TaskID | None = None
        self._label = ""

    def run(self, streams: int, purpose: str, audio_s: float) -> None:
        """Begin a run."""
        noun = "stream" if streams == 1 else "streams"
        self._label = f"{streams} {noun}" if purpose == "load" else f"{streams} {noun} ({purpose})"
        if not self._console.is_terminal:
            self._console.print(f"{self._label}: {audio_s / streams:.0f} s of audio each", markup=False)
            return
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(self._label, total=audio_s)

    def update(self, played: Played) -> None:
        """Display how much audio of the run was played."""
        if self._task is not None:
            failed = f", {played.failed} failed" if played.failed else ""
            self._bars.update(self._task, completed=played.played_s, description=f"{self._label}{failed}")


@contextmanager
def run_progress(console: Console) -> Iterator[RunProgress]:
    """Display progress while the block lasts."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    bars = Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)
    with bars:
        yield RunProgress(console, bars)
