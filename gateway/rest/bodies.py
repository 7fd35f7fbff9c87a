"""Bodies of requests, up to a size."""

from fastapi import Request

from gateway.errors import PayloadTooLarge

__all__ = ["read_body"]


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises:
        PayloadTooLarge: it has more bytes.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise PayloadTooLarge(f"the body has more than {max_bytes} bytes")
    return body
