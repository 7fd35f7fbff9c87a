"""OpenAI's answer to an uploaded file: one body, or server-sent events."""

import json
from contextlib import aclosing
from functools import partial

from anyio import to_thread
from starlette.requests import Request
from starlette.types import Send

from decoder.types import Task
from gateway.access.caller import Caller
from gateway.errors import InvalidRequest, error_body
from gateway.http.disconnection import while_connected
from gateway.http.openai.request_form import Order, read_order
from gateway.http.openai.response_formats import DeltaWriter, body_of
from gateway.http.server_sent_events import EventStreamWriter, event_text
from gateway.http.upload_response import (
    FINISHED,
    Transcribe,
    UploadResponse,
    content_length_of,
    open_file,
    passages_of,
)
from gateway.media.sandboxed_decoder import DecodedAudio, decoded
from gateway.media.upload import receive_upload
from gateway.runtime import Gateway
from gateway.session.file_session import FileSession
from gateway.wire import Endpointing, Start
from vad.errors import LivecueError

__all__ = ["TranscriptionResponse"]


class TranscriptionResponse(UploadResponse):
    """The transcript of a multipart form's file.

    Args:
        gateway: running.
        task: transcribe or translate.
    """

    def __init__(self, gateway: Gateway, task: Task) -> None:
        super().__init__(gateway)
        self._task = task
        self._events: EventStreamWriter | None = None

    def prepare(self, request: Request, send: Send) -> Transcribe:
        """Return what transcribes the form; all options are in the form itself."""
        return partial(self._transcribe, request, send)

    async def send_error(self, error: LivecueError, request: Request, send: Send) -> None:
        """Send the error as the last event of a stream that has begun; raise it where there is none."""
        if self._events is None or not self._events.has_begun:
            raise error
        await self._events.write(event_text(json.dumps(error_body(error))))
        await self._events.end()

    async def _transcribe(self, request: Request, send: Send, caller: Caller) -> str:
        uploads, content_type = self.gateway.settings.uploads, request.headers.get("content-type")
        body = receive_upload(content_type, content_length_of(request), request.stream(), uploads)
        async with body as upload:
            order = read_order(upload.fields, self._task, self.gateway.sessions.engine)
            if upload.file is None:
                raise InvalidRequest("file: missing; expected one part of that name with the audio", "file")
            async with decoded(upload.file.path, uploads, order.track) as audio:
                session = open_file(self.gateway, _start(order), caller)
                respond = self._send_events if order.stream else self._send_body
                return await while_connected(request, partial(respond, order, session, audio, send))

    async def _send_body(self, order: Order, session: FileSession, audio: DecodedAudio, send: Send) -> str:
        passages = await passages_of(session, audio)
        # the cues of hours of speech take seconds
        body = await to_thread.run_sync(body_of, order, passages, session.audio_s, session.cue_profile)
        content = body.text.encode()
        headers = [(b"content-type", body.media_type.encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        return FINISHED

    async def _send_events(self, order: Order, session: FileSession, audio: DecodedAudio, send: Send) -> str:
        """Send an event for each passage; the stream begins with the first, so that an error before it has a status."""
        self._events, deltas = EventStreamWriter(send), DeltaWriter(order)
        async with aclosing(session.passages(audio)) as passages:
            async for passage in passages:
                delta = deltas.delta(passage)
                if delta is not None:
                    await self._events.write(event_text(delta))
        for event in deltas.end():
            await self._events.write(event_text(event))
        await self._events.end()
        return FINISHED


def _start(order: Order) -> Start:
    return Start(
        language=order.language,
        languages=order.languages,
        prompt=order.prompt,
        endpointing=Endpointing(silence_ms=order.silence_ms),
        task=order.task,
        temperature=order.temperature,
    )
