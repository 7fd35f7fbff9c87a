"""One upload, from its first byte to the last byte of its answer."""

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from decoder.types import Task
from gateway.access.admission import Admission
from gateway.access.authenticator import Caller
from gateway.access.credentials import address_of
from gateway.cancellation import work_until
from gateway.errors import InvalidRequest, error_body
from gateway.http.openai.request_form import Order, read_order
from gateway.http.openai.response_formats import DeltaWriter, body_of
from gateway.media.sandboxed_decoder import DecodedAudio, decoded
from gateway.media.upload import receive_upload
from gateway.runtime import Gateway
from gateway.session.file_session import FileSession
from gateway.wire import Endpointing, Start
from vad.errors import LivecueError

__all__ = ["FileDesk", "TranscriptionResponse", "open_file", "while_connected"]

_FINISHED, _DISCONNECTED = "finished", "disconnected"
"""How an upload ends; else it is an error's code."""


@dataclass(frozen=True, slots=True)
class FileDesk:
    """What uploads share.

    Attributes:
        gateway: what lets them in and decodes them.
        places: how many may be in work at once.
    """

    gateway: Gateway
    places: Admission


class TranscriptionResponse(Response):
    """An answer that is worked out while it is sent, so that all it needs is held until its last byte and no longer.

    Args:
        desk: what uploads share.
        task: what is to be written.
    """

    def __init__(self, desk: FileDesk, task: Task) -> None:
        super().__init__()
        self._desk = desk
        self._task = task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the upload, decode it and answer; stop at once when the client is gone.

        Raises:
            LivecueError: what the client is to be told, where nothing has been sent yet.
        """
        request, gateway = Request(scope, receive), self._desk.gateway
        metrics, outcome = gateway.sessions.metrics, LivecueError.code
        events = _EventStream(send)
        try:
            caller = await gateway.authenticator.admit(request.headers.get("authorization"), address_of(request))
            with self._desk.places.enter(caller), metrics.files.track_inprogress():
                outcome = await gateway.sessions.drain.before_due(lambda: self._serve(request, caller, events))
        except ClientDisconnect:  # in the middle of its upload: there is nobody to tell
            outcome = _DISCONNECTED
        except LivecueError as error:
            outcome = error.code
            if not events.has_begun:  # the status can still say it
                raise
            await events.send(json.dumps(error_body(error)))
            await events.end()
        finally:
            metrics.files_ended.labels(outcome).inc()

    async def _serve(self, request: Request, caller: Caller, events: "_EventStream") -> str:
        """Answer, and return how it ended."""
        gateway = self._desk.gateway
        uploads, length = gateway.settings.uploads, request.headers.get("content-length", "")
        content_length = int(length) if length.isdecimal() else None
        body = request.stream()
        async with receive_upload(request.headers.get("content-type"), content_length, body, uploads) as upload:
            order = read_order(upload.fields, self._task, gateway.sessions.engine)
            if upload.file is None:
                raise InvalidRequest("file: missing; allowed is one part of that name with the sound", "file")
            async with decoded(upload.file.path, uploads, order.track) as sound:
                answer = _stream if order.stream else _answer
                work = partial(answer, order, open_file(gateway, _start(order), caller), sound, events)
                return await while_connected(request, work)


def open_file(gateway: Gateway, start: Start, caller: Caller) -> FileSession:
    """Return a session for a file on the account of who sent it.

    Raises:
        ProtocolError: a wish that cannot be met.
    """

    def on_heard(audio_s: float) -> None:
        gateway.authenticator.charge(caller, 0.0)  # the last seconds of a credit may be used up to the end
        gateway.authenticator.spend(caller, audio_s)
        gateway.sessions.metrics.audio_s.inc(audio_s)

    return FileSession(start, gateway.sessions, gateway.settings.files.max_outstanding, on_heard)


def _start(order: Order) -> Start:
    return Start(
        language=order.language,
        languages=order.languages,
        prompt=order.prompt,
        endpointing=Endpointing(silence_ms=order.silence_ms),
        task=order.task,
        temperature=order.temperature,
    )


async def while_connected(request: Request, work: Callable[[], Awaitable[str]]) -> str:
    """Do the work, and return how it ended; it is cancelled when the client goes away."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass  # what follows the form

    return await work_until(disconnected, work, _DISCONNECTED)


async def _answer(order: Order, session: FileSession, sound: DecodedAudio, events: "_EventStream") -> str:
    async with aclosing(session.passages(sound)) as passages:
        said = [passage async for passage in passages]
    body = body_of(order, said, session.audio_s)
    await events.send_whole(body.text.encode(), body.media_type)
    return _FINISHED


async def _stream(order: Order, session: FileSession, sound: DecodedAudio, events: "_EventStream") -> str:
    """Send an event for each passage; an error after the first one is an event too, which who calls this sends."""
    writer = DeltaWriter(order)
    async with aclosing(session.passages(sound)) as passages:
        async for passage in passages:
            delta = writer.delta(passage)
            if delta is not None:
                await events.send(delta)
    for event in writer.end():
        await events.send(event)
    await events.end()
    return _FINISHED


class _EventStream:
    """A response of server-sent events, which begins with the first; or one of a single body."""

    def __init__(self, send: Send) -> None:
        self.has_begun = False
        self._send = send

    async def send_whole(self, body: bytes, media_type: str) -> None:
        headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def send(self, data: str) -> None:
        if not self.has_begun:
            self.has_begun = True
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})
