"""The routes to list and delete sessions, and to create and revoke view tokens."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Security
from pydantic import BaseModel
from starlette.responses import Response

from gateway.access.scopes import Scope
from gateway.errors import InvalidRequest
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.request_body import read_body
from gateway.http.security import API_KEY
from gateway.http.sessions.directory import SessionDirectory, SessionRecord
from gateway.http.sessions.history import SessionHistory
from gateway.journal.text_search import MAX_QUERY_CHARS
from gateway.runtime import Gateway
from gateway.session.session import Session

__all__ = ["sessions_router"]

_MAX_BODY_BYTES = 1_024

_MAX_LISTED = 1_000
"""Sessions of a page, some 500 KB."""

_MIN_LIFETIME_S, _MAX_LIFETIME_S = 60, 30 * 86_400
"""Of a view token. The longest is the default retention of a session in the journal."""

_DEFAULT_LIFETIME_S = 86_400

_All = Annotated[bool, Query(alias="all", description="Whether to list sessions that are over, too.")]

_Words = Annotated[
    str,
    Query(max_length=MAX_QUERY_CHARS, description="Only past sessions whose title or text has all of these words."),
]
_Limit = Annotated[
    int | None, Query(ge=1, le=_MAX_LISTED, description="Only so many, the newest; a search ends at 50.")
]
_Before = Annotated[float | None, Query(description="Only sessions opened before it, in seconds since 1970.")]

_TOKEN_FORM: dict[str, object] = OPEN | {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "expires_after_s": {
                            "type": "integer",
                            "minimum": _MIN_LIFETIME_S,
                            "maximum": _MAX_LIFETIME_S,
                            "default": _DEFAULT_LIFETIME_S,
                        }
                    },
                }
            }
        }
    }
}


class ListedName(BaseModel):
    """The name of a channel.

    Attributes:
        channel: 0 to 7.
        name: of the speaker, or of the source.
        color: `#rrggbb`; null: no color.
    """

    channel: int
    name: str
    color: str | None


class ListedSession(BaseModel):
    """A session that can be watched or read.

    Attributes:
        id: for `/v1/sessions/{id}/…`.
        dialect: of its connection.
        opened: in seconds since 1970.
        ended: likewise; null: it is open, or may still be resumed.
        outcome: `finished`, the code of the error that ended it, or `interrupted`; null while it has not ended.
        language: as requested.
        viewers: number of viewers now.
        key: name of the key that opened it; null: no key.
        audio_s: seconds of audio received; null, as the next two, if it is not live.
        lag_s: seconds of audio received since the end of the oldest utterance whose final is outstanding.
        words: in the finals since this gateway opened or restored it.
        about: identifiers of a call at its telephony service.
        title: null: it has none.
        names: of its channels.
        event: name of its caption event; null: it has none.
        excerpt: of its text, with words that were searched; null: nothing was searched.
    """

    id: str
    dialect: str
    opened: float
    ended: float | None
    outcome: str | None
    language: str | None
    viewers: int
    key: str | None
    audio_s: float | None
    lag_s: float | None
    words: int | None
    about: Mapping[str, str]
    title: str | None
    names: list[ListedName]
    event: str | None
    excerpt: str | None


class ListedSessions(BaseModel):
    """A list of sessions, the oldest first.

    Attributes:
        object: `list`.
        data: the sessions.
        more_before: value of `before` for the sessions before these; null: there are no more.
    """

    object: str = "list"
    data: list[ListedSession]
    more_before: float | None


class ViewTokenAnswer(BaseModel):
    """A view token.

    Attributes:
        token: for `?token=`, or as a bearer token.
        expires_at: in seconds since 1970.
        url: path of the viewer page with the token.
    """

    token: str
    expires_at: int
    url: str


class TokenRequest(msgspec.Struct, forbid_unknown_fields=True):
    expires_after_s: Annotated[int, msgspec.Meta(ge=_MIN_LIFETIME_S, le=_MAX_LIFETIME_S)] = _DEFAULT_LIFETIME_S


_decoder = msgspec.json.Decoder(TokenRequest)


def sessions_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(prefix="/v1/sessions", tags=["sessions"], dependencies=[Security(API_KEY)])
    directory = SessionDirectory(gateway)

    _add_list(router, directory, gateway)

    @router.post(
        "/{session_id}/view_tokens", response_model=ViewTokenAnswer, responses=ERRORS, openapi_extra=_TOKEN_FORM
    )
    async def create_view_token(session_id: str, request: Request, response: Response) -> ViewTokenAnswer:
        """Create a token that gives access to this session, and nothing else, without a key."""
        record = await directory.own(request, session_id)
        lifetime_s = _lifetime_s(await read_body(request, _MAX_BODY_BYTES))
        token, expires_at = await directory.create_token(record, lifetime_s)
        response.headers["cache-control"] = "no-store"
        return ViewTokenAnswer(token=token, expires_at=expires_at, url=f"/watch/{record.session_id}?token={token}")

    @router.delete("/{session_id}/view_tokens", status_code=204, responses=ERRORS, openapi_extra=OPEN)
    async def revoke_view_tokens(session_id: str, request: Request) -> None:
        """Revoke all view tokens of this session, whichever key created them."""
        await directory.revoke_tokens(await directory.own(request, session_id))

    @router.delete("/{session_id}", status_code=204, responses=ERRORS, openapi_extra=OPEN)
    async def delete_session(session_id: str, request: Request) -> None:
        """Delete a session that is over, with its events, view tokens and recordings."""
        await directory.delete(await directory.own(request, session_id, Scope.DELETE))

    return router


def _add_list(router: APIRouter, directory: SessionDirectory, gateway: Gateway) -> None:
    history = SessionHistory(directory.journal)

    def listed(record: SessionRecord, excerpt: str | None) -> ListedSession:
        return _listed(record, gateway.sessions.live.find(record.session_id), excerpt)

    @router.get("", responses=ERRORS, openapi_extra=OPEN)
    async def list_sessions(
        request: Request, with_past: _All = False, q: _Words = "", limit: _Limit = None, before: _Before = None
    ) -> ListedSessions:
        """List the open sessions, or past ones too, or search these: those of the key; with the scope admin, all."""
        records = await directory.all(request, with_past=with_past or bool(q))
        older = [record for record in records if before is None or record.opened_s < before]
        page = await history.page(older, q, limit)
        return ListedSessions(data=[listed(*row) for row in page.rows], more_before=page.more_before)


def _lifetime_s(body: bytes) -> int:
    if not body:
        return _DEFAULT_LIFETIME_S
    try:
        return _decoder.decode(body).expires_after_s
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        expected = f"expected an integer from {_MIN_LIFETIME_S} to {_MAX_LIFETIME_S}"
        raise InvalidRequest(f"{error}; expires_after_s: {expected}", "expires_after_s") from error


def _listed(record: SessionRecord, live: Session | None, excerpt: str | None) -> ListedSession:
    if record.watched is None:
        assert record.entry is not None, "either live or in the journal"
        entry = record.entry
        dialect, language, viewers, about = entry.dialect, entry.language, 0, entry.about
        ended_s, outcome, details = entry.ended_s, entry.outcome, entry.details
    else:
        watched, subject = record.watched, record.watched.info
        language = watched.ready.language if watched.ready else None
        dialect, viewers, about = subject.dialect, watched.viewers, subject.about()
        ended_s, outcome, details = None, None, watched.details
    return ListedSession(
        id=record.session_id,
        dialect=dialect,
        opened=record.opened_s,
        ended=ended_s,
        outcome=outcome,
        language=language,
        viewers=viewers,
        key=record.owner,
        audio_s=None if live is None else live.received_s,
        lag_s=None if live is None else live.stats.lag_s,
        words=None if live is None else live.stats.words,
        about=about,
        title=None if details is None else details.title,
        names=[] if details is None else [ListedName(**asdict(each)) for each in details.names],
        event=record.event,
        excerpt=excerpt,
    )
