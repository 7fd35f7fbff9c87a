"""The routes of OpenAI's Realtime clients: the WebSocket, and secrets for browsers that open it."""

import time
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response, Security
from pydantic import BaseModel
from starlette.websockets import WebSocket

from gateway.access.client_secrets import PREFIX, ClientSecret, ClientSecrets
from gateway.access.credentials import address_of
from gateway.errors import GatewayError, InvalidRequest, Unauthorized, reply_to
from gateway.http.openapi import ERRORS, OPEN
from gateway.http.request_body import read_body
from gateway.http.security import API_KEY
from gateway.http.session_settings import with_session_settings
from gateway.http.websocket_admission import WebSocketAdmission, deny
from gateway.runtime import Gateway, serve
from gateway.transport import WebSocketTransport
from gateway.wire import Error, ProtocolError
from gateway.wire.openai_realtime.codec import OpenAIRealtimeCodec
from gateway.wire.openai_realtime.messages import EffectiveSession
from gateway.wire.openai_realtime.session_config import Defaults, Wishes
from gateway.wire.openai_realtime.validation_errors import Refusal, read_secret_request

__all__ = ["realtime_router"]

_SUBPROTOCOL = "realtime"

_KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Before a key: a page cannot send headers with a WebSocket. It is never answered, nor logged."""

_TRY_AGAIN = 1013
"""RFC 6455 §7.4.1. A refusal before the upgrade is final for OpenAI's clients; this makes them come again."""

_UNAUTHORIZED = 3000
"""What OpenAI's service closes with, IANA's registry of close codes."""

_MAX_BODY_BYTES = 16_384

_MAX_MODEL_CHARS = 200

_DEFAULT_LIFETIME_S = 600

_SECRET_FORM: dict[str, object] = OPEN | {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "expires_after": {
                            "type": ["object", "null"],
                            "properties": {
                                "anchor": {"type": "string", "enum": ["created_at"]},
                                "seconds": {"type": "integer", "minimum": 10, "maximum": 7200, "default": 600},
                            },
                        },
                        "session": {"type": ["object", "null"], "description": "What `session.update` takes."},
                    },
                }
            }
        }
    }
}


class SecretAnswer(BaseModel):
    """A client secret.

    Attributes:
        value: what the client sends as its key.
        expires_at: in seconds since 1970.
        session: what its sessions begin with.
    """

    value: str
    expires_at: int
    session: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Authentication:
    """Authenticates callers by API key, and their clients by client secret."""

    gateway: Gateway
    secrets: ClientSecrets
    defaults: Defaults

    async def authenticate(self, websocket: WebSocket) -> ClientSecret:
        """Return the caller and the initial session configuration of a connection.

        Raises:
            Unauthorized: the key or the client secret is unknown.
            RateLimited: the key sends too many requests.
            InsufficientCredits: the key's credit is used up.
        """
        authorization = websocket.headers.get("authorization") or _offered_key(websocket)
        secret = (authorization or "").partition(" ")[2].strip()
        if secret.startswith(PREFIX):
            try:
                kept = self.secrets.redeem(secret)
            except Unauthorized as error:
                self.gateway.authenticator.count_failure(error, address_of(websocket))
                raise
            self.gateway.authenticator.admit_by_proxy(kept.caller)  # the key behind it pays, and waits
            return kept
        caller = await self.gateway.authenticator.admit(authorization, address_of(websocket))
        model = websocket.query_params.get("model", "")[:_MAX_MODEL_CHARS]
        return ClientSecret(caller, Wishes.of(self.defaults, model), 0)


def realtime_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a gateway at work."""
    router = APIRouter(prefix="/v1/realtime", tags=["realtime"])
    sessions, settings = gateway.sessions, gateway.settings.realtime
    defaults = Defaults(sessions.engine.model, tuple(sessions.engine.languages), sessions.settings.segmenter)
    authentication = _Authentication(gateway, ClientSecrets(time.time, gateway.shares), defaults)
    session = replace(sessions.settings.session, idle_timeout_s=settings.idle_timeout_s)
    patient = with_session_settings(gateway, session)
    refuse = partial(_refuse, in_band=settings.inband_auth_errors)

    @router.websocket("")
    async def realtime(websocket: WebSocket) -> None:
        async with WebSocketAdmission(gateway, websocket, refuse) as admission:
            grant = await admission.authenticate(authentication.authenticate)
            with gateway.admission.enter(grant.caller):
                await websocket.accept(_subprotocol(websocket))
                with_cues = websocket.query_params.get("cues") == "true"
                codec = OpenAIRealtimeCodec(grant.config, with_cues=with_cues)
                await serve(patient, WebSocketTransport(websocket), codec, "openai_realtime", grant.caller)

    @router.post(
        "/client_secrets",
        response_model=SecretAnswer,
        responses=ERRORS,
        openapi_extra=_SECRET_FORM,
        dependencies=[Security(API_KEY)],
    )
    async def create_client_secret(request: Request) -> Response:
        """Make a secret with which a browser opens sessions of one kind, for some minutes."""
        caller = await gateway.authenticator.admit(request.headers.get("authorization"), address_of(request))
        wishes, lifetime_s = _read(await read_body(request, _MAX_BODY_BYTES), defaults)
        value, kept = authentication.secrets.create(caller, wishes, lifetime_s)
        told = EffectiveSession(f"sess_{uuid4().hex}", wishes.told, wishes.include, expires_at=kept.expires_at)
        body = msgspec.json.encode({"value": value, "expires_at": kept.expires_at, "session": told})
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    return router


async def _refuse(websocket: WebSocket, error: GatewayError | ProtocolError, *, in_band: bool) -> None:
    if reply_to(error).close_code == _TRY_AGAIN:
        await websocket.accept(_subprotocol(websocket))
        await websocket.close(_TRY_AGAIN, error.code)
    elif in_band and isinstance(error, Unauthorized):
        await websocket.accept(_subprotocol(websocket))
        for message in OpenAIRealtimeCodec().send(Error(1, error.code, str(error), fatal=True)):
            await websocket.send_text(str(message))
        await websocket.close(_UNAUTHORIZED, "invalid_request_error.invalid_api_key")
    else:
        await deny(websocket, error)


def _subprotocol(websocket: WebSocket) -> str | None:
    return _SUBPROTOCOL if _SUBPROTOCOL in websocket.scope["subprotocols"] else None


def _offered_key(websocket: WebSocket) -> str | None:
    """Return the key among the subprotocols as an Authorization header, or None where there is none."""
    for offered in websocket.scope["subprotocols"]:
        if offered.startswith(_KEY_SUBPROTOCOL):
            return f"Bearer {offered.removeprefix(_KEY_SUBPROTOCOL)}"
    return None


def _read(body: bytes, defaults: Defaults) -> tuple[Wishes, int]:
    """Return what the sessions of a secret begin with, and how long it holds in seconds.

    Raises:
        InvalidRequest: the body says no such thing.
    """
    wishes = Wishes.of(defaults)
    if not body:
        return wishes, _DEFAULT_LIFETIME_S
    try:
        wanted = read_secret_request(body)
        wishes = wishes if wanted.session is None else wishes.patched(wanted.session)
    except Refusal as refusal:
        raise InvalidRequest(str(refusal), refusal.field) from refusal
    return wishes, _DEFAULT_LIFETIME_S if wanted.expires_after is None else wanted.expires_after.seconds
