"""Credentials of a request: headers, or a WebSocket subprotocol that stands for one, as pages cannot set headers."""

import re
from base64 import urlsafe_b64decode

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from gateway.errors import InvalidRequest

__all__ = ["address_of", "authorization_of", "subprotocol_of"]

_SUBPROTOCOL = "livecue"

_KEY_SUBPROTOCOL = "livecue-key."
"""Before a key in base64url without padding. It is never echoed, nor logged."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
"""RFC 4648 §5; the decoder would skip other characters."""


def address_of(connection: HTTPConnection) -> str | None:
    """Return the client's address of a request; None: unknown."""
    return None if connection.client is None else connection.client.host


def authorization_of(connection: HTTPConnection) -> str | None:
    """Return the Authorization header of a request; without one, a header made from a subprotocol with a key.

    Raises:
        InvalidRequest: such a subprotocol has no valid key.
    """
    given = connection.headers.get("authorization")
    if given is not None or not isinstance(connection, WebSocket):
        return given
    offered = (name for name in connection.scope["subprotocols"] if name.startswith(_KEY_SUBPROTOCOL))
    name = next(offered, None)
    return None if name is None else f"Bearer {_key_in(name.removeprefix(_KEY_SUBPROTOCOL))}"


def subprotocol_of(websocket: WebSocket) -> str | None:
    """Return the subprotocol to accept, of those that are offered; None: none of them."""
    return _SUBPROTOCOL if _SUBPROTOCOL in websocket.scope["subprotocols"] else None


def _key_in(encoded: str) -> str:
    try:
        if not _BASE64URL.fullmatch(encoded):
            raise ValueError("another character")
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError as error:
        raise InvalidRequest(f"subprotocol {_KEY_SUBPROTOCOL}KEY: expected a key in base64url") from error
