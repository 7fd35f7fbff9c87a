"""The routes of Deepgram's clients: `/v1/listen`, also for files, and Flux at `/v2/listen`."""

from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from functools import partial
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from gateway.errors import GatewayError, Overloaded, reply_to
from gateway.http.deepgram.file_response import FileResponse, bearer_authorization, refusal, utc_now
from gateway.http.session_settings import with_session_settings
from gateway.http.websocket_admission import WebSocketAdmission
from gateway.media.container_transport import demultiplexed
from gateway.runtime import Gateway, serve
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
"""Of `/v1/listen`: its clients send KeepAlive while they have no audio."""

_ACK_INTERVAL_S = 0.2
"""Bounds the error of the end of an utterance that clients receive."""

_SUBPROTOCOLS = ("token", "bearer")
"""What a page sends before its key, since it cannot send a header."""

_CodecFactory = Callable[[Pairs, str], tuple[Codec, bool]]
"""(query, request id) → the codec of a connection, and whether its audio comes in a container."""


def deepgram_router(gateway: Gateway) -> APIRouter:
    """Return the routes of a running gateway."""
    router = APIRouter(include_in_schema=False)
    languages = gateway.sessions.engine.languages
    idle_timeout_s = min(_IDLE_TIMEOUT_S, gateway.settings.session.idle_timeout_s)
    session = replace(gateway.sessions.settings.session, idle_timeout_s=idle_timeout_s, ack_interval_s=_ACK_INTERVAL_S)

    def listen_codec(pairs: Pairs, request_id: str) -> tuple[Codec, bool]:
        listen = read_listen(pairs, languages)
        return DeepgramCodec(listen, request_id, utc_now()), listen.is_containerized

    def flux_codec(pairs: Pairs, request_id: str) -> tuple[Codec, bool]:
        turns = read_turns(pairs, languages)
        return FluxCodec(turns, request_id, languages), turns.is_containerized

    listen_route = _StreamRoute(with_session_settings(gateway, session), "deepgram", listen_codec)
    flux_route = _StreamRoute(gateway, "deepgram_flux", flux_codec)

    @router.websocket("/v1/listen")
    async def listen(websocket: WebSocket) -> None:
        await listen_route.serve(websocket)

    @router.websocket("/v2/listen")
    async def turns(websocket: WebSocket) -> None:
        await flux_route.serve(websocket)

    @router.post("/v1/listen")
    async def transcribe_file(_: Request) -> Response:
        return FileResponse(gateway)

    return router


class _DeepgramTransport(WebSocketTransport):
    """A WebSocket that is closed as Deepgram closes it."""

    async def close(self, code: int, reason: str) -> None:
        """Send the close frame; do nothing if the peer is gone."""
        await super().close(*closing_of(code, reason))


class _StreamRoute:
    """Serves the connections of one route, whose codecs are made from their queries."""

    def __init__(self, gateway: Gateway, dialect: str, codec_of: _CodecFactory) -> None:
        self._gateway = gateway
        self._dialect = dialect
        self._codec_of = codec_of

    async def serve(self, websocket: WebSocket) -> None:
        gateway, request_id = self._gateway, str(uuid4())
        async with WebSocketAdmission(gateway, websocket, partial(_refuse, request_id)) as admission:
            subprotocol, authorization = _credentials_of(websocket)
            caller = await admission.authenticate_key(lambda _: bearer_authorization(authorization))
            codec, is_containerized = self._codec_of(websocket.query_params.multi_items(), request_id)
            decoder = gateway.decoder_admission.enter(caller) if is_containerized else nullcontext()
            with gateway.admission.enter(caller), decoder:
                await websocket.accept(subprotocol, [(b"dg-request-id", request_id.encode())])
                async with AsyncExitStack() as stack:
                    transport: Transport = _DeepgramTransport(websocket)
                    if is_containerized:
                        decoding = demultiplexed(transport, is_close, gateway.settings.uploads)
                        try:
                            transport = await stack.enter_async_context(decoding)
                        except Overloaded as error:  # too late to refuse
                            await transport.close(reply_to(error).close_code, error.code)
                            return
                    await serve(gateway, transport, codec, self._dialect, caller)


async def _refuse(request_id: str, websocket: WebSocket, error: GatewayError | ProtocolError) -> None:
    await websocket.send_denial_response(refusal(error, request_id))


def _credentials_of(websocket: WebSocket) -> tuple[str | None, str | None]:
    """Return the subprotocol to accept and the Authorization header; a page sends its key as a second subprotocol."""
    protocols = [protocol.strip() for protocol in websocket.headers.get("sec-websocket-protocol", "").split(",")]
    if len(protocols) > 1 and protocols[0].lower() in _SUBPROTOCOLS:
        return protocols[0], f"{protocols[0].lower()} {protocols[1]}"
    return None, websocket.headers.get("authorization")
