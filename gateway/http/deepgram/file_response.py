"""Deepgram's response to a file: `POST /v1/listen`, the file as the body."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from uuid import uuid4

import anyio
import numpy as np
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from gateway.access.caller import Caller
from gateway.errors import InvalidRequest, UnsupportedMedia, error_headers, reply_to
from gateway.http.deepgram.response_format import FileFacts, body_of
from gateway.http.disconnection import while_connected
from gateway.http.upload_response import (
    FINISHED,
    Transcribe,
    UploadResponse,
    content_length_of,
    open_file,
    passages_of,
)
from gateway.media.sandboxed_decoder import decoded
from gateway.media.upload import SpooledFile, receive_body
from gateway.runtime import Gateway
from gateway.settings import UploadSettings
from gateway.wire import ProtocolError
from gateway.wire.deepgram.listen_params import Listen, read_listen
from vad.audio import AudioFormat, Float32, PcmDecoder
from vad.errors import LivecueError

__all__ = ["FileResponse", "bearer_authorization", "refusal", "utc_now"]

_BLOCK_BYTES = 2**15
"""Of raw audio per block: about a second, as short as the blocks of other files."""

_FULL_SCALE = 2**15

_ERR_CODES = {
    400: "Bad Request",
    401: "INVALID_AUTH",
    402: "ASR_PAYMENT_REQUIRED",
    403: "INSUFFICIENT_PERMISSIONS",
    408: "REQUEST_TIMEOUT",
    413: "PAYLOAD_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
}
"""HTTP status → Deepgram's error code."""


def bearer_authorization(authorization: str | None) -> str | None:
    """Return an Authorization header with the scheme Bearer; Deepgram's is `Token KEY` or `Bearer KEY`."""
    scheme, _, secret = (authorization or "").partition(" ")
    return f"Bearer {secret}" if scheme.lower() in ("token", "bearer") else authorization


def refusal(error: LivecueError, request_id: str) -> JSONResponse:
    """Return the response of an error in Deepgram's shape."""
    # Deepgram answers 400, not 415, to an undecodable file
    status = 400 if isinstance(error, UnsupportedMedia) else reply_to(error).http_status
    is_query = isinstance(error, ProtocolError)
    err_code = "INVALID_QUERY_PARAMETER" if is_query else _ERR_CODES.get(status, "INTERNAL_SERVER_ERROR")
    reason = "".join(letter for letter in str(error) if letter.isascii() and letter.isprintable())
    headers = {"dg-request-id": request_id, "dg-error": reason}
    body = {"err_code": err_code, "err_msg": str(error), "request_id": request_id}
    return JSONResponse(body, status, {**headers, **error_headers(error)})


class FileResponse(UploadResponse):
    """The transcript of a file that is the body of its request.

    Args:
        gateway: running.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._request_id = str(uuid4())

    def authorization_of(self, request: Request) -> str | None:
        """Return the Authorization header, its scheme replaced by the gateway's."""
        return bearer_authorization(request.headers.get("authorization"))

    def prepare(self, request: Request, send: Send) -> Transcribe:
        """Read the query and return what transcribes the body.

        Raises:
            ProtocolError: a parameter that is not allowed.
            InvalidRequest: the request has the URL of a file instead of a file.
        """
        listen = _read_request(request, self.gateway.sessions.engine.languages)
        return partial(self._transcribe, request, listen, send)

    async def send_error(self, error: LivecueError, request: Request, send: Send) -> None:
        """Answer with the error in Deepgram's shape."""
        await refusal(error, self._request_id)(request.scope, request.receive, send)

    async def _transcribe(self, request: Request, listen: Listen, send: Send, caller: Caller) -> str:
        created, digest, uploads = utc_now(), sha256(), self.gateway.settings.uploads
        body = receive_body(content_length_of(request), _observed(request.stream(), digest.update), uploads)
        async with body as file:
            if file.size_bytes == 0:
                raise InvalidRequest("body is empty: expected an audio file")
            async with _audio_of(file, listen, uploads) as audio:
                session = open_file(self.gateway, replace(listen.start, audio=AudioFormat()), caller)

                async def respond() -> str:
                    passages = await passages_of(session, audio)
                    model = self.gateway.sessions.engine.model
                    facts = FileFacts(self._request_id, digest.hexdigest(), created, session.audio_s, model)
                    response = Response(body_of(listen, passages, facts), media_type="application/json")
                    response.headers["dg-request-id"] = self._request_id
                    await response(request.scope, request.receive, send)
                    return FINISHED

                return await while_connected(request, respond)


async def _observed(body: AsyncIterable[bytes], on_piece: Callable[[bytes], None]) -> AsyncIterator[bytes]:
    """Yield the pieces of a body, each after a call with it."""
    async for piece in body:
        on_piece(piece)
        yield piece


@asynccontextmanager
async def _audio_of(file: SpooledFile, listen: Listen, uploads: UploadSettings) -> AsyncIterator[AsyncIterable[bytes]]:
    """Yield the audio of a file as s16le mono 16 kHz."""
    if listen.is_containerized:
        async with decoded(file.path, uploads) as audio:
            yield audio
    else:
        async with aclosing(_raw(file, listen.start.audio)) as blocks:
            yield blocks


def utc_now() -> str:
    """Return the current time as Deepgram writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_request(request: Request, languages: Collection[str]) -> Listen:
    """Read the options of a request.

    Raises:
        ProtocolError: a parameter that is not allowed.
        InvalidRequest: the body has the URL of a file.
    """
    listen = read_listen(request.query_params.multi_items(), languages)
    if listen.start.channels > 1:
        raise ProtocolError(
            "multichannel: not supported for files, which are transcribed as one channel", "multichannel"
        )
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        raise InvalidRequest("URLs are not fetched: expected the file itself as the body")
    return listen


async def _raw(file: SpooledFile, audio: AudioFormat) -> AsyncGenerator[bytes]:
    """Yield raw audio as s16le mono 16 kHz.

    Raises:
        AudioError: it is not in the declared format.
    """
    decoder = PcmDecoder(audio)
    async with await anyio.open_file(file.path, "rb") as stream:
        while piece := await stream.read(_BLOCK_BYTES):
            yield _s16le(decoder.push(piece).samples)
    yield _s16le(decoder.finish().samples)


def _s16le(samples: Float32) -> bytes:
    return np.clip(np.round(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
