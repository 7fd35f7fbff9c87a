"""Running, logging and error reports of commands."""

import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Literal, NoReturn

import anyio
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clients.bench.manifest import TestsetError
from clients.output_paths import TargetRefused
from clients.reconnect import Change
from decoder.types import ModelError
from gateway.cli.json_logs import JsonLines, log_uncaught
from gateway.cli.log_records import ShortRecords
from gateway.errors import ConfigurationError
from vad.errors import LivecueError

__all__ = [
    "EXIT_CONFIGURATION",
    "EXIT_FAILED",
    "notices",
    "recording_progress",
    "report",
    "report_change",
    "report_notes",
    "reported_errors",
    "run",
    "set_up_logging",
]

logger = logging.getLogger("livecue")

EXIT_FAILED = 1
EXIT_CONFIGURATION = 2

notices = Console(stderr=True)
"""For messages beside the output."""


class _StandardError:
    """The current standard error: a live display replaces it for a while, and prints lines above itself."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def set_up_logging(level: str, log_format: Literal["text", "json"] = "text") -> None:
    """Log to standard error, one line per record, however long.

    Args:
        level: debug, info, warning or error, of livecue's own records; of other libraries only warnings are logged.
        log_format: text, or JSON objects; then everything on standard error is a log record.
    """
    if level.upper() not in logging.getLevelNamesMapping():
        with reported_errors():
            raise ConfigurationError(f"server.log_level = {level!r}: expected debug, info, warning or error")
    handler = logging.StreamHandler(_StandardError())
    if log_format == "json":
        handler.setFormatter(JsonLines())
        log_uncaught()
    else:
        handler.addFilter(ShortRecords())
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("livecue").setLevel(level.upper())


def run(main_task: Callable[[], Awaitable[None]]) -> None:
    """Run a command on the event loop; report its errors as one line and an exit code."""
    uses_uvloop = find_spec("uvloop") is not None
    with reported_errors():
        anyio.run(main_task, backend_options={"use_uvloop": uses_uvloop})


@contextmanager
def reported_errors() -> Iterator[None]:
    """Report livecue's own errors as one line and an exit code; others are bugs and keep their traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None  # the convention of shells: 128 + SIGINT
    except LivecueError as error:
        _exit(error)
    except BaseExceptionGroup as group:  # a task group wraps what its body raises
        error_of_livecue = _first_livecue_error(group)
        if error_of_livecue is None:
            raise
        _exit(error_of_livecue)


def _first_livecue_error(group: BaseExceptionGroup[BaseException]) -> LivecueError | None:
    for error in group.exceptions:
        found = _first_livecue_error(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, LivecueError):
            return found
    return None


def report(error: LivecueError) -> None:
    """Print an error in one line, or log it where the log is JSON."""
    if any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers):
        logger.critical("%s", error)
        return
    notices.print(f"livecue: {error}", style="red", markup=False, soft_wrap=True)


def report_notes(subject: str, notes: Iterable[str]) -> None:
    """Print what a format could not express of a recording or session, a line each."""
    for note in notes:
        notices.print(f"livecue: {subject}: {note}", style="yellow", markup=False, soft_wrap=True)


def report_change(change: Change) -> None:
    """Print a change of the connection's state."""
    # not by `notices`: rich prints this above its live display
    sys.stderr.write(f"livecue: {change}\n")


@contextmanager
def recording_progress(recordings: int) -> Iterator[Callable[[], None]]:
    """Display how many recordings are done, where standard error is a terminal; call what it yields after each."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices, transient=True, disable=not notices.is_terminal) as progress:
        task = progress.add_task("recordings", total=recordings)
        yield lambda: progress.advance(task)


def _exit(error: LivecueError) -> NoReturn:
    report(error)
    is_usage_error = isinstance(error, ConfigurationError | ModelError | TargetRefused | TestsetError)
    raise typer.Exit(EXIT_CONFIGURATION if is_usage_error else EXIT_FAILED)
