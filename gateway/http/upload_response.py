"""The response to an uploaded file, from the first byte of the upload to the last byte of the transcript."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.access.credentials import address_of
from gateway.http.disconnection import DISCONNECTED
from gateway.runtime import Gateway
from gateway.session.file_session import FileSession, Passage
from gateway.wire import Start
from vad.errors import LivecueError

__all__ = ["FINISHED", "Transcribe", "UploadResponse", "content_length_of", "open_file", "passages_of"]

FINISHED = "finished"
"""The outcome of an upload that was answered; others are `DISCONNECTED` and the codes of errors."""

Transcribe = Callable[[Caller], Awaitable[str]]
"""Receives an upload on a caller's account, sends the transcript, and returns the outcome."""


class UploadResponse(Response, ABC):
    """A response that is computed while it is sent, and holds a slot until its last byte.

    Subclasses give the shapes of one API: where the key is, how a request is read and answered, how an error looks.

    Args:
        gateway: running.
    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self.gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the upload, transcribe it and answer; stop as soon as the client disconnects.

        Raises:
            LivecueError: by `send_error`.
        """
        request, gateway = Request(scope, receive, send), self.gateway
        metrics, outcome = gateway.sessions.metrics, LivecueError.code
        try:
            caller = await gateway.authenticator.admit(self.authorization_of(request), address_of(request))
            transcribe = self.prepare(request, send)
            gateway.sessions.overload.check_files()
            with gateway.file_admission.enter(caller), metrics.files.track_inprogress():
                outcome = await gateway.sessions.drain.before_due(partial(transcribe, caller))
        except ClientDisconnect:  # in the middle of its upload
            outcome = DISCONNECTED
        except LivecueError as error:
            outcome = error.code
            await self.send_error(error, request, send)
        else:
            gateway.audit.record(AuditEvent.FILE_TRANSCRIBED, caller, outcome=outcome)
        finally:
            metrics.files_ended.labels(outcome).inc()

    def authorization_of(self, request: Request) -> str | None:
        """Return the Authorization header of a request as the authenticator takes it."""
        return request.headers.get("authorization")

    @abstractmethod
    def prepare(self, request: Request, send: Send) -> Transcribe:
        """Read the query and headers of a request, and return what transcribes its body.

        Raises:
            LivecueError: they ask for something that is not allowed.
        """

    @abstractmethod
    async def send_error(self, error: LivecueError, request: Request, send: Send) -> None:
        """Answer with an error in the shape of the API, or raise it where the application's own shape is right."""


def content_length_of(request: Request) -> int | None:
    """Return the Content-Length of a request in bytes; None: it has none that is a number."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


def open_file(gateway: Gateway, start: Start, caller: Caller) -> FileSession:
    """Return a session for a file, whose audio is charged to a caller.

    Raises:
        ProtocolError: an option that the gateway cannot meet.
    """

    def charge(audio_s: float) -> None:
        gateway.authenticator.charge(caller, 0.0)  # the last seconds of a credit may be exceeded by one block
        gateway.authenticator.spend(caller, audio_s)
        gateway.sessions.metrics.audio_s.inc(audio_s)

    return FileSession(start, gateway.sessions, gateway.settings.files.max_outstanding, charge)


async def passages_of(session: FileSession, audio: AsyncIterable[bytes]) -> list[Passage]:
    """Return all passages of a file, in order.

    Args:
        session: of the file.
        audio: s16le mono 16 kHz, in blocks.

    Raises:
        EngineError: an utterance could not be transcribed.
    """
    async with aclosing(session.passages(audio)) as passages:
        return [passage async for passage in passages]
