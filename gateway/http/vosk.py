"""The route of vosk-server's clients."""

from dataclasses import replace
from functools import partial

from fastapi import APIRouter
from starlette.websockets import WebSocket

from gateway.http.session_settings import with_session_settings
from gateway.http.websocket_admission import WebSocketAdmission
from gateway.runtime import Gateway, serve
from gateway.transport import SparingTransport, WebSocketTransport
from gateway.wire.vosk.codec import VoskCodec

__all__ = ["vosk_router"]

_IDLE_TIMEOUT_S = 3_600.0
"""Jitsi connects when a participant joins, leaves out silence, and does not reconnect; the WebSocket's pings detect a
peer that is gone. An idle connection holds no slot."""


def vosk_router(gateway: Gateway) -> APIRouter:
    """Return the route of a running gateway."""
    router = APIRouter()
    session = gateway.sessions.settings.session
    patient = replace(session, start_timeout_s=_IDLE_TIMEOUT_S, idle_timeout_s=_IDLE_TIMEOUT_S)
    patient_gateway = with_session_settings(gateway, patient)

    @router.websocket("/v1/vosk")
    async def vosk(websocket: WebSocket) -> None:
        async with WebSocketAdmission(gateway, websocket) as admission:
            caller = await admission.authenticate_key(_authorization_of)
            enter = partial(gateway.admission.enter, caller)
            with SparingTransport(WebSocketTransport(websocket), enter, session.idle_timeout_s) as transport:
                await websocket.accept()
                await serve(patient_gateway, transport, VoskCodec(), "vosk", caller)

    return router


def _authorization_of(websocket: WebSocket) -> str | None:
    # the dialect's clients cannot send headers, so the key may be in the query
    key = websocket.query_params.get("token")
    return websocket.headers.get("authorization") or (None if key is None else f"Bearer {key}")
