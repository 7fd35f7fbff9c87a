"""Admission of a WebSocket connection: its origin and credentials; or a refusal in the dialect's shape."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from starlette.websockets import WebSocket

from gateway.access.caller import Caller
from gateway.access.credentials import address_of
from gateway.access.origin import check_origin
from gateway.errors import GatewayError
from gateway.http.errors import error_response
from gateway.runtime import Gateway
from gateway.wire import ProtocolError

__all__ = ["Refuse", "WebSocketAdmission", "deny"]

_Identity = TypeVar("_Identity")

Refuse = Callable[[WebSocket, GatewayError | ProtocolError], Awaitable[None]]
"""Refuses a WebSocket that has not been accepted."""


async def deny(websocket: WebSocket, error: GatewayError | ProtocolError) -> None:
    """Refuse a WebSocket before the upgrade, with the HTTP response of an error."""
    await websocket.send_denial_response(error_response(error))


class WebSocketAdmission:
    """Refuses a WebSocket, and counts it, where the block raises an error before it accepts.

    The block authenticates the connection, takes a slot, accepts and serves:

        async with WebSocketAdmission(gateway, websocket) as admission:
            caller = await admission.authenticate_key(authorization_of)
            with gateway.admission.enter(caller):
                await websocket.accept()
                …

    Args:
        gateway: has the keys and the allowed origins.
        websocket: not accepted yet.
        refuse: answers an error in the dialect's shape.
    """

    def __init__(self, gateway: Gateway, websocket: WebSocket, refuse: Refuse = deny) -> None:
        self._gateway = gateway
        self._websocket = websocket
        self._refuse = refuse

    async def __aenter__(self) -> Self:
        """Return the admission."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Refuse the connection because of an error of the gateway or the peer."""
        if not isinstance(error, GatewayError | ProtocolError):
            return False
        self._gateway.sessions.metrics.refused.labels(error.code).inc()
        await self._refuse(self._websocket, error)
        return True

    async def authenticate(self, authenticate: Callable[[WebSocket], Awaitable[_Identity]]) -> _Identity:
        """Check the origin, and return whom the connection authenticates as.

        Args:
            authenticate: of the dialect; raises a GatewayError where the credentials are wrong.

        Raises:
            ForbiddenOrigin: a page opens it whose origin is not allowed.
        """
        headers = self._websocket.headers
        check_origin(headers.get("origin"), headers.get("host"), self._gateway.settings.server.origins)
        return await authenticate(self._websocket)

    async def authenticate_key(self, authorization_of: Callable[[WebSocket], str | None]) -> Caller:
        """Check origin and API key, and return the caller.

        Args:
            authorization_of: returns the Authorization header, or one made from where the dialect has the key; None:
                there is no key.

        Raises:
            ForbiddenOrigin: a page opens it whose origin is not allowed.
            Unauthorized, RateLimited, InsufficientCredits: as `Authenticator.admit`.
        """

        async def authenticate(websocket: WebSocket) -> Caller:
            return await self._gateway.authenticator.admit(authorization_of(websocket), address_of(websocket))

        return await self.authenticate(authenticate)
