"""Watching another client's session: its past events, then the live ones.

await watch(await find_session("http://127.0.0.1:8000"), on_event=print)
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import anyio
from anyio import to_thread

from clients.connection import Connection, ConnectionFailed, NormalClosure, connect, reason_of
from clients.reconnect import BackOff, Change, Outage
from gateway.wire import DialectMessage, Error, Finished, LivecueError, OfChannel, ProtocolError, ServerEvent
from gateway.wire.native.codec import NativeClientCodec
from gateway.wire.server_events import without_channel

__all__ = ["ConnectAfter", "NothingToWatch", "find_session", "watch"]

ConnectAfter = Callable[[int], AbstractAsyncContextManager[Connection]]
"""Opens a connection that delivers a session's events above a sequence number."""

_LISTING_TIMEOUT_S = 10.0


class NothingToWatch(LivecueError):
    """The URL names no session, and the gateway does not have exactly one."""

    code = "nothing_to_watch"


async def find_session(url: str, api_key: str | None = None) -> ConnectAfter:
    """Return a function that connects to the session of a URL.

    Args:
        url: a share link, `http://HOST:PORT/watch/ID?token=…`, or a gateway with exactly one open session,
            `http://HOST:PORT`.
        api_key: sent as a bearer token.

    Raises:
        NothingToWatch: the URL has another form, or names a gateway without exactly one open session.
        ConnectionFailed: the gateway cannot be reached, or refuses.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    before, is_link, name = parts.path.partition("/watch/")
    session_id = unquote(name).strip("/")
    if scheme not in ("http", "https") or not parts.netloc or bool(is_link) != bool(session_id):
        raise NothingToWatch(f"{url}: expected http://HOST:PORT/watch/ID, or http://HOST:PORT")
    gateway = urlunsplit((scheme, parts.netloc, before.rstrip("/"), "", ""))
    if not session_id:
        session_id = _only_one(gateway, await to_thread.run_sync(_open_sessions, gateway, api_key))
    token = [(key, value) for key, value in parse_qsl(parts.query) if key == "token"]

    def connect_after(seq: int) -> AbstractAsyncContextManager[Connection]:
        query = urlencode([*token, ("after", seq)])
        return connect(f"{gateway}/v1/sessions/{quote(session_id, safe='')}/events?{query}", api_key)

    return connect_after


async def watch(
    session: ConnectAfter,
    on_event: Callable[[ServerEvent], None],
    on_change: Callable[[Change], None] = lambda _: None,
    back_off: BackOff | None = None,
) -> None:
    """Report the events of a session, each once, until it is over.

    Args:
        session: opens a connection; it is called again after a lost connection.
        on_event: called with each event, as `OfChannel` in a session with several channels; it must not block.
        on_change: called when the connection is lost, and when it is restored.
        back_off: timing of the retries.

    Raises:
        ConnectionFailed: the gateway cannot be reached, refuses, or retries timed out.
        ProtocolError: the gateway sent a message that is not of the dialect.
    """
    viewer = _Viewer(on_event)
    outage = Outage(back_off or BackOff(), on_change)
    has_connected = False
    while True:
        try:
            async with session(viewer.seq) as connection:
                has_connected = True
                outage.restored()
                if await viewer.listen(connection, outage):
                    return
            failure = ConnectionFailed("the connection was lost")
        except ConnectionFailed as error:
            if not (has_connected and error.may_pass):
                raise
            failure = error
        await outage.wait(failure)


class _Viewer:
    def __init__(self, on_event: Callable[[ServerEvent], None]) -> None:
        self.seq = 0
        """Sequence number of the newest event."""
        self._on_event = on_event
        self._is_over = False

    async def listen(self, connection: Connection, outage: Outage) -> bool:
        """Report the events of one connection, and return whether the session is over."""
        while True:
            try:
                message = await connection.receive()
            except anyio.EndOfStream as end:
                return self._is_over or isinstance(end, NormalClosure)
            for event in _events(message):
                inner = without_channel(event)
                assert not isinstance(inner, OfChannel | DialectMessage), "no message is parsed as one of these"
                if inner.seq <= self.seq:
                    continue
                self.seq = inner.seq
                # corrections may follow the end
                self._is_over |= isinstance(inner, Finished) or (isinstance(inner, Error) and inner.fatal)
                outage.progress()
                self._on_event(event)


def _events(message: str | bytes) -> list[ServerEvent]:
    events = NativeClientCodec().receive(message)
    channel = json.loads(message).get("channel")
    if channel is None:
        return events
    if not isinstance(channel, int):
        raise ProtocolError(f"channel: expected a number, got {channel!r}", "channel")
    return [OfChannel(channel, event) for event in events]


def _only_one(gateway: str, session_ids: list[str]) -> str:
    if not session_ids:
        raise NothingToWatch(f"{gateway}: no session is open")
    if len(session_ids) > 1:
        links = "".join(f"\n  livecue watch {gateway}/watch/{quote(name, safe='')}" for name in session_ids)
        raise NothingToWatch(f"{gateway}: {len(session_ids)} sessions are open; choose one:{links}")
    return session_ids[0]


def _open_sessions(gateway: str, api_key: str | None) -> list[str]:
    """Return the ids of all open sessions that the key may see, the oldest first."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    request = urllib.request.Request(f"{gateway}/v1/sessions", headers=headers)  # noqa: S310  # http or https
    try:
        with urllib.request.urlopen(request, timeout=_LISTING_TIMEOUT_S) as response:  # noqa: S310
            return [str(session["id"]) for session in json.load(response)["data"]]
    except urllib.error.HTTPError as error:
        with error:
            reason = reason_of(error.read())
        raise ConnectionFailed(f"{gateway} refused the request with HTTP {error.code}: {reason}", error.code) from error
    except OSError as error:
        raise ConnectionFailed(f"{gateway} cannot be reached: {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise ConnectionFailed(f"{gateway}: got no list of sessions; is it livecue?") from error
