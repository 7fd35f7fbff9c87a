"""The pages of a gateway whose caption event and sessions are scripted: for states that real sessions reach rarely."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from decoder.engines.scripted import ScriptedEngine, spoken_count
from gateway.http.pages import pages_router
from gateway.runtime import open_gateway
from gateway.settings import load_settings
from tests.servers import listening

__all__ = ["ScriptedFeed", "scripted_feed"]


@dataclass(slots=True)
class ScriptedFeed:
    """A caption event, and the sessions recorded under it.

    Attributes:
        url: of the gateway.
        title: of the caption event.
        session: its current session; None: none yet.
        refusal: status of all answers but pages; None: requests are accepted.
        requested: paths and queries of all requests but those for pages.
    """

    url: str = ""
    title: str | None = None
    session: str | None = None
    refusal: int | None = None
    requested: list[str] = field(default_factory=list)
    _messages: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    _connection: int = 0
    _changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def event_page(self) -> str:
        """URL of the viewer of the caption event."""
        return f"{self.url}/e/talk"

    def begin(self, session: str) -> None:
        """Begin a session of the caption event."""
        self.session = session
        self._messages[session] = []
        self.emit("ready", language="en")

    def emit(self, kind: str, **fields: object) -> None:
        """Emit a message of the current session."""
        assert self.session is not None
        messages = self._messages[self.session]
        messages.append({"type": kind, "seq": len(messages) + 1, **fields})
        self._wake()

    def final(self, utterance_id: int, text: str, **fields: object) -> None:
        """Emit a final, one each three seconds."""
        span = {"start_s": 3.0 * utterance_id, "end_s": 3.0 * utterance_id + 2.5}
        cue = {"id": f"{utterance_id}.1", "revision": 1, "state": "final", "lines": [text], "stable_chars": len(text)}
        channel = {"channel": fields["channel"]} if "channel" in fields else {}
        self.emit("cue", utterance_id=utterance_id, **cue, **span, **channel)
        self.emit("final", utterance_id=utterance_id, text=text, **span, **fields)

    def partial(self, utterance_id: int, text: str, stable: str, **fields: object) -> None:
        """Emit a partial cue, of which the beginning is stable."""
        span = {"start_s": 3.0 * utterance_id, "end_s": 3.0 * utterance_id + 2.5}
        cue = {"id": f"{utterance_id}.1", "revision": 0, "state": "partial", "lines": [text]}
        self.emit("cue", utterance_id=utterance_id, **cue, **span, stable_chars=len(stable), **fields)

    def correct(self, utterance_id: int, revision: int, text: str, **fields: object) -> None:
        """Emit a correction."""
        cue = {"id": f"{utterance_id}.{revision + 1}", "revision": 1, "state": "final", "lines": [text]}
        cues = [{**cue, "start_s": 3.0 * utterance_id, "stable_chars": len(text)}] if text else []
        self.emit("correction", utterance_id=utterance_id, revision=revision, text=text, cues=cues, **fields)

    def details(self, title: str | None, *names: str) -> None:
        """Emit the title, and the names of the channels in their order."""
        named = [{"channel": n, "name": name, "color": None} for n, name in enumerate(names)]
        self.emit("details", title=title, names=named)

    def cut(self, refusal: int | None = None) -> None:
        """End all connections; new requests get the status, if any."""
        self.refusal = refusal
        self._connection += 1
        self._wake()

    def accept(self) -> None:
        """Accept requests again."""
        self.refusal = None

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _session_events(self, request: Request) -> Response:
        self._record(request)
        messages = self._messages.get(request.path_params["session"])
        if self.refusal is not None or messages is None:
            return Response(status_code=self.refusal or 404)
        after = int(request.query_params.get("after", "0"))
        if messages and messages[-1]["type"] == "finished" and after >= len(messages):
            return Response(status_code=204)
        return StreamingResponse(self._stream(messages, after), media_type="text/event-stream")

    async def _stream(self, messages: list[dict[str, object]], after: int) -> AsyncIterator[str]:
        connection = self._connection
        yield ":\n\n"
        while connection == self._connection:
            for message in messages[after:]:
                yield f"id: {message['seq']}\ndata: {json.dumps(message)}\n\n"
                after += 1
            if messages and messages[-1]["type"] == "finished":
                return
            await self._changed.wait()

    async def _event_state(self, request: Request) -> Response:
        self._record(request)
        after, wait_s = request.query_params.get("after"), float(request.query_params.get("wait_s", "0"))
        connection = self._connection
        with anyio.move_on_after(wait_s):
            while self.session == after and self.refusal is None and connection == self._connection:
                await self._changed.wait()
        if self.refusal is not None:
            return Response(status_code=self.refusal)
        state = "waiting" if self.session is None else "live"
        body = {"event": "talk", "title": self.title, "url": "", "token": None, "expires_at": None, "state": state}
        return JSONResponse({**body, "session_id": self.session})

    def _record(self, request: Request) -> None:
        query = request.url.query
        self.requested.append(request.url.path + (f"?{query}" if query else ""))


@asynccontextmanager
async def scripted_feed() -> AsyncIterator[ScriptedFeed]:
    """Serve on a free loopback port while the block lasts."""
    feed = ScriptedFeed()
    routes: list[BaseRoute] = [
        Route("/v1/sessions/{session}/events", feed._session_events),
        Route("/v1/events/talk", feed._event_state),
    ]
    settings = load_settings({"journal": {"enabled": False}})
    async with open_gateway(settings, ScriptedEngine(spoken_count)) as gateway:
        app = FastAPI(routes=routes)
        app.include_router(pages_router(gateway))
        config = uvicorn.Config(app, lifespan="off", log_level="error", timeout_graceful_shutdown=1)
        async with listening(config) as (_, port):
            feed.url = f"http://127.0.0.1:{port}"
            try:
                yield feed
            finally:
                feed.cut(503)
