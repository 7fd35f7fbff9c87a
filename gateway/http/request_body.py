"""Bodies of requests, up to a size."""

import anyio
from fastapi import Request

from gateway.errors import IdleTimeout, PayloadTooLarge

__all__ = ["read_body"]

_TIMEOUT_S = 10.0
"""Such bodies have some hundred bytes."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        PayloadTooLarge: it has more bytes.
        IdleTimeout: it has not come in time.
    """
    body = b""
    with anyio.move_on_after(_TIMEOUT_S):
        async for piece in request.stream():
            body += piece
            if len(body) > max_bytes:
                raise PayloadTooLarge(f"the body has more than {max_bytes} bytes")
        return body
    raise IdleTimeout(f"the body has not come within {_TIMEOUT_S:g} s")
