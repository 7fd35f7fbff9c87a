"""The routes of OpenAI's Realtime clients: the WebSocket, and secrets for browsers that open it."""

import time
from dataclasses import dataclass, replace
from functools import partial
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Request, Response, Security
from pydantic import BaseModel
from starlette.websockets import WebSocket

from gateway.access.audit_record import AuditEvent
from gateway.access.client_secrets import PREFIX, ClientSecret, ClientSecrets
from gateway.access.credentials import address_of
from gateway.errors import ForbiddenAddress, GatewayError, InsufficientScope, InvalidRequest, Unauthorized, reply_to
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
from gateway.wire.openai_realtime.session_config import Defaults, SessionConfig
from gateway.wire.openai_realtime.validation_errors import Refusal, read_secret_request

__all__ = ["realtime_router"]

_SUBPROTOCOL = "realtime"

_KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Before a key: a page cannot send headers with a WebSocket. It is never echoed, nor logged."""

_TRY_AGAIN = 1013
"""RFC 6455 §7.4.1. A refusal before the upgrade is final for OpenAI's clients; this makes them retry."""

_UNAUTHORIZED = 3000
"""The close code of OpenAI's service, in IANA's registry."""

_FORBIDDEN = 3003
"""Likewise; the key is known, but does not allow this."""

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
                        "session": {"type": ["object", "null"], "description": "As in `session.update`."},
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
        session: initial configuration of its sessions.
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
            # charged and rate-limited by the key that created it
            self.gateway.authenticator.admit_by_proxy(kept.caller)
            return kept
        caller = await self.gateway.authenticator.admit(authorization, address_of(websocket))
        model = websocket.query_params.get("model", "")[:_MAX_MODEL_CHARS]
        return ClientSecret(caller, SessionConfig.of(self.defaults, model), 0)


def realtime_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(prefix="/v1/realtime", tags=["realtime"])
    sessions, settings = gateway.sessions, gateway.settings.realtime
    defaults = Defaults(sessions.engine.model, tuple(sessions.engine.languages), sessions.settings.segmenter)
    authentication = _Authentication(gateway, ClientSecrets(time.time, gateway.shares), defaults)
    session_settings = replace(sessions.settings.session, idle_timeout_s=settings.idle_timeout_s)
    patient = with_session_settings(gateway, session_settings)
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
        """Create a secret with which a browser opens sessions of one configuration, for some minutes."""
        caller = await gateway.authenticator.admit(request.headers.get("authorization"), address_of(request))
        config, lifetime_s = _read_body(await read_body(request, _MAX_BODY_BYTES), defaults)
        value, kept = authentication.secrets.create(caller, config, lifetime_s)
        gateway.audit.record(AuditEvent.CLIENT_SECRET_CREATED, caller)
        session = EffectiveSession(f"sess_{uuid4().hex}", config.effective, config.include, expires_at=kept.expires_at)
        body = msgspec.json.encode({"value": value, "expires_at": kept.expires_at, "session": session})
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    return router


async def _refuse(websocket: WebSocket, error: GatewayError | ProtocolError, *, in_band: bool) -> None:
    if reply_to(error).close_code == _TRY_AGAIN:
        await websocket.accept(_subprotocol(websocket))
        await websocket.close(_TRY_AGAIN, error.code)
    elif in_band and isinstance(error, Unauthorized | InsufficientScope | ForbiddenAddress):
        await websocket.accept(_subprotocol(websocket))
        for message in OpenAIRealtimeCodec().send(Error(1, error.code, str(error), fatal=True)):
            await websocket.send_text(str(message))
        if isinstance(error, Unauthorized):
            await websocket.close(_UNAUTHORIZED, "invalid_request_error.invalid_api_key")
        else:
            await websocket.close(_FORBIDDEN, "invalid_request_error.insufficient_permissions")
    else:
        await deny(websocket, error)


def _subprotocol(websocket: WebSocket) -> str | None:
    return _SUBPROTOCOL if _SUBPROTOCOL in websocket.scope["subprotocols"] else None


def _offered_key(websocket: WebSocket) -> str | None:
    """Return the key among the subprotocols as an Authorization header; None: no key."""
    for offered in websocket.scope["subprotocols"]:
        if offered.startswith(_KEY_SUBPROTOCOL):
            return f"Bearer {offered.removeprefix(_KEY_SUBPROTOCOL)}"
    return None


def _read_body(body: bytes, defaults: Defaults) -> tuple[SessionConfig, int]:
    """Return the initial session configuration of a secret, and its lifetime in seconds.

    Raises:
        InvalidRequest: the body is malformed, or has a value that is not allowed.
    """
    config = SessionConfig.of(defaults)
    if not body:
        return config, _DEFAULT_LIFETIME_S
    try:
        request = read_secret_request(body)
        config = config if request.session is None else config.patched(request.session)
    except Refusal as refusal:
        raise InvalidRequest(str(refusal), refusal.field) from refusal
    return config, _DEFAULT_LIFETIME_S if request.expires_after is None else request.expires_after.seconds
