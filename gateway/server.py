"""The routes: WebSocket, health, metrics and documentation. Connections in, sessions run."""

from importlib.metadata import version

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.websockets import WebSocket

from gateway.auth import KeyRing, check_origin
from gateway.errors import GatewayError, Overloaded, error_body, reply_to
from gateway.limits import Admission
from gateway.service import Gateway
from gateway.session import Session
from gateway.transport import WebSocketTransport
from gateway.wire.native import NativeCodec

__all__ = ["create_app"]

_RETRY_AFTER_S = 5
"""Sessions last minutes; asking more often is of no use."""

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_app(gateway: Gateway) -> FastAPI:
    """Return the ASGI application of a gateway at work."""
    app: FastAPI = FastAPIOffline(
        title="livecue",
        description="Real-time transcription gateway. The WebSocket routes are described in docs/protocol.md.",
        version=version("livecue"),
        redoc_url=None,
    )
    settings = gateway.settings.server
    context = gateway.sessions
    keys = KeyRing(key.get_secret_value() for key in settings.api_keys)
    admission = Admission(settings.max_sessions)
    info = context.engine

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        """Say that the process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    async def readyz(response: Response) -> dict[str, str]:
        """Say whether speech sent now would become words: 200, or 503 while the engine fails."""
        is_ready = context.scheduler.is_ready
        response.status_code = 200 if is_ready else 503
        status = "ready" if is_ready else "engine_failing"
        return {"status": status, "engine": info.engine, "model": info.model, "device": info.device}

    @app.get("/metrics", tags=["health"])
    async def metrics() -> Response:
        """Return the metrics in Prometheus' text format."""
        return Response(context.metrics.exposition(), media_type=_METRICS_TYPE)

    @app.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        try:
            check_origin(websocket.headers.get("origin"), websocket.headers.get("host"), settings.allowed_origins)
            keys.check(websocket.headers.get("authorization"))
            with admission.enter():
                await websocket.accept()
                await Session(WebSocketTransport(websocket), NativeCodec(), context).run()
        except GatewayError as error:
            context.metrics.refused.labels(error.code).inc()
            await _refuse(websocket, error)

    return app


async def _refuse(websocket: WebSocket, error: GatewayError) -> None:
    """Answer an upgrade with an HTTP status instead."""
    headers = {"Retry-After": str(_RETRY_AFTER_S)} if isinstance(error, Overloaded) else {}
    await websocket.send_denial_response(JSONResponse(error_body(error), reply_to(error).http_status, headers))
