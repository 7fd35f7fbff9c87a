"""`livecue sessions`: lists, shows, exports and deletes what the journal has of sessions."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import ConfigurationError
from gateway.journal.recording import delete_recordings, recordings_folder, recordings_of
from gateway.journal.store import Entry, JournalStore, journal_path
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.settings import load_settings
from vad.errors import LivecueError

__all__ = ["app"]

_EXIT_FAILED = 1
_EXIT_CONFIGURATION = 2

_ID_CHARS = 8
"""Shown of an id in the list, and more where that is not enough to tell it from the others."""

_HEADINGS = ("session", "opened", "length", "outcome", "dialect", "language", "finals", "key")

app = typer.Typer(help="List, show, export and delete what sessions have said.", no_args_is_help=True)


class ExportFormat(StrEnum):
    """What a session may be written as: a transcript, or every event, one a line."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    JSONL = "jsonl"


_Session = Annotated[str, typer.Argument(metavar="ID", help="Of a session, or its beginning.")]
_Sessions = Annotated[list[str], typer.Argument(metavar="ID…", help="Of sessions, or their beginnings.")]
_Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, as `serve` has it.")]
_Database = Annotated[Path | None, typer.Option("--database", help="The journal; else that of the settings.")]


@app.command("list")
def list_sessions(config: _Config = None, database: _Database = None) -> None:
    """List the sessions in the journal, the oldest first."""
    with _opened(config, database) as kept:
        entries = kept.store.entries()
        width = _telling_chars([entry.session_id for entry in entries])
        rows = [_HEADINGS, *(_row(entry, width) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def show(session: _Session, config: _Config = None, database: _Database = None) -> None:
    """Show all that is known of a session, but not its words."""
    with _opened(config, database) as kept:
        entry = kept.find(session)
        known = {
            "session": entry.session_id,
            "dialect": entry.dialect,
            "key": entry.owner or "none",
            "language": entry.language or "any",
            "opened": _moment(entry.opened_s),
            "last written": _moment(entry.touched_s),
            "ended": "no" if entry.ended_s is None else _moment(entry.ended_s),
            "outcome": entry.outcome or "open",
            "finals": str(entry.finals),
            "complete": "yes" if entry.is_complete else "no, some events could not be written down",
            **entry.about,
        }
        recordings = recordings_of(kept.recordings, entry.session_id)
    for name, value in [*known.items(), *(("recording", str(path)) for path in recordings)]:
        typer.echo(f"{name}: {value}")


@app.command()
def export(
    session: _Session,
    export_format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.TXT,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Write what was said in a session to standard output."""
    with _opened(config, database) as kept:
        messages = [message for _, message in kept.store.events(kept.find(session).session_id)]
        if export_format is ExportFormat.JSONL:
            text = "".join(f"{message}\n" for message in messages)
        else:
            text = transcript(messages, TranscriptFormat(export_format))
    typer.echo(text, nl=export_format is ExportFormat.JSON)


@app.command()
def delete(
    sessions: _Sessions,
    force: Annotated[bool, typer.Option("--force", help="Even those that are open.")] = False,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Delete sessions, with their recordings."""
    with _opened(config, database) as kept:
        entries = [kept.find(session) for session in sessions]
        for entry in entries:
            if entry.ended_s is None and not force:
                raise ConfigurationError(
                    f"session {entry.session_id} is open, or its gateway was killed: nothing is deleted without --force"
                )
        for entry in entries:
            kept.store.delete(entry.session_id)
            delete_recordings(kept.recordings, entry.session_id)
        kept.store.erase_deleted()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What there is of sessions."""

    store: JournalStore
    recordings: Path

    def find(self, beginning: str) -> Entry:
        """Return the one session whose id begins so."""
        entries = self.store.entries()
        found = [entry for entry in entries if entry.session_id.startswith(beginning)]
        exact = [entry for entry in found if entry.session_id == beginning]
        if not found or (len(found) > 1 and not exact):
            how_many = "no session begins so" if not found else f"{len(found)} sessions begin so"
            raise ConfigurationError(f"session {beginning!r}: {how_many}; 'livecue sessions list' shows all")
        return (exact or found)[0]


def _row(entry: Entry, id_chars: int) -> tuple[str, ...]:
    length_s = (entry.touched_s if entry.ended_s is None else entry.ended_s) - entry.opened_s
    return (
        entry.session_id[:id_chars],
        _moment(entry.opened_s),
        str(timedelta(seconds=round(length_s))),
        entry.outcome or "open",
        entry.dialect,
        entry.language or "any",
        f"{entry.finals}{'' if entry.is_complete else ' (some lost)'}",
        entry.owner or "none",
    )


def _moment(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _telling_chars(session_ids: list[str]) -> int:
    """Return how many characters tell all ids apart."""
    longest = max(map(len, session_ids), default=0)
    enough = (n for n in range(_ID_CHARS, longest) if len({each[:n] for each in session_ids}) == len(session_ids))
    return next(enough, longest)


@contextmanager
def _opened(config: Path | None, database: Path | None) -> Iterator[_Kept]:
    """Open the journal; errors of livecue's own become one line and an exit code."""
    try:
        path = database or journal_path(load_settings(file=config).journal)
        with closing(JournalStore(path)) as store:
            yield _Kept(store, recordings_folder(path))
    except LivecueError as error:
        typer.secho(f"livecue: {error}", fg="red", err=True)
        raise typer.Exit(_EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else _EXIT_FAILED) from None
