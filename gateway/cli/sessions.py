"""`livecue sessions`: lists, shows, exports, corrects and deletes what the journal has of sessions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway.access.audit_record import AuditEvent
from gateway.captions.correction import corrected_text
from gateway.captions.cue_profiles import PROFILES
from gateway.captions.subtitles import to_srt
from gateway.cli.auditing import Record, open_audit
from gateway.cli.running import reported_errors
from gateway.cli.tables import print_table
from gateway.errors import ConfigurationError, Conflict
from gateway.journal.amendment import amendment
from gateway.journal.corrections import CorrectionRequest, Revision, revision_of
from gateway.journal.journal_file import journal_path
from gateway.journal.open_store import make_store
from gateway.journal.recording import recordings_folder, recordings_of
from gateway.journal.store import Entry, JournalStore, Row
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.settings import JournalSettings, load_settings

__all__ = ["app"]

_ID_CHARS = 8
"""Listed of an id, and more where the ids would not be unique."""

_HEADINGS = ("session", "opened", "length", "outcome", "dialect", "language", "finals", "key")

app = typer.Typer(help="List, show, export, correct and delete sessions of the journal.", no_args_is_help=True)


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
        entries = journal.entries()
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
        recordings = journal.recordings_of(entry.session_id)
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
        session_id = journal.find(session).session_id
        messages = [message for _, message in journal.events(session_id)]
        journal.record(AuditEvent.TRANSCRIPT_READ, session=session_id, format=export_format)
        if export_format is ExportFormat.JSONL:
            text = "".join(f"{message}\n" for message in messages)
        else:
            text = transcript(messages, TranscriptFormat(export_format))
    typer.echo(text, nl=export_format is ExportFormat.JSON)


@app.command("correct")
def correct_utterance(
    session: _Session,
    utterance: Annotated[int, typer.Argument(metavar="UTTERANCE", min=0, help="Number of the utterance.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Its new text; empty: the utterance is removed.")],
    channel: Annotated[int | None, typer.Option(min=0, help="Of the utterance, if there are several.")] = None,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Replace the text of an utterance of a session that has ended, and print its new cues."""
    with _opened(config, database) as journal:
        entry = journal.find(session)
        if entry.ended_s is None:
            raise ConfigurationError(
                f"session {entry.session_id} is open, or its gateway was killed: correct it over HTTP, "
                f"PUT /v1/sessions/{entry.session_id}/utterances/{utterance}"
            )
        revision = journal.correct(entry, CorrectionRequest(utterance, _plain(text), channel))
        if revision.is_new:
            facts = {"utterance": str(utterance), "revision": str(revision.correction.revision)}
            journal.record(AuditEvent.UTTERANCE_CORRECTED, session=entry.session_id, **facts)
    typer.echo(to_srt(revision.correction.cues), nl=False)


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
            journal.delete(entry.session_id)
            journal.record(AuditEvent.SESSION_DELETED, session=entry.session_id)


class _StoredSessions:
    """The sessions of the journal, read and changed from a thread without an event loop.

    Args:
        store: of the journal.
        portal: to the event loop that it runs in.
        recordings: their folder; None: a shared journal has none.
        record: what is done with them, in the audit log.
        cue_profile: the gateway's, for sessions whose clients requested none.
    """

    def __init__(
        self,
        store: JournalStore,
        portal: BlockingPortal,
        recordings: Path | None,
        record: Record,
        cue_profile: str,
    ) -> None:
        self._store = store
        self._portal = portal
        self._recordings = recordings
        self.record = record
        self._cue_profile = cue_profile

    def entries(self) -> list[Entry]:
        """Return all sessions, the oldest first."""
        return self._portal.call(self._store.entries)

    def events(self, session_id: str) -> list[Row]:
        """Return the numbers and messages of a session's events."""
        return self._portal.call(self._store.events, session_id)

    def recordings_of(self, session_id: str) -> list[Path]:
        """Return the files of a session's recordings."""
        return [] if self._recordings is None else recordings_of(self._recordings, session_id)

    def correct(self, entry: Entry, request: CorrectionRequest) -> Revision:
        """Correct an utterance of a session that has ended."""
        session_id = entry.session_id
        self._portal.call(self._store.acquire, session_id)
        messages = [message for _, message in self.events(session_id)]
        profile = PROFILES.get(entry.cue_profile or "", PROFILES[self._cue_profile])
        revision = revision_of(messages, request, profile)
        if revision.is_new:
            revision = revision.numbered(self._portal.call(self._store.last_seq, session_id) + 1)
            batch = amendment(entry, revision.event, revision.superseded, time.time())
            if self._portal.call(self._store.write, batch):
                raise Conflict(f"session {session_id} is being changed by a gateway: try again")
        return revision

    def delete(self, session_id: str) -> None:
        """Delete a session with all that belongs to it."""
        self._portal.call(self._store.delete, session_id)

    def find(self, beginning: str) -> Entry:
        """Return the only session whose id begins with that."""
        entries = self.entries()
        found = [entry for entry in entries if entry.session_id.startswith(beginning)]
        exact = [entry for entry in found if entry.session_id == beginning]
        if not found or (len(found) > 1 and not exact):
            how_many = f"{len(found) or 'no'} sessions begin with that"
            raise ConfigurationError(f"session {beginning!r}: {how_many}; 'livecue sessions list' lists all")
        return (exact or found)[0]


def _plain(text: str) -> str:
    try:
        return corrected_text(text)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


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
def _opened(config: Path | None, database: Path | None) -> Iterator[_StoredSessions]:
    """Open the journal; report errors as one line and an exit code."""
    with reported_errors():
        loaded = load_settings(file=config)
        settings = loaded.journal if database is None else JournalSettings(database=database)
        record = open_audit(loaded.audit)
        store = make_store(settings)
        recordings = None if store.is_shared else recordings_folder(journal_path(settings))
        with start_blocking_portal() as portal:
            try:
                yield _StoredSessions(store, portal, recordings, record, loaded.session.cue_profile)
            finally:
                portal.call(store.aclose)
