"""The route that corrects an utterance of a session, live or past."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Request, Security
from starlette.responses import Response

from gateway.access.audit_record import AuditEvent
from gateway.access.scopes import Scope
from gateway.captions.correction import MAX_TEXT_CHARS, corrected_text
from gateway.errors import InvalidRequest
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.request_body import read_body
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory, journal_errors_hidden
from gateway.journal.corrections import CorrectionRequest
from gateway.runtime import Gateway
from gateway.session.corrections import correct

__all__ = ["corrections_router"]

_MAX_BODY_BYTES = 32_768
"""The longest text with each character escaped as a pair of surrogates, and white space around it."""

_MAX_NUMBER = 2**53
"""Integers that every language represents exactly."""

_UtteranceId = Annotated[int, Path(ge=0, le=_MAX_NUMBER)]

_Number = Annotated[int, msgspec.Meta(ge=0, le=_MAX_NUMBER)]

_NUMBER_SCHEMA: Mapping[str, object] = {"type": "integer", "minimum": 0}

_BODY: dict[str, object] = OPEN | {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["text"],
                    "additionalProperties": False,
                    "properties": {
                        "text": {
                            "type": "string",
                            "maxLength": MAX_TEXT_CHARS,
                            "description": "The new text; empty: the utterance is removed.",
                        },
                        "channel": {
                            **_NUMBER_SCHEMA,
                            "description": "Of the utterance, in a session with several channels; else absent.",
                        },
                        "revision": {
                            **_NUMBER_SCHEMA,
                            "description": "Of the text that was read, 0 for the final: 409 if there is a newer one. "
                            "Absent: it is replaced whatever it is.",
                        },
                    },
                }
            }
        },
    }
}

_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The newest correction of the utterance, as the message `correction` of docs/protocol.md",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    409: {"description": "`conflict`: another revision; `session_open`: the session is open at another gateway"},
}


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    channel: _Number | None = None
    revision: _Number | None = None


_decoder = msgspec.json.Decoder(_Body)


def corrections_router(gateway: Gateway) -> APIRouter:
    """Return the route of a running gateway."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], dependencies=[Security(API_KEY)])
    directory = SessionDirectory(gateway)

    @router.put(
        "/{session_id}/utterances/{utterance_id}",
        response_class=Response,
        responses=ERRORS | _ANSWERS,
        openapi_extra=_BODY,
    )
    async def correct_utterance(session_id: str, utterance_id: _UtteranceId, request: Request) -> Response:
        """Replace the text of an utterance that has its final; viewers, journal and transcripts follow."""
        record = await directory.own(request, session_id, Scope.INGEST)
        requested = _requested(utterance_id, await read_body(request, _MAX_BODY_BYTES))
        with journal_errors_hidden():
            revision = await correct(gateway.sessions, session_id, requested)
        if revision.is_new:
            number = str(revision.correction.revision)
            directory.record(AuditEvent.UTTERANCE_CORRECTED, record, utterance=str(utterance_id), revision=number)
        return Response(revision.message, media_type="application/json", headers={"cache-control": "no-store"})

    return router


def _requested(utterance_id: int, body: bytes) -> CorrectionRequest:
    try:
        fields = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{error}; expected a JSON object with text, channel and revision") from error
    try:
        text = corrected_text(fields.text)
    except ValueError as error:
        raise InvalidRequest(str(error), "text") from error
    return CorrectionRequest(utterance_id, text, fields.channel, fields.revision)
