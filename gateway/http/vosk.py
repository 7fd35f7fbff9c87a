"""The route of vosk-server's clients."""

from dataclasses import replace
from functools import partial

from fastapi import APIRouter
from starlette.websockets import WebSocket

from gateway.access.authenticator import check_origin
from gateway.access.credentials import address_of
from gateway.errors import GatewayError
from gateway.http.errors import error_response
from gateway.runtime import Gateway, serve
from gateway.transport import SparingTransport, WebSocketTransport
from gateway.wire.vosk.codec import VoskCodec

__all__ = ["vosk_router"]

_PATIENCE_S = 3_600.0
"""Jitsi connects when somebody joins and leaves out silence, and nobody connects again; a peer that is gone is found
out by the pings of the WebSocket. Meanwhile others may have its place."""


def vosk_router(gateway: Gateway) -> APIRouter:
    """Return the route of a gateway at work."""
    router = APIRouter()
    settings, context = gateway.settings.server, gateway.sessions
    idle_s = context.settings.session.idle_timeout_s
    session = replace(context.settings.session, start_timeout_s=_PATIENCE_S, idle_timeout_s=_PATIENCE_S)
    patient = replace(context, settings=replace(context.settings, session=session))

    @router.websocket("/v1/vosk")
    async def vosk(websocket: WebSocket) -> None:
        # none of the dialect's clients can send a header, so the key may be in the address
        key = websocket.query_params.get("token")
        authorization = websocket.headers.get("authorization") or (None if key is None else f"Bearer {key}")
        try:
            check_origin(websocket.headers.get("origin"), websocket.headers.get("host"), settings.origins)
            caller = await gateway.authenticator.admit(authorization, address_of(websocket))
            enter = partial(gateway.admission.enter, caller)
            with SparingTransport(WebSocketTransport(websocket), enter, idle_s) as transport:
                await websocket.accept()
                await serve(replace(gateway, sessions=patient), transport, VoskCodec(), "vosk", caller)
        except GatewayError as error:
            context.metrics.refused.labels(error.code).inc()
            await websocket.send_denial_response(error_response(error))

    return router
