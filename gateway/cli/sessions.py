"""`livecue sessions`: lists, shows, exports and deletes what the journal has of sessions."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.running import reported_errors
from gateway.cli.tables import print_table
from gateway.errors import ConfigurationError
from gateway.journal.journal_file import JournalFile, journal_path
from gateway.journal.recording import delete_recordings, recordings_folder, recordings_of
from gateway.journal.store import Entry
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.settings import load_settings

__all__ = ["app"]

_ID_CHARS = 8
"""Listed of an id, and more where the ids would not be unique."""

_HEADINGS = ("session", "opened", "length", "outcome", "dialect", "language", "finals", "key")

app = typer.Typer(help="List, show, export and delete sessions of the journal.", no_args_is_help=True)


class ExportFormat(StrEnum):
    """The formats of an exported session: a transcript, or all events, one per line."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    JSONL = "jsonl"


_Session = Annotated[str, typer.Argument(metavar="ID", help="Id of a session, or the beginning of one.")]
_Sessions = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of sessions, or their beginnings.")]
_Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, as for `serve`.")]
_Database = Annotated[Path | None, typer.Option("--database", help="The journal; default: that of the settings.")]


@app.command("list")
def list_sessions(config: _Config = None, database: _Database = None) -> None:
    """List the sessions in the journal, the oldest first."""
    with _opened(config, database) as journal:
        entries = journal.store.entries()
        width = _unique_chars([entry.session_id for entry in entries])
        rows = [_row(entry, width) for entry in entries]
    print_table(_HEADINGS, rows)


@app.command()
def show(session: _Session, config: _Config = None, database: _Database = None) -> None:
    """Show all about a session except its transcript."""
    with _opened(config, database) as journal:
        entry = journal.find(session)
        facts = {
            "session": entry.session_id,
            "dialect": entry.dialect,
            "key": entry.owner or "none",
            "language": entry.language or "any",
            "opened": _time_text(entry.opened_s),
            "last written": _time_text(entry.touched_s),
            "ended": "no" if entry.ended_s is None else _time_text(entry.ended_s),
            "outcome": entry.outcome or "open",
            "finals": str(entry.finals),
            "complete": "yes" if entry.is_complete else "no, some events could not be written",
            **entry.about,
        }
        recordings = recordings_of(journal.recordings, entry.session_id)
    for name, value in [*facts.items(), *(("recording", str(path)) for path in recordings)]:
        typer.echo(f"{name}: {value}")


@app.command()
def export(
    session: _Session,
    export_format: Annotated[ExportFormat, typer.Option("--format", help="Output format.")] = ExportFormat.TXT,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Write the transcript of a session to standard output."""
    with _opened(config, database) as journal:
        messages = [message for _, message in journal.store.events(journal.find(session).session_id)]
        if export_format is ExportFormat.JSONL:
            text = "".join(f"{message}\n" for message in messages)
        else:
            text = transcript(messages, TranscriptFormat(export_format))
    typer.echo(text, nl=export_format is ExportFormat.JSON)


@app.command()
def delete(
    sessions: _Sessions,
    force: Annotated[bool, typer.Option("--force", help="Also sessions that are open.")] = False,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Delete sessions, with their recordings."""
    with _opened(config, database) as journal:
        entries = [journal.find(session) for session in sessions]
        for entry in entries:
            if entry.ended_s is None and not force:
                raise ConfigurationError(
                    f"session {entry.session_id} is open, or its gateway was killed: use --force to delete it"
                )
        for entry in entries:
            journal.store.delete(entry.session_id)
            delete_recordings(journal.recordings, entry.session_id)
        journal.store.erase_deleted()


@dataclass(frozen=True, slots=True)
class _JournalFiles:
    """The journal and the folder of its recordings."""

    store: JournalFile
    recordings: Path

    def find(self, beginning: str) -> Entry:
        """Return the only session whose id begins with that."""
        entries = self.store.entries()
        found = [entry for entry in entries if entry.session_id.startswith(beginning)]
        exact = [entry for entry in found if entry.session_id == beginning]
        if not found or (len(found) > 1 and not exact):
            how_many = f"{len(found) or 'no'} sessions begin with that"
            raise ConfigurationError(f"session {beginning!r}: {how_many}; 'livecue sessions list' lists all")
        return (exact or found)[0]


def _row(entry: Entry, id_chars: int) -> tuple[str, ...]:
    length_s = (entry.touched_s if entry.ended_s is None else entry.ended_s) - entry.opened_s
    return (
        entry.session_id[:id_chars],
        _time_text(entry.opened_s),
        str(timedelta(seconds=round(length_s))),
        entry.outcome or "open",
        entry.dialect,
        entry.language or "any",
        f"{entry.finals}{'' if entry.is_complete else ' (some lost)'}",
        entry.owner or "none",
    )


def _time_text(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _unique_chars(session_ids: list[str]) -> int:
    """Return how many characters make all ids unique."""
    longest = max(map(len, session_ids), default=0)
    enough = (n for n in range(_ID_CHARS, longest) if len({each[:n] for each in session_ids}) == len(session_ids))
    return next(enough, longest)


@contextmanager
def _opened(config: Path | None, database: Path | None) -> Iterator[_JournalFiles]:
    """Open the journal; report errors as one line and an exit code."""
    with reported_errors():
        path = database or journal_path(load_settings(file=config).journal)
        with closing(JournalFile(path)) as store:
            yield _JournalFiles(store, recordings_folder(path))
