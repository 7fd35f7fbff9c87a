"""Watching a session from the terminal: its choice, its display, and lost connections."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

import anyio
import pytest
from anyio import to_thread
from typer.testing import CliRunner, Result
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from clients.connection import Connection, ConnectionFailed, connect
from clients.reconnect import Change
from clients.stream import CaptionStream
from clients.watch import NothingToWatch, find_session, watch
from decoder.engines.scripted import ScriptedEngine
from gateway.cli.main import app
from gateway.settings import load_settings
from gateway.wire import Error, Final, Finished, Latency, OfChannel, ProtocolError, Ready, ServerEvent, Start
from gateway.wire.native.codec import NativeCodec
from tests.clients.playing import at_once, unreachable
from tests.events import correction
from tests.servers import serving

READY = Ready(1, "s", "e", "m", "d", None)
FINISHED = Finished(5, 48_000, 3)
LOST, GOODBYE = 1012, 1000


def final(seq: int) -> Final:
    return Final(seq, seq - 2, 0, 16_000, f"words {seq}", "en", Latency(0.0, 0.0, 0.0, 0.0))


EVENTS = (READY, final(2), final(3), final(4), FINISHED)


@dataclass
class PlayedSession:
    """A gateway in which one session is watched: on each connection it says some events and closes.

    Attributes:
        emitted: events in each connection, and the code of its close; after these, none.
        asked: the paths that were asked for.
        refusal: how the upgrade is answered from the second connection on; None: it is accepted.
    """

    emitted: list[tuple[tuple[str, ...], int]]
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    refusal: tuple[int, str] | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with serve(self._send_events, "127.0.0.1", 0, process_request=self._admit) as server:
            yield f"http://127.0.0.1:{port_of(server)}"

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        if self.refusal is None:
            return None
        return connection.respond(HTTPStatus(self.refusal[0]), json.dumps({"error": {"message": self.refusal[1]}}))

    async def _send_events(self, connection: ServerConnection) -> None:
        texts, code = self.emitted.pop(0)
        for text in texts:
            await connection.send(text)
        await connection.close(code)


def port_of(server: Server) -> int:
    (listener,) = server.sockets
    port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


def texts(*events: ServerEvent) -> tuple[str, ...]:
    return tuple(str(message) for event in events for message in NativeCodec().send(event))


async def seen(session: PlayedSession, link: str = "/watch/abc?token=vt_1") -> tuple[list[ServerEvent], list[Change]]:
    """Return the events and changes that a viewer of a scripted session receives."""
    events: list[ServerEvent] = []
    changes: list[Change] = []
    async with session.serving() as url:
        await watch(await find_session(url + link), events.append, changes.append, at_once())
    return events, changes


# --- what is seen --------------------------------------------------------------------------------------------------


async def test_a_session_is_seen_to_its_end() -> None:
    session = PlayedSession([(texts(*EVENTS), GOODBYE)])
    assert await seen(session) == (list(EVENTS), [])
    assert session.asked == ["/v1/sessions/abc/events?token=vt_1&after=0"]


@pytest.mark.parametrize("cut", range(len(EVENTS)))
async def test_a_lost_connection_loses_nothing_and_doubles_nothing(cut: int) -> None:
    session = PlayedSession([(texts(*EVENTS[:cut]), LOST), (texts(*EVENTS[max(0, cut - 1) :]), GOODBYE)])
    assert await seen(session) == (list(EVENTS), [Change.LOST, Change.RESTORED])
    assert session.asked[1].endswith(f"&after={cut}")


async def test_a_session_that_ends_without_a_last_word_is_over_too() -> None:
    assert await seen(PlayedSession([(texts(READY), GOODBYE)])) == ([READY], [])


@pytest.mark.parametrize("last", [FINISHED, Error(5, "lagging", "90 s behind", True)])
async def test_after_its_last_word_a_lost_connection_is_the_end(last: ServerEvent) -> None:
    assert await seen(PlayedSession([(texts(READY, last), LOST)])) == ([READY, last], [])


@pytest.mark.parametrize("code", [LOST, GOODBYE])
async def test_corrections_after_the_end_are_seen_and_the_session_is_over(code: int) -> None:
    emitted = (READY, FINISHED, correction(6), correction(7, revision=2))
    assert await seen(PlayedSession([(texts(*emitted), code)])) == (list(emitted), [])


async def test_events_of_several_channels_name_theirs() -> None:
    (text,) = texts(final(2))
    session = PlayedSession([((text.replace("{", '{"channel":1,', 1), '{"type":"weather","seq":3}'), GOODBYE)])
    events, _ = await seen(session)
    assert events == [OfChannel(1, final(2))]


@pytest.mark.parametrize("text", ["nonsense", '{"type":"final"}', '{"type":"flushed","seq":2,"id":"a","channel":"x"}'])
async def test_a_message_that_is_no_event_is_an_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        await seen(PlayedSession([((text,), GOODBYE)]))


# --- the command ---------------------------------------------------------------------------------------------------


async def watch_command(session: PlayedSession, *options: str) -> Result:
    async with session.serving() as url:
        return await to_thread.run_sync(CliRunner().invoke, app, ["watch", f"{url}/watch/abc", *options])


async def test_without_a_terminal_the_command_prints_one_final_per_line() -> None:
    result = await watch_command(PlayedSession([(texts(READY, final(2)), LOST), (texts(final(3), FINISHED), GOODBYE)]))
    assert result.exit_code == 0
    assert result.stdout == "00:00  words 2\n00:00  words 3\n"
    assert result.stderr == "livecue: the connection was lost; reconnecting\nlivecue: the connection was restored\n"


async def test_the_command_writes_every_event_as_it_came() -> None:
    result = await watch_command(PlayedSession([(texts(*EVENTS), GOODBYE)]), "--format", "jsonl")
    assert result.stdout.splitlines() == list(texts(*EVENTS))


async def test_the_command_reports_why_it_cannot_watch() -> None:
    result = await watch_command(PlayedSession([], refusal=(404, "none of that name is open")))
    assert result.exit_code == 1
    assert "HTTP 404: none of that name is open" in result.stderr


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "this view token is not known"),
        (404, "session 'abc': none of that name"),
        (410, "the view token has expired"),
    ],
)
async def test_a_refusal_is_emitted_in_the_gateways_words_and_without_the_token(status: int, reason: str) -> None:
    with pytest.raises(
        ConnectionFailed, match=rf"/v1/sessions/abc/events refused the connection with HTTP {status}: {reason}"
    ) as failed:
        await seen(PlayedSession([], refusal=(status, reason)))
    assert "vt_1" not in str(failed.value)


async def test_a_refusal_after_the_connection_was_lost_is_final() -> None:
    session = PlayedSession([(texts(READY), LOST)])

    def refuse(_: ServerEvent) -> None:
        session.refusal = 404, "it is over"

    async with session.serving() as url:
        with pytest.raises(ConnectionFailed, match="HTTP 404: it is over"):
            await watch(await find_session(f"{url}/watch/abc"), refuse, back_off=at_once())


async def test_a_gateway_that_is_gone_is_given_up() -> None:
    is_first = True

    def connect_after(seq: int) -> AbstractAsyncContextManager[Connection]:
        nonlocal is_first
        was_first, is_first = is_first, False
        return lost() if was_first else unreachable()

    with pytest.raises(ConnectionFailed, match=r"no connection for 120 s: unreachable"):
        await watch(connect_after, lambda _: None, back_off=at_once())


@asynccontextmanager
async def lost() -> AsyncIterator[Connection]:
    """Connect, and lose the connection at once."""
    session = PlayedSession([((), LOST)])
    async with session.serving() as url, connect(url) as connection:
        yield connection


# --- which session -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["ftp://host/watch/a", "http://host/watch/", "http://", "http:///watch/a"],
)
async def test_an_address_of_another_form_is_refused_with_the_allowed_ones(url: str) -> None:
    with pytest.raises(NothingToWatch, match="expected http://HOST:PORT/watch/ID, or http://HOST:PORT"):
        await find_session(url)


async def test_a_gateway_behind_a_path_is_watched_there() -> None:
    session = PlayedSession([(texts(READY), GOODBYE)])
    await seen(session, "/captions/watch/a%20b?overlay=1&token=t")
    assert session.asked == ["/captions/v1/sessions/a%20b/events?token=t&after=0"]


@asynccontextmanager
async def speaking(url: str, api_key: str | None = None) -> AsyncIterator[str]:
    """Keep a session open while the block lasts, and yield its id."""
    is_open, session_id = anyio.Event(), ""

    def note(event: ServerEvent) -> None:
        nonlocal session_id
        if isinstance(event, Ready):
            session_id = event.session_id
            is_open.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(CaptionStream(partial(connect, url, api_key), Start()).run, note)
        await is_open.wait()
        yield session_id
        tasks.cancel_scope.cancel()


async def test_a_gateway_without_a_session_has_nothing_to_watch() -> None:
    async with serving(ScriptedEngine()) as served:
        with pytest.raises(NothingToWatch, match=f"{served.url}: no session is open"):
            await find_session(served.url)


async def test_with_several_sessions_one_must_be_chosen() -> None:
    async with serving(ScriptedEngine()) as served, speaking(served.url) as one, speaking(served.url) as two:
        with pytest.raises(NothingToWatch, match="2 sessions are open; choose one:") as raised:
            await find_session(served.url)
    assert str(raised.value).splitlines()[1:] == [f"  livecue watch {served.url}/watch/{name}" for name in (one, two)]


async def test_the_list_of_sessions_needs_a_key_where_there_are_keys() -> None:
    settings = load_settings({"server": {"api_keys": ["secret"]}})
    async with serving(ScriptedEngine(), settings) as served, speaking(served.url, "secret"):
        with pytest.raises(ConnectionFailed, match="refused the request with HTTP 401: no API key"):
            await find_session(served.url)
        await find_session(served.url, "secret")


async def test_no_gateway_is_emitted_as_such() -> None:
    with pytest.raises(ConnectionFailed, match=r"http://127.0.0.1:9 cannot be reached"):
        await find_session("127.0.0.1:9")
