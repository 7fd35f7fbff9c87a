"""How commands run, log and fail."""

import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NoReturn

import anyio
import typer
from rich.console import Console

from clients.output_paths import TargetRefused
from clients.reconnect import Change
from decoder.types import ModelError
from gateway.cli.log_records import ShortRecords
from gateway.errors import ConfigurationError
from vad.errors import LivecueError

__all__ = [
    "EXIT_CONFIGURATION",
    "EXIT_FAILED",
    "notices",
    "report",
    "report_change",
    "reported_errors",
    "run",
    "set_up_logging",
]

EXIT_FAILED = 1
EXIT_CONFIGURATION = 2

notices = Console(stderr=True)
"""What is said beside the output."""


class _StandardError:
    """Whatever standard error is by now: what is shown live takes its place for a while, and lets lines pass above."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def set_up_logging(level: str) -> None:
    """Log to standard error, a line a record.

    Args:
        level: debug, info, warning or error, of livecue's own records; of others warnings are shown.
    """
    if level.upper() not in logging.getLevelNamesMapping():
        with reported_errors():
            raise ConfigurationError(f"server.log_level = {level!r}: expected debug, info, warning or error")
    handler = logging.StreamHandler(_StandardError())
    handler.addFilter(ShortRecords())
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", handlers=[handler]
    )
    logging.getLogger("livecue").setLevel(level.upper())


def run(main_task: Callable[[], Awaitable[None]]) -> None:
    """Run a command on the event loop; its errors become a line and an exit code."""
    uses_uvloop = find_spec("uvloop") is not None
    with reported_errors():
        anyio.run(main_task, backend_options={"use_uvloop": uses_uvloop})


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn livecue's own errors into one line and an exit code; others are faults of ours and keep their traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None  # as shells have it: 128 + SIGINT
    except LivecueError as error:
        _exit(error)
    except BaseExceptionGroup as group:  # a task group wraps what its body raises
        ours = _first_of_ours(group)
        if ours is None:
            raise
        _exit(ours)


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> LivecueError | None:
    for error in group.exceptions:
        found = _first_of_ours(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, LivecueError):
            return found
    return None


def report(error: LivecueError) -> None:
    """Say in one line what went wrong."""
    notices.print(f"livecue: {error}", style="red", markup=False, soft_wrap=True)


def report_change(change: Change) -> None:
    """Say what became of the connection."""
    # not through a console of its own: so rich shows it above what is live
    sys.stderr.write(f"livecue: {change}\n")


def _exit(error: LivecueError) -> NoReturn:
    report(error)
    is_wrong_call = isinstance(error, ConfigurationError | ModelError | TargetRefused)
    raise typer.Exit(EXIT_CONFIGURATION if is_wrong_call else EXIT_FAILED)
