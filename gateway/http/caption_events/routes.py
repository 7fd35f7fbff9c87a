"""The routes of caption events: addresses at which people watch one session after the other."""

from functools import partial
from typing import Annotated

import anyio
import msgspec
from fastapi import APIRouter, Path, Query, Request, Security
from pydantic import BaseModel
from starlette.responses import Response

from gateway.access.admission import Admission
from gateway.access.caller import Caller
from gateway.access.scopes import Scope
from gateway.cancellation import work_until
from gateway.errors import InvalidRequest
from gateway.http.caption_events.directory import CaptionEventDirectory, EventState
from gateway.http.disconnection import while_connected
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.request_body import read_body
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import journal_errors_hidden
from gateway.http.sessions.events import ViewToken
from gateway.journal.store import CaptionEvent
from gateway.runtime import Gateway
from gateway.wire import ProtocolError
from gateway.wire.details import MAX_TITLE_CHARS
from gateway.wire.event_name import EVENT_NAME_PATTERN
from gateway.wire.native.details import read_title

__all__ = ["caption_events_router"]

_MAX_BODY_BYTES = 4_096
"""A title of the longest, each character of it escaped, has 1.2 KB."""

_MIN_LIFETIME_S, _DEFAULT_LIFETIME_S, _MAX_LIFETIME_S = 60, 30 * 86_400, 366 * 86_400
"""Of a view token: a printed code is valid for a month, or for a year of weekly meetings where that is asked for."""

_MAX_WAIT_S = 60.0
"""Proxies commonly cut a request without a response after a minute."""

_MAX_SESSION_CHARS = 200

_Name = Annotated[str, Path(pattern=EVENT_NAME_PATTERN, description="3 to 64 lower-case letters, digits, hyphens.")]
_After = Annotated[str, Query(max_length=_MAX_SESSION_CHARS, description="Id of the session that the caller knows.")]
_Wait = Annotated[float, Query(ge=0, le=_MAX_WAIT_S, description="How long to wait for another session, in seconds.")]

_PUT_FORM: dict[str, object] = OPEN | {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "title": {"type": ["string", "null"], "maxLength": MAX_TITLE_CHARS},
                        "expires_after_s": {
                            "type": "integer",
                            "minimum": _MIN_LIFETIME_S,
                            "maximum": _MAX_LIFETIME_S,
                            "default": _DEFAULT_LIFETIME_S,
                        },
                    },
                }
            }
        }
    }
}


class EventAnswer(BaseModel):
    """A caption event.

    Attributes:
        event: its name.
        title: null: it has none.
        url: path of the viewer page, with the view token if there is one.
        token: view token of the event and its sessions, only in the response to PUT; null: none is needed, or known.
        expires_at: of the token, in seconds since 1970.
        state: `waiting` for a session, `live`, or `ended`.
        session_id: of the current session; null: none.
    """

    event: str
    title: str | None
    url: str
    token: str | None = None
    expires_at: int | None = None
    state: EventState
    session_id: str | None


class EventAnswers(BaseModel):
    """A list of caption events, the oldest first."""

    object: str = "list"
    data: list[EventAnswer]


class _Put(msgspec.Struct, forbid_unknown_fields=True):
    title: Annotated[str, msgspec.Meta(max_length=MAX_TITLE_CHARS)] | msgspec.UnsetType | None = msgspec.UNSET
    expires_after_s: Annotated[int, msgspec.Meta(ge=_MIN_LIFETIME_S, le=_MAX_LIFETIME_S)] = _DEFAULT_LIFETIME_S


_decoder = msgspec.json.Decoder(_Put)


def caption_events_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(prefix="/v1/events", tags=["events"], dependencies=[Security(API_KEY)])
    directory = CaptionEventDirectory(gateway)
    _add_reading(router, directory, gateway)
    _add_changing(router, directory)
    return router


def _add_reading(router: APIRouter, directory: CaptionEventDirectory, gateway: Gateway) -> None:
    drain = gateway.sessions.drain
    slots = Admission(gateway.settings.server.max_viewers, "waiting viewers", drain, gateway.shares)

    @router.get("", responses=ERRORS, openapi_extra=OPEN)
    async def list_events(request: Request) -> EventAnswers:
        """List the caption events of the key; with the scope admin, all."""
        caller = await directory.admit(request, Scope.READ)
        return EventAnswers(data=[await _answer(directory, event) for event in await directory.all(caller)])

    @router.get("/{event}", responses=ERRORS, openapi_extra=OPEN)
    async def get_event(
        event: _Name, request: Request, response: Response, after: _After = "", wait_s: _Wait = 0, _: ViewToken = None
    ) -> EventAnswer:
        """Return a caption event: at once, or once its current session is another one than `after`."""
        found = await directory.find(request, event)
        current, stopping = found.event, anyio.Event()

        async def wait() -> str:
            with journal_errors_hidden():
                await directory.events.wait_for_session(event, after or None, wait_s)
            return ""

        if wait_s:
            with slots.enter(Caller(current.owner), found.caller), drain.calling(stopping.set):
                await work_until(stopping.wait, partial(while_connected, request, wait), "")
            current = await directory.look_up(event)
        response.headers["cache-control"] = "no-store"
        return await _answer(directory, current)


def _add_changing(router: APIRouter, directory: CaptionEventDirectory) -> None:
    @router.put("/{event}", response_model=EventAnswer, responses=ERRORS, openapi_extra=_PUT_FORM)
    async def put_event(event: _Name, request: Request, response: Response) -> EventAnswer:
        """Create a caption event or rename it, and create a view token of it where viewers need one."""
        caller = await directory.admit(request, Scope.INGEST)
        title, keeps_title, lifetime_s = _put(await read_body(request, _MAX_BODY_BYTES))
        answer = await _answer(directory, await directory.put(caller, event, title, keeps_title=keeps_title))
        answer.token, answer.expires_at = await directory.create_token(caller, event, lifetime_s)
        if answer.token is not None:
            answer.url += f"?token={answer.token}"
        response.headers["cache-control"] = "no-store"
        return answer

    @router.delete("/{event}", status_code=204, responses=ERRORS, openapi_extra=OPEN)
    async def delete_event(event: _Name, request: Request) -> None:
        """Delete a caption event with its view tokens; its sessions stay."""
        await directory.delete(await directory.own(await directory.admit(request, Scope.DELETE), event))

    @router.delete("/{event}/view_tokens", status_code=204, responses=ERRORS, openapi_extra=OPEN)
    async def revoke_event_tokens(event: _Name, request: Request) -> None:
        """Revoke all view tokens of a caption event, whichever key created them."""
        await directory.revoke_tokens(await directory.own(await directory.admit(request, Scope.INGEST), event))


async def _answer(directory: CaptionEventDirectory, event: CaptionEvent) -> EventAnswer:
    state, session_id = await directory.session_of(event)
    path = f"/e/{event.name}"
    return EventAnswer(event=event.name, title=event.title, url=path, state=state, session_id=session_id)


def _put(body: bytes) -> tuple[str | None, bool, int]:
    """Return title, whether an event keeps the title that it has, and the lifetime of the token in seconds."""
    try:
        fields = _decoder.decode(body or b"{}")
        title = None if fields.title is msgspec.UNSET else read_title(fields.title)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{error}: expected a JSON object with title and expires_after_s") from error
    except ProtocolError as error:
        raise InvalidRequest(str(error), error.field) from error
    return title, fields.title is msgspec.UNSET, fields.expires_after_s
