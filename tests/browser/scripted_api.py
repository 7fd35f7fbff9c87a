"""The HTTP interface for captioners, scripted: caption events, corrections, details, and the list of sessions.

It answers in the browser, so that every answer can be had on demand; `tests.browser.test_captioner` also runs against a
gateway.
"""

import json
import re
from dataclasses import dataclass, field
from typing import TypedDict
from urllib.parse import parse_qs, urlsplit

import segno
from playwright.async_api import Page, Route

__all__ = ["Call", "ScriptedApi", "scripted_api"]

_PATHS = re.compile(r"/(v1/events/|v1/sessions|e/|watch/)")

Body = dict[str, object]


class _Answer(TypedDict, total=False):
    status: int
    body: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the page.

    Attributes:
        query: the first value of each parameter.
        body: parsed; empty if there is none.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Body


@dataclass(slots=True)
class ScriptedApi:
    """Answers of the gateway.

    Attributes:
        calls: all requests, the oldest first.
        sessions: what `GET /v1/sessions` lists.
        pages: what it lists before that, a page for each request.
        messages: the events of each past session.
        reach: of the viewers' address, `network` or `this_machine`.
        key: API key that is required; None: none.
        taken: names of other owners' events.
        has_events: whether there are caption events.
        titles: title of each caption event.
        newer: correction that another captioner has made before the next one of the page; None: none.
    """

    calls: list[Call] = field(default_factory=list)
    sessions: list[Body] = field(default_factory=list)
    pages: list[list[Body]] = field(default_factory=list)
    messages: dict[str, list[Body]] = field(default_factory=dict)
    reach: str = "network"
    key: str | None = None
    taken: frozenset[str] = frozenset()
    has_events: bool = True
    titles: dict[str, object] = field(default_factory=dict)
    newer: Body | None = None

    def called(self, method: str, path: str = "") -> list[Call]:
        """Return the requests of a method whose path begins so."""
        return [call for call in self.calls if call.method == method and call.path.startswith(path)]

    async def answer(self, route: Route) -> None:
        """Answer a request of the page."""
        request = route.request
        parts = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        call = Call(request.method, parts.path, query, json.loads(request.post_data or "{}"))
        self.calls.append(call)
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            answer = _refusal(401, "unauthorized", "this API key is not known here")
        else:
            answer = self._answer(call)
        await route.fulfill(**answer)

    def _answer(self, call: Call) -> _Answer:
        *_, last = parts = call.path.strip("/").split("/")
        match call.method, parts:
            case "PUT", ["v1", "events", name] if not self.has_events:
                return _refusal(503, "unavailable", "the journal is not available")
            case "PUT", ["v1", "events", name] if name in self.taken:
                return _refusal(409, "conflict", f"event {name!r} belongs to another key")
            case "PUT", ["v1", "events", name]:
                self.titles[name] = call.body["title"]
                return self._event(name)
            case "GET", ["v1", "events", name] if name in self.titles:
                return self._event(name)
            case "GET", ["e" | "watch" as kind, name, "link.json"]:
                host = "captions.example.com" if self.reach == "network" else "127.0.0.1:8000"
                return _json({"url": f"https://{host}/{kind}/{name}", "reach": self.reach})
            case "GET", ["e", name, "qr.svg"]:
                code = segno.make_qr(f"https://captions.example.com/e/{name}").svg_inline(light="#fff")
                return {"status": 200, "content_type": "image/svg+xml", "body": _with_namespace(code)}
            case "GET", ["v1", "sessions"]:
                words = call.query.get("q", "").lower()
                found = [session for session in self.sessions if words in json.dumps(session).lower()]
                page = self.pages.pop(0) if self.pages else found
                before = page[0]["opened"] if self.pages else None
                return _json({"object": "list", "data": page, "more_before": before})
            case "GET", ["v1", "sessions", session_id, "events"]:
                lines = "".join(f"data: {json.dumps(message)}\n\n" for message in self.messages.get(session_id, []))
                return {"status": 200, "content_type": "text/event-stream", "body": lines}
            case "DELETE", ["v1", "sessions", session_id]:
                self.sessions = [session for session in self.sessions if session["id"] != session_id]
                return {"status": 204}
            case "PATCH", ["v1", "sessions", _]:
                return _json({"type": "details", "seq": 90, **call.body})
            case "PUT", ["v1", "sessions", session_id, "utterances", utterance]:
                return self._correct(call, session_id, int(utterance))
            case "GET", ["v1", "sessions", _, _] if last.startswith("transcript."):
                return {"status": 200, "content_type": "text/plain", "body": "hello\n"}
        return _refusal(404, "not_found", "no such route")

    def _event(self, name: str) -> _Answer:
        about: Body = {"event": name, "title": self.titles[name], "url": f"/e/{name}", "state": "waiting"}
        return _json(about | {"token": None, "expires_at": None, "session_id": None})

    def _correct(self, call: Call, session_id: str, utterance: int) -> _Answer:
        known, text, newest = call.body.get("revision"), call.body["text"], 0
        if self.newer is not None:
            assert isinstance(self.newer["revision"], int)
            newest = self.newer["revision"]
        if known is not None and known != newest:
            assert self.newer is not None
            self.messages.setdefault(session_id, []).append(self.newer)
            return _refusal(409, "conflict", f"revision {known}: the newest is {newest}")
        cue = {"id": f"{utterance}.1", "utterance_id": utterance, "revision": 9, "start_s": 0.0, "end_s": 1.0}
        cues = [cue | {"lines": [text], "stable_chars": 9, "state": "final"}] if text else []
        correction = {"type": "correction", "seq": 80, "utterance_id": utterance, "revision": newest + 1, "text": text}
        return _json(correction | {"cues": cues})


async def scripted_api(page: Page) -> ScriptedApi:
    """Answer the requests of a page from now on."""
    api = ScriptedApi()

    async def answer(route: Route) -> None:
        await api.answer(route)

    await page.route(_is_api, answer)
    return api


def _is_api(url: str) -> bool:
    return _PATHS.match(urlsplit(url).path) is not None


def _json(body: Body) -> _Answer:
    return {"status": 200, "content_type": "application/json", "body": json.dumps(body)}


def _refusal(status: int, code: str, message: str) -> _Answer:
    return _json({"error": {"code": code, "message": message, "type": "", "param": None, "details": None}}) | {
        "status": status
    }


def _with_namespace(svg: str) -> str:
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
