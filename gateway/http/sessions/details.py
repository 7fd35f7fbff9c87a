"""The route that changes the title of a session and the names of its channels."""

from collections.abc import Callable
from dataclasses import replace

from fastapi import APIRouter, Request, Security
from pydantic import BaseModel
from starlette.responses import Response

from gateway.access.audit_record import AuditEvent
from gateway.access.scopes import Scope
from gateway.errors import InvalidRequest, NotFound, SessionOpen
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.request_body import read_body
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory, SessionRecord, journal_errors_hidden
from gateway.http.sessions.routes import ListedName
from gateway.journal.event_json import event_json
from gateway.runtime import Gateway
from gateway.wire import Details, ProtocolError
from gateway.wire.details import MAX_CHANNEL_NAMES, MAX_NAME_CHARS, MAX_TITLE_CHARS
from gateway.wire.native.details import read_change

__all__ = ["details_router"]

_MAX_BODY_BYTES = 16_384
"""A title and eight names of the longest, each character of them escaped, have 10 KB."""

_CHANGE_FORM: dict[str, object] = OPEN | {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "title": {"type": ["string", "null"], "maxLength": MAX_TITLE_CHARS},
                        "names": {
                            "type": "array",
                            "maxItems": MAX_CHANNEL_NAMES,
                            "items": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["channel", "name"],
                                "properties": {
                                    "channel": {"type": "integer", "minimum": 0, "maximum": MAX_CHANNEL_NAMES - 1},
                                    "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS},
                                    "color": {"type": ["string", "null"], "pattern": "^#[0-9a-fA-F]{6}$"},
                                },
                            },
                        },
                    },
                }
            }
        },
    }
}


class DetailsAnswer(BaseModel):
    """The `details` message of docs/protocol.md.

    Attributes:
        type: `details`.
        seq: its number in the session.
        title: null: it has none.
        names: of the channels.
    """

    type: str
    seq: int
    title: str | None
    names: list[ListedName]


def details_router(gateway: Gateway) -> APIRouter:
    """Return the route of a running gateway."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], dependencies=[Security(API_KEY)])
    directory = SessionDirectory(gateway)

    @router.patch("/{session_id}", response_model=DetailsAnswer, responses=ERRORS, openapi_extra=_CHANGE_FORM)
    async def change_session(session_id: str, request: Request) -> Response:
        """Change the title of a session, the names of its channels, or both, while it is open or afterwards."""
        record = await directory.own(request, session_id, Scope.INGEST)
        change = _change(await read_body(request, _MAX_BODY_BYTES))
        live = gateway.sessions.live.find(session_id)
        if live is not None and not live.is_over:
            details = live.parts.output.change_details(change)
        else:
            details = await _change_past(directory, record, change)
        directory.record(AuditEvent.SESSION_CHANGED, record)
        return Response(event_json(details), media_type="application/json")

    return router


async def _change_past(
    directory: SessionDirectory, record: SessionRecord, change: Callable[[Details], Details]
) -> Details:
    if not record.is_over or directory.journal is None:
        raise SessionOpen(f"session {record.session_id} is open at another gateway, ends now, or may still be resumed")
    with journal_errors_hidden():
        details = await directory.journal.append_past(
            record.session_id, lambda entry, seq: replace(change(entry.details or Details(0)), seq=seq)
        )
    if not isinstance(details, Details):
        raise NotFound(f"session {record.session_id} has been deleted or is being resumed", "session_id")
    return details


def _change(body: bytes) -> Callable[[Details], Details]:
    try:
        return read_change(body)
    except ProtocolError as error:
        raise InvalidRequest(str(error), error.field) from error
