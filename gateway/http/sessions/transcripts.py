"""The route of transcripts, of live and past sessions."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from gateway.access.audit_record import AuditEvent
from gateway.errors import InvalidRequest, NotFound
from gateway.exports.formats import Export
from gateway.exports.scc import NotLatin
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory, journal_errors_hidden
from gateway.http.sessions.events import ViewToken
from gateway.journal.store import Row
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.runtime import Gateway

__all__ = ["transcripts_router"]

_Download = Annotated[bool, Query(description="Whether the browser saves it instead of displaying it.")]

_SCHEMAS: dict[TranscriptFormat, dict[str, object]] = {
    TranscriptFormat.JSON: {"type": "array"},
    TranscriptFormat.DOCX: {"type": "string", "format": "binary"},
}

_NOTES_HEADER = "livecue-notes"
"""Header for what the format could not express."""

_TRANSCRIPTS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The transcript so far",
        "content": {
            transcript_format.media_type.partition(";")[0]: {
                "schema": _SCHEMAS.get(transcript_format, {"type": "string"})
            }
            for transcript_format in TranscriptFormat
        },
    }
}


def transcripts_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], dependencies=[Security(API_KEY)])
    directory = SessionDirectory(gateway)
    one_at_a_time = CapacityLimiter(1)  # ten hours of speech are some 30 MB and a second of CPU time

    @router.get(
        "/{session_id}/transcript.{transcript_format}",
        response_class=Response,
        responses=_TRANSCRIPTS | ERRORS,
        openapi_extra=OPEN,
    )
    async def session_transcript(
        session_id: str,
        transcript_format: TranscriptFormat,
        request: Request,
        download: _Download = False,
        _: ViewToken = None,
    ) -> Response:
        """Return the finals of a session, or its final cues as subtitles.

        What SCC could not express, such as characters that it lacks, is counted in the header `livecue-notes`.
        """
        record = await directory.find(request, session_id)
        journal = directory.journal_of(record)
        if journal is None:
            raise NotFound("this gateway stores no transcripts: journal.enabled is false", "session_id")
        async with one_at_a_time:
            with journal_errors_hidden():
                rows = await journal.events(session_id)
            exported = await to_thread.run_sync(partial(_exported, rows, transcript_format))
        directory.record(AuditEvent.TRANSCRIPT_READ, record, format=transcript_format)
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        if download:
            headers["content-disposition"] = f'attachment; filename="livecue-{record.session_id}.{transcript_format}"'
        if exported.notes:
            headers[_NOTES_HEADER] = "; ".join(exported.notes)
        return Response(exported.content, media_type=transcript_format.media_type, headers=headers)

    return router


def _exported(rows: Sequence[Row], transcript_format: TranscriptFormat) -> Export:
    try:
        return transcript((message for _, message in rows), transcript_format)
    except NotLatin as error:
        raise InvalidRequest(str(error), "transcript_format") from error
