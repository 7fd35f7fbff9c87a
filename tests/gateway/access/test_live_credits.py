"""Live sessions with a key: refused at admission, or ended when the credit is used up."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from clients.connection import connect as connect_client
from clients.stream import SessionFailed, stream
from decoder.engines.scripted import ScriptedEngine
from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.api_keys import Account, Key, digest_of
from gateway.errors import Unauthorized
from gateway.session.connection import Connection
from gateway.settings import Settings, load_settings
from gateway.sqlite import StateDatabase
from gateway.transport import memory_pair
from gateway.wire import Finished, Ready, ServerEvent, Start
from gateway.wire.native.codec import NativeCodec
from tests.servers import Served, get, serving
from tests.sessions import Message, Peer, open_context, silence, speech

START: Message = {"type": "start", "partials": False}
STOP: Message = {"type": "stop"}

ENDED_EARLY = ["ready", "speech_started", "insufficient_credits", "speech_ended", "cue", "final", "finished"]

TINY_S = 0.02


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        yield KeyStore(database)


@pytest.fixture
def settings(path: Path) -> Settings:
    return load_settings({"state": {"database": path, "write_interval_s": 0.01}})


def with_credit(credit_s: float) -> Account:
    return Account(Key("demo", digest_of("key"), credit_s=credit_s), 0.0)


def charging(account: Account) -> Callable[[float], None]:
    def charge(audio_s: float) -> None:
        account.spend(audio_s)
        account.check_credit()

    return charge


async def conversation(
    charge: Callable[[float], None], talk: Callable[[Peer], Awaitable[None]]
) -> tuple[list[Message], int | None]:
    """Return what a session under a key answers, up to its goodbye, and the code of that."""
    async with open_context() as context, anyio.create_task_group() as tasks:
        transport, peer_stream = memory_pair()
        peer = Peer(Connection(transport, NativeCodec(), context, charge), transport, peer_stream)

        async def run() -> None:
            await peer.connection.run()
            peer.is_over.set()

        tasks.start_soon(run)
        async with peer_stream:
            await talk(peer)
            messages = await peer.receive_all()
    return messages, transport.close_code


def codes(messages: list[Message]) -> list[object]:
    return [message.get("code", message["type"]) for message in messages if message["type"] != "ack"]


# --- the session ----------------------------------------------------------------------------------------------------


async def test_a_key_that_runs_out_gets_its_open_utterance_finished_and_then_the_door() -> None:
    async def talk(peer: Peer) -> None:
        await peer.send(START, silence(0.5), speech(1.0), speech(1.0))

    messages, close_code = await conversation(charging(with_credit(1.5)), talk)
    assert codes(messages) == ENDED_EARLY
    error = next(message for message in messages if message["type"] == "error")
    assert error["fatal"] is True
    assert error["message"] == "the credit of this API key, 1.5 s of audio, is used up"
    assert close_code == 1008


async def test_audio_beyond_the_credit_is_not_transcribed() -> None:
    account = with_credit(1.5)

    async def talk(peer: Peer) -> None:
        await peer.send(START, silence(10.0))

    messages, _ = await conversation(charging(account), talk)
    assert messages[-1]["audio_s"] == 1.5
    assert account.unwritten_s == 1.5


async def test_a_message_is_charged_its_audio_however_it_is_split() -> None:
    spent_s = []
    for length_s in (TINY_S, 0.5, 2.0):
        account = with_credit(100.0)

        async def talk(peer: Peer, length_s: float = length_s) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(peer.receive_until, "finished")
                await peer.send(START, *(silence(length_s) for _ in range(round(2.0 / length_s))), STOP)

        _, close_code = await conversation(charging(account), talk)
        assert close_code == 1000
        spent_s.append(round(account.unwritten_s, 6))
    assert spent_s == [2.0, 2.0, 2.0]


async def test_messages_after_the_end_are_ignored_and_do_no_harm() -> None:
    async def talk(peer: Peer) -> None:
        await peer.send(START, silence(0.5), speech(2.0), speech(1.0), "no json", {"type": "flush", "id": "a"}, STOP)

    messages, close_code = await conversation(charging(with_credit(1.5)), talk)
    assert codes(messages) == ENDED_EARLY
    assert close_code == 1008


async def test_a_key_revoked_during_its_session_gets_the_reason() -> None:
    def charge(audio_s: float) -> None:
        raise Unauthorized("this API key has been revoked")

    async def talk(peer: Peer) -> None:
        await peer.send(START, silence(1.0))

    messages, close_code = await conversation(charge, talk)
    assert codes(messages) == ["ready", "unauthorized", "finished"]
    assert close_code == 1008


# --- the route ------------------------------------------------------------------------------------------------------


def key(store: KeyStore, requests_per_minute: int | None = None, credit_s: float | None = None) -> str:
    return store.create("demo", 0.0, requests_per_minute, credit_s)


async def endless_silence() -> AsyncIterator[bytes]:
    while True:
        yield silence(0.1)


async def opened(served: Served, secret: str) -> ClientConnection:
    return await connect(served.stream_url, additional_headers={"Authorization": f"Bearer {secret}"})


async def refusal(served: Served, secret: str) -> Response:
    with pytest.raises(InvalidStatus) as refused:
        await opened(served, secret)
    return refused.value.response


async def test_a_key_without_credit_is_refused_with_402_before_the_upgrade(store: KeyStore, settings: Settings) -> None:
    secret = key(store, credit_s=0.0)
    async with serving(ScriptedEngine(), settings) as served:
        response = await refusal(served, secret)
        metrics = (await get(f"{served.url}/metrics")).body.decode()
    assert response.status_code == 402
    assert b'"code":"insufficient_credits"' in (response.body or b"")
    assert 'livecue_key_refusals_total{code="insufficient_credits"} 1.0' in metrics
    assert 'livecue_connections_refused_total{code="insufficient_credits"} 1.0' in metrics


async def test_a_rate_limited_key_is_refused_with_429_and_a_retry_time(store: KeyStore, settings: Settings) -> None:
    secret = key(store, requests_per_minute=1)
    async with serving(ScriptedEngine(), settings) as served:
        await (await opened(served, secret)).close()
        response = await refusal(served, secret)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert b'"code":"rate_limited"' in (response.body or b"")


async def test_a_client_sees_its_finals_and_why_the_session_ended(store: KeyStore, settings: Settings) -> None:
    secret = key(store, credit_s=2.0)
    events: list[ServerEvent] = []
    async with serving(ScriptedEngine(), settings) as served:
        with pytest.raises(SessionFailed, match="insufficient_credits"):
            await stream(partial(connect_client, served.stream_url, secret), Start(), endless_silence(), events.append)
        metrics = (await get(f"{served.url}/metrics")).body.decode()
        assert (await refusal(served, secret)).status_code == 402
    assert isinstance(events[-1], Finished)
    assert 'livecue_key_audio_seconds_total{key="demo"} 2.0' in metrics
    assert 'livecue_sessions_ended_total{outcome="insufficient_credits"} 1.0' in metrics
    assert secret not in metrics
    assert store.all()[0].key.used_s == pytest.approx(2.0)


async def test_keys_may_come_and_go_while_the_gateway_runs(store: KeyStore, settings: Settings) -> None:
    def revoke_when_ready(event: ServerEvent) -> None:
        if isinstance(event, Ready):
            store.revoke("demo")

    async with serving(ScriptedEngine(), settings) as served:
        async with connect(served.stream_url):
            pass  # no key has been created yet
        secret = key(store)
        with anyio.fail_after(10):
            while served.gateway.authenticator.is_open:
                await anyio.lowlevel.checkpoint()
        assert (await refusal(served, "guess")).status_code == 401
        connecting = partial(connect_client, served.stream_url, secret)
        with pytest.raises(SessionFailed, match="unauthorized: this API key has been revoked"):
            await stream(connecting, Start(), endless_silence(), revoke_when_ready)
        assert (await refusal(served, secret)).status_code == 401
