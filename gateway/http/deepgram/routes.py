"""The routes of Deepgram's clients: `/v1/listen`, also for files, and Flux at `/v2/listen`."""

from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from gateway.access.authenticator import check_origin
from gateway.access.credentials import address_of
from gateway.errors import GatewayError, Overloaded, reply_to
from gateway.http.deepgram.file_response import FileResponse, admission_of, now, refusal
from gateway.media.container_transport import demultiplexed
from gateway.runtime import Gateway, serve
from gateway.settings import SessionSettings
from gateway.transport import Transport, WebSocketTransport
from gateway.wire import Codec, ProtocolError
from gateway.wire.deepgram.codec import DeepgramCodec, closing_of
from gateway.wire.deepgram.flux_codec import FluxCodec
from gateway.wire.deepgram.flux_params import read_turns
from gateway.wire.deepgram.listen_params import read_listen
from gateway.wire.deepgram.messages import is_close
from gateway.wire.deepgram.query import Pairs

__all__ = ["deepgram_router"]

_IDLE_TIMEOUT_S = 10.0
"""Of `/v1/listen`: its clients send KeepAlive where they have no sound."""

_ACK_INTERVAL_S = 0.2
"""How exact the end of an utterance is told, at the most."""

_SUBPROTOCOLS = ("token", "bearer")
"""What a page sends before its key, for it cannot send a header."""


def deepgram_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a gateway at work."""
    router = APIRouter(include_in_schema=False)
    languages = gateway.sessions.engine.languages

    def listen_codec(pairs: Pairs, request_id: str) -> tuple[Codec, bool]:
        listen = read_listen(pairs, languages)
        return DeepgramCodec(listen, request_id, now()), listen.is_containerized

    def flux_codec(pairs: Pairs, request_id: str) -> tuple[Codec, bool]:
        turns = read_turns(pairs, languages)
        return FluxCodec(turns, request_id, languages), turns.is_containerized

    @router.websocket("/v1/listen")
    async def listen(websocket: WebSocket) -> None:
        idle_s = min(_IDLE_TIMEOUT_S, gateway.settings.session.idle_timeout_s)
        watchful = replace(gateway.settings.session, idle_timeout_s=idle_s, ack_interval_s=_ACK_INTERVAL_S)
        await _serve(websocket, _with_settings(gateway, watchful), "deepgram", listen_codec)

    @router.websocket("/v2/listen")
    async def turns(websocket: WebSocket) -> None:
        await _serve(websocket, gateway, "deepgram_flux", flux_codec)

    @router.post("/v1/listen")
    async def listen_to_file(_: Request) -> Response:
        return FileResponse(gateway)

    return router


class _DeepgramTransport(WebSocketTransport):
    """A WebSocket that is closed as Deepgram closes it."""

    async def close(self, code: int, reason: str) -> None:
        """Send the close frame; nothing happens where the peer is gone."""
        await super().close(*closing_of(code, reason))


async def _serve(
    websocket: WebSocket, gateway: Gateway, dialect: str, codec_of: Callable[[Pairs, str], tuple[Codec, bool]]
) -> None:
    """Serve a connection whose codec is made of its address; it may hear containers."""
    request_id, settings = str(uuid4()), gateway.settings.server
    protocols = [protocol.strip() for protocol in websocket.headers.get("sec-websocket-protocol", "").split(",")]
    scheme = protocols[0].lower() if protocols[0].lower() in _SUBPROTOCOLS and len(protocols) > 1 else None
    authorization = f"{scheme} {protocols[1]}" if scheme else websocket.headers.get("authorization")
    try:
        check_origin(websocket.headers.get("origin"), websocket.headers.get("host"), settings.origins)
        caller = await gateway.authenticator.admit(admission_of(authorization), address_of(websocket))
        codec, is_containerized = codec_of(websocket.query_params.multi_items(), request_id)
        packed = gateway.decoder_admission.enter(caller) if is_containerized else nullcontext()
        with gateway.admission.enter(caller), packed:
            await websocket.accept(protocols[0] if scheme else None, [(b"dg-request-id", request_id.encode())])
            async with AsyncExitStack() as stack:
                transport: Transport = _DeepgramTransport(websocket)
                if is_containerized:
                    decoding = demultiplexed(transport, is_close, gateway.settings.uploads)
                    try:
                        transport = await stack.enter_async_context(decoding)
                    except Overloaded as error:  # too late to refuse
                        await transport.close(reply_to(error).close_code, error.code)
                        return
                await serve(gateway, transport, codec, dialect, caller)
    except (GatewayError, ProtocolError) as error:
        gateway.sessions.metrics.refused.labels(error.code).inc()
        await websocket.send_denial_response(refusal(error, request_id))


def _with_settings(gateway: Gateway, session: SessionSettings) -> Gateway:
    settings = replace(gateway.sessions.settings, session=session)
    return replace(gateway, sessions=replace(gateway.sessions, settings=settings))
