"""Small request bodies, limited in size and time."""

import anyio
from fastapi import Request

from gateway.errors import IdleTimeout, PayloadTooLarge

__all__ = ["read_body"]

_TIMEOUT_S = 10.0
"""Such bodies have a few hundred bytes."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        PayloadTooLarge: it is larger than `max_bytes`.
        IdleTimeout: it was not received in time.
    """
    body = b""
    with anyio.move_on_after(_TIMEOUT_S):
        async for piece in request.stream():
            body += piece
            if len(body) > max_bytes:
                raise PayloadTooLarge(f"body has more than {max_bytes} bytes, which is the limit")
        return body
    raise IdleTimeout(f"body not received within {_TIMEOUT_S:g} s")
