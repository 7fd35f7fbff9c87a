"""Deepgram's answer about a file: `POST /v1/listen`, the file as the body."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

import anyio
import numpy as np
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.access.authenticator import Caller
from gateway.access.credentials import address_of
from gateway.errors import InvalidRequest, UnsupportedMedia, error_headers, reply_to
from gateway.http.deepgram.response_format import FileFacts, body_of
from gateway.http.openai.transcription_response import open_file, while_connected
from gateway.media.sandboxed_decoder import decoded
from gateway.media.upload import SpooledFile, receive_body
from gateway.runtime import Gateway
from gateway.wire import ProtocolError
from gateway.wire.deepgram.listen_params import Listen, read_listen
from vad.audio import AudioFormat, Float32, PcmDecoder
from vad.errors import LivecueError

__all__ = ["FileResponse", "admission_of", "now", "refusal"]

_FINISHED, _DISCONNECTED = "finished", "disconnected"

_BLOCK_BYTES = 2**15
"""Of raw sound, heard at once: about a second, as short as the blocks of other files."""

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
"""HTTP status → Deepgram's name for it."""


def admission_of(authorization: str | None) -> str | None:
    """Return an Authorization header as the gateway knows it: to Deepgram it is `Token KEY` or `Bearer KEY`."""
    scheme, _, secret = (authorization or "").partition(" ")
    return f"Bearer {secret}" if scheme.lower() in ("token", "bearer") else authorization


def refusal(error: LivecueError, request_id: str) -> JSONResponse:
    """Return the response that tells an error as Deepgram does."""
    # a file that is none is a bad request there
    status = 400 if isinstance(error, UnsupportedMedia) else reply_to(error).http_status
    is_query = isinstance(error, ProtocolError)
    err_code = "INVALID_QUERY_PARAMETER" if is_query else _ERR_CODES.get(status, "INTERNAL_SERVER_ERROR")
    reason = "".join(letter for letter in str(error) if letter.isascii() and letter.isprintable())
    headers = {"dg-request-id": request_id, "dg-error": reason}
    body = {"err_code": err_code, "err_msg": str(error), "request_id": request_id}
    return JSONResponse(body, status, {**headers, **error_headers(error)})


class FileResponse(Response):
    """An answer that is worked out while its request is there.

    Args:
        gateway: at work.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway
        self._request_id = str(uuid4())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the file, decode it and answer; stop at once when the client is gone."""
        request, gateway = Request(scope, receive), self._gateway
        metrics, outcome = gateway.sessions.metrics, LivecueError.code
        try:
            authorization = admission_of(request.headers.get("authorization"))
            caller = await gateway.authenticator.admit(authorization, address_of(request))
            listen = _read(request, gateway.sessions.engine.languages)
            with gateway.file_admission.enter(caller), metrics.files.track_inprogress():
                drain = gateway.sessions.drain
                outcome = await drain.before_due(lambda: self._serve(request, listen, caller, send))
        except ClientDisconnect:  # in the middle of its file: there is nobody to tell
            outcome = _DISCONNECTED
        except LivecueError as error:
            outcome = error.code
            await refusal(error, self._request_id)(scope, receive, send)
        finally:
            metrics.files_ended.labels(outcome).inc()

    async def _serve(self, request: Request, listen: Listen, caller: Caller, send: Send) -> str:
        """Answer, and return how it ended."""
        gateway, digest = self._gateway, sha256()
        uploads, length = gateway.settings.uploads, request.headers.get("content-length", "")
        content_length = int(length) if length.isdecimal() else None

        async def body() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                digest.update(piece)
                yield piece

        created = now()
        async with receive_body(content_length, body(), uploads) as file, AsyncExitStack() as stack:
            if file.size_bytes == 0:
                raise InvalidRequest("the body is empty: allowed is a file of sound")
            if listen.is_containerized:
                sound: AsyncIterator[bytes] = aiter(await stack.enter_async_context(decoded(file.path, uploads)))
            else:
                sound = await stack.enter_async_context(aclosing(_raw(file, listen.start.audio)))
            start = replace(listen.start, audio=AudioFormat())
            session = open_file(gateway, start, caller)

            async def answer() -> str:
                async with aclosing(session.passages(sound)) as passages:
                    said = [passage async for passage in passages]
                model = gateway.sessions.engine.model
                facts = FileFacts(self._request_id, digest.hexdigest(), created, session.audio_s, model)
                response = Response(body_of(listen, said, facts), media_type="application/json")
                response.headers["dg-request-id"] = self._request_id
                await response(request.scope, request.receive, send)
                return _FINISHED

            return await while_connected(request, answer)


def now() -> str:
    """Return the time as Deepgram writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(request: Request, languages: Collection[str]) -> Listen:
    """Read what is wanted.

    Raises:
        ProtocolError: it is not allowed.
        InvalidRequest: the file is somewhere else.
    """
    listen = read_listen(request.query_params.multi_items(), languages)
    if listen.start.channels > 1:
        raise ProtocolError("multichannel: files are transcribed as one channel", "multichannel")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        raise InvalidRequest("a file somewhere else is not fetched: allowed is the file itself as the body")
    return listen


async def _raw(file: SpooledFile, audio: AudioFormat) -> AsyncGenerator[bytes]:
    """Yield raw sound as s16le mono 16 kHz.

    Raises:
        AudioError: it is not raw.
    """
    decoder = PcmDecoder(audio)
    async with await anyio.open_file(file.path, "rb") as stream:
        while piece := await stream.read(_BLOCK_BYTES):
            yield _s16le(decoder.push(piece).samples)
    yield _s16le(decoder.finish().samples)


def _s16le(samples: Float32) -> bytes:
    return np.clip(np.round(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes()
