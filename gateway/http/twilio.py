"""The route for telephony services: Twilio, Telnyx, Plivo, Exotel."""

import binascii
from base64 import b64decode
from functools import partial

import anyio
from fastapi import APIRouter
from starlette.websockets import WebSocket

from gateway.access.caller import Caller
from gateway.access.credentials import address_of
from gateway.access.scopes import Scope
from gateway.access.twilio_signature import is_signed, signed_urls
from gateway.errors import Disconnected, Unauthorized
from gateway.http.websocket_admission import WebSocketAdmission
from gateway.runtime import Gateway, serve
from gateway.transport import WebSocketTransport
from gateway.wire.twilio.codec import HANG_UP, TwilioCodec

__all__ = ["twilio_router"]


def twilio_router(gateway: Gateway) -> APIRouter:
    """Return the route of a running gateway."""
    router = APIRouter()
    authenticate = partial(_authenticate, gateway)

    @router.websocket("/v1/twilio")
    async def twilio(websocket: WebSocket) -> None:
        codec = TwilioCodec()
        async with WebSocketAdmission(gateway, websocket) as admission:
            caller = await admission.authenticate(authenticate)
            with gateway.admission.enter(caller):
                await websocket.accept()
                await serve(gateway, CallTransport(websocket, codec), codec, "twilio", caller, codec.about)
        if codec.jitter_buffer is not None:
            gateway.sessions.metrics.call(codec.jitter_buffer.outcomes.items(), codec.jitter_buffer.filled_ms)

    return router


class CallTransport(WebSocketTransport):
    """A call's connection. A lost connection ends the call like a hang-up, and its last words are still transcribed.

    Args:
        websocket: accepted.
        codec: of the call.
    """

    def __init__(self, websocket: WebSocket, codec: TwilioCodec) -> None:
        super().__init__(websocket)
        self._codec = codec
        self._is_lost = False

    async def receive(self) -> str | bytes:
        """Return the next message; the last one is `HANG_UP`."""
        if self._is_lost:
            await anyio.sleep_forever()  # the session ends by itself
        try:
            return await super().receive()
        except Disconnected:
            if self._codec.jitter_buffer is None:
                raise
            self._is_lost = True
            return HANG_UP


async def _authenticate(gateway: Gateway, websocket: WebSocket) -> Caller:
    """Authenticate Twilio by its signature, where its token is configured, or a caller by an API key.

    Raises:
        Unauthorized: it has neither.
        RateLimited: the key sends too many requests.
        InsufficientCredits: the key's credit is used up.
    """
    telephony, signature = gateway.settings.telephony, websocket.headers.get("x-twilio-signature")
    auth_token = telephony.twilio_auth_token
    if auth_token is None or (signature is None and not gateway.authenticator.is_open):
        return await gateway.authenticator.admit(_authorization(websocket), address_of(websocket))
    query = websocket.url.query
    path = websocket.url.path + (f"?{query}" if query else "")
    urls = list(signed_urls(websocket.headers.get("host", ""), path, telephony.public_url))
    if not any(is_signed(url, signature or "", auth_token.get_secret_value()) for url in urls):
        raise Unauthorized(
            f"the header X-Twilio-Signature is missing or does not sign {urls[0]}: set telephony.public_url to the "
            "address of the gateway that is configured at Twilio"
        )
    gateway.audit.check()
    return Caller(
        None, scopes=frozenset({Scope.INGEST})
    )  # no address: all calls come from a few addresses of the service


def _authorization(websocket: WebSocket) -> str | None:
    """Return the key as a bearer token, from where each service can put it."""
    headers = websocket.headers
    given = headers.get("authorization", "")
    scheme, _, credentials = given.partition(" ")
    if scheme.lower() == "basic":  # Exotel's wss://NAME:KEY@HOST
        key: str | None = _password(credentials)
    else:
        key = headers.get("x-telnyx-streaming-auth-token") or websocket.query_params.get("token")
    return given or None if key is None else f"Bearer {key}"


def _password(credentials: str) -> str | None:
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeError):
        return None
