"""Sinks in tests: a scripted sink, a clock that jumps, and the parts of one session around a runner."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from unittest.mock import patch
from urllib.parse import urlsplit

import anyio

from gateway.delivery.broadcast import Broadcast, Broadcaster, SessionInfo
from gateway.journal.journal import Journal
from gateway.sinks.pacing import Pacing
from gateway.sinks.progress import SinkCounts
from gateway.sinks.session_sinks import SessionSinks, SinkServices
from gateway.sinks.sink import SINKS, Delivery, Item, SessionFacts, Sink, SinkKind, SinkTarget
from tests.broadcasts import publish
from tests.http_server import serving_http
from tests.sessions import settled

__all__ = ["OPENED_S", "Request", "ScriptedSink", "Stage", "VirtualTime", "receiving", "scripted", "session_of"]

OPENED_S = 1_700_000_000.0


class VirtualTime:
    """A clock that stands still until `pass_time` moves it; sleepers wake in order."""

    def __init__(self, now_s: float = OPENED_S) -> None:
        self.now_s = now_s
        self._sleepers: list[tuple[float, anyio.Event]] = []
        self._has_sleeper = anyio.Event()

    def pacing(self) -> Pacing:
        return Pacing(lambda: self.now_s, self.sleep, lambda: 0.0)

    async def sleep(self, seconds: float) -> None:
        woken = anyio.Event()
        self._sleepers.append((self.now_s + seconds, woken))
        self._has_sleeper.set()
        await woken.wait()

    async def until_somebody_sleeps(self, seconds: float) -> None:
        """Wait until somebody sleeps so long: what works in a thread before may take a while."""
        while self.now_s + seconds not in [due_s for due_s, _ in self._sleepers]:
            self._has_sleeper = anyio.Event()
            await self._has_sleeper.wait()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due by then."""
        await settled()
        until_s = self.now_s + seconds
        while self._sleepers and min(self._sleepers, key=lambda sleeper: sleeper[0])[0] <= until_s:
            due = min(self._sleepers, key=lambda sleeper: sleeper[0])
            self._sleepers.remove(due)
            self.now_s = max(self.now_s, due[0])
            due[1].set()
            await settled()
        self.now_s = until_s


@dataclass
class ScriptedSink:
    """A sink that takes what it is sent, unless it has to raise.

    Attributes:
        taken: what it has taken.
        attempts: what it was sent, taken or not.
        failure: raised by each call; None: it takes the event.
        stuck: so many calls never return.
    """

    taken: list[Delivery] = field(default_factory=list)
    attempts: list[Delivery] = field(default_factory=list)
    failure: Exception | None = None
    stuck: int = 0

    async def send(self, delivery: Delivery) -> None:
        self.attempts.append(delivery)
        if self.stuck:
            self.stuck -= 1
            await anyio.sleep_forever()
        if self.failure is not None:
            raise self.failure
        self.taken.append(delivery)


KINDS = SimpleNamespace()
"""The scripted kinds, by name."""


@contextmanager
def scripted(name: str, *takes: Item, patience_s: float | None = None) -> Iterator[ScriptedSink]:
    """Have a kind of sinks of that name while the block lasts, and yield its only sink."""
    sink = ScriptedSink()

    @asynccontextmanager
    async def open_it(target: SinkTarget, session: SessionFacts) -> AsyncIterator[Sink]:
        yield sink

    taken = frozenset(takes or set(Item) - {Item.PARTIAL})
    setattr(KINDS, name, SinkKind(open_it, lambda target: taken, patience_s=patience_s))
    with patch.dict(SINKS, {name: f"tests.sinks:KINDS.{name}"}):
        yield sink


class Stage:
    """One session, played by a test, with its sinks.

    Args:
        targets: of the sinks, by name of their kind.
        journal: of the session; None: none.
        time: of the sinks.
    """

    def __init__(self, targets: Sequence[SinkTarget], journal: Journal | None, time: VirtualTime) -> None:
        self.broadcaster = Broadcaster()
        self.broadcast: Broadcast = self.broadcaster.create(SessionInfo("native", None, OPENED_S))
        self.counts = SinkCounts()
        self.reports: list[list[tuple[str, str, int, int, int]]] = []
        self.messages: list[str | None] = []
        services = SinkServices(journal, self.counts, time.pacing())
        self.sinks = SessionSinks(SessionFacts("a", OPENED_S), targets, services, self.broadcast, self._report)

    def publish(self, *events: object) -> None:
        publish(self.broadcast, *events)  # type: ignore[arg-type]  # events of several modules

    def _report(self, sinks: Sequence[object]) -> None:
        progress = self.sinks.progress
        self.reports.append([(p.name, p.state, p.sent, p.queued, p.dropped) for p in progress])
        self.messages = [p.message for p in progress]


@asynccontextmanager
async def session_of(
    *names: str, journal: Journal | None = None, time: VirtualTime | None = None
) -> AsyncIterator[Stage]:
    """Run the sinks of a session while the block lasts; then end the session, and wait for them.

    Args:
        names: of scripted kinds, one sink each, of that name.
        journal: of the session; None: none.
        time: of the sinks.
    """
    targets = [SinkTarget(name, name, "") for name in names]
    stage = Stage(targets, journal, time or VirtualTime())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.sinks.run)
        await settled()
        with stage.broadcaster.registered("a", stage.broadcast):
            yield stage
            await settled()
        await settled()
        tasks.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class Request:
    """A request that a server has received."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def receiving(
    answer: Callable[[Request], tuple[int, bytes]] = lambda request: (200, b""),
) -> Iterator[tuple[str, list[Request]]]:
    """Serve HTTP while the block lasts; yield the URL and what is received.

    Args:
        answer: returns status and body of each reply.
    """
    received: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, parts.path, parts.query, headers, body)
            received.append(request)
            status, text = answer(request)
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with serving_http(Handler) as url:
        yield url, received
