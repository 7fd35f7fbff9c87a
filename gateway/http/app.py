"""The ASGI application: the native WebSocket, health and metrics, and the routers of all other APIs."""

from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.websockets import WebSocket

from gateway.access.credentials import address_of, authorization_of, subprotocol_of
from gateway.access.origin import is_loopback
from gateway.access.scopes import Scope
from gateway.http.admin import admin_router
from gateway.http.caption_events.routes import caption_events_router
from gateway.http.deepgram.routes import deepgram_router
from gateway.http.errors import RequestIds, shape_errors
from gateway.http.hls import hls_router
from gateway.http.host_check import HostGuard, known_hosts
from gateway.http.openai.realtime import realtime_router
from gateway.http.openai.routes import rest_router
from gateway.http.pages import pages_router
from gateway.http.sessions.corrections import corrections_router
from gateway.http.sessions.details import details_router
from gateway.http.sessions.events import viewers_router
from gateway.http.sessions.routes import sessions_router
from gateway.http.sessions.transcripts import transcripts_router
from gateway.http.trace_headers import TraceHeaders
from gateway.http.twilio import twilio_router
from gateway.http.vosk import vosk_router
from gateway.http.websocket_admission import WebSocketAdmission
from gateway.runtime import Gateway, serve
from gateway.transport import WebSocketTransport
from gateway.wire.native.codec import NativeCodec

__all__ = ["create_app"]

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ROUTERS = (
    admin_router,
    rest_router,
    realtime_router,
    deepgram_router,
    pages_router,
    sessions_router,
    caption_events_router,
    corrections_router,
    details_router,
    viewers_router,
    transcripts_router,
    hls_router,
    twilio_router,
    vosk_router,
)
"""The routes in modules of their own."""


def create_app(gateway: Gateway) -> FastAPI:
    """Return the ASGI application of a running gateway, which stays as it is."""
    app: FastAPI = FastAPIOffline(
        title="livecue",
        description="Real-time transcription gateway. The WebSocket routes are described in docs/protocol.md.",
        version=version("livecue"),
        redoc_url=None,
    )
    _guard_hosts(app, gateway)
    app.add_middleware(RequestIds)
    if gateway.sessions.tracer is not None:
        app.add_middleware(TraceHeaders)
    shape_errors(app)
    for router in _ROUTERS:
        app.include_router(router(gateway))
    _add_health(app, gateway)
    _add_native(app, gateway)
    return app


def _guard_hosts(app: FastAPI, gateway: Gateway) -> None:
    server, telephony = gateway.settings.server, gateway.settings.telephony
    signed = () if telephony.twilio_auth_token is None else ("/v1/twilio",)  # its signature covers the host name

    def is_strict(path: str) -> bool:
        return (gateway.authenticator.is_open or bool(server.allowed_hosts)) and path not in signed

    app.add_middleware(
        HostGuard,
        known=known_hosts(server.allowed_hosts, server.host, (server.public_url, telephony.public_url)),
        origins=server.origins,
        is_strict=is_strict,
    )


def _add_native(app: FastAPI, gateway: Gateway) -> None:
    @app.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        async with WebSocketAdmission(gateway, websocket) as admission:
            caller = await admission.authenticate_key(authorization_of)
            with gateway.admission.enter(caller):
                await websocket.accept(subprotocol_of(websocket))
                await serve(gateway, WebSocketTransport(websocket), NativeCodec(), "native", caller)


def _add_health(app: FastAPI, gateway: Gateway) -> None:
    context = gateway.sessions
    is_guarded = not is_loopback(gateway.settings.server.host)

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """Report that the process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    async def readyz(response: Response) -> dict[str, object]:
        """Report whether a new session would be served: 200; 503 if full or draining, or if the engine fails.

        Also 503 while a journal that gateways share cannot be reached: its sessions could not move.
        """
        body = _readiness(gateway)
        response.status_code = 200 if body["status"] == "ready" else 503
        return body

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """Return the metrics in Prometheus' text format; beyond this machine, only with the scope admin."""
        if is_guarded:
            authorization, address = request.headers.get("authorization"), address_of(request)
            await gateway.authenticator.admit(authorization, address, scope=Scope.ADMIN)
        return Response(context.metrics.exposition(), media_type=_METRICS_TYPE)


def _readiness(gateway: Gateway) -> dict[str, object]:
    """Return the body of `/readyz`, with the state of the upstreams where the engine has some."""
    context, admission = gateway.sessions, gateway.admission
    info = context.engine
    described: dict[str, object] = {
        "engine": info.engine,
        "model": info.model,
        "device": info.device,
        "languages": info.languages,
        "sessions": admission.open,
        "free_streams": admission.free,
        "overload": context.overload.step.name.lower(),
    }
    status = "ready" if admission.free else "full"
    status = status if context.journal is None or context.journal.is_ready else "journal_failing"
    status = status if context.scheduler.is_ready else "engine_failing"
    status = "draining" if context.drain.has_begun else status
    if info.pool is None:
        return {"status": status, **described}
    pool = info.pool()
    upstreams = [
        {"name": each.name, "model": each.model, "circuit": each.circuit, "failure": each.failure, "cost": each.cost}
        for each in pool.upstreams
    ]
    return {
        "status": status if pool.is_usable or context.drain.has_begun else "upstreams_failing",
        **described,
        "upstreams": upstreams,
        "allowance": pool.allowance,
        "audio_per_speech": pool.audio_per_speech,
        "cost_last_hour": pool.cost_last_hour,
    }
