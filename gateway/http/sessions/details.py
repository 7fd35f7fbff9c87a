"""The route that changes the title of a session and the names of its channels."""

from fastapi import APIRouter, Request, Security
from pydantic import BaseModel
from starlette.responses import Response

from gateway.access.audit_record import AuditEvent
from gateway.access.scopes import Scope
from gateway.errors import InvalidRequest
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.request_body import read_body
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory, journal_errors_hidden
from gateway.http.sessions.routes import ListedName
from gateway.journal.event_json import event_json
from gateway.runtime import Gateway
from gateway.session.details import DetailsChange, change_details
from gateway.wire import ProtocolError
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
        with journal_errors_hidden():
            details = await change_details(gateway.sessions, session_id, change)
        directory.record(AuditEvent.SESSION_CHANGED, record)
        return Response(event_json(details), media_type="application/json")

    return router


def _change(body: bytes) -> DetailsChange:
    try:
        return read_change(body)
    except ProtocolError as error:
        raise InvalidRequest(str(error), error.field) from error
