"""Several gateways on one journal in Redis: sessions move between them, and viewers follow at any."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from websockets.asyncio.client import connect

from gateway.session.checkpoint import STEP
from gateway.settings import JournalSettings
from tests.gateway.session.test_resume import (
    RATE_HZ,
    START,
    STOP,
    cues,
    part,
    received_so_far,
    resume,
    spans,
    spoken_audio,
)
from tests.redis_servers import RedisServer, gateways
from tests.servers import Served
from tests.sessions import Message, call
from tests.uploading import serving_files
from tests.viewing import SPEECH, open_ids, received_on, session, speak, watch, watch_socket


async def uncut(journal: JournalSettings) -> list[Message]:
    async with gateways(journal, 1) as (context,), call(context) as peer:
        await peer.send(START, spoken_audio(), STOP)
        return await peer.receive_all()


# --- clients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_s", [0.3, 2.5, 4.6, 8.4])
async def test_a_session_continues_at_another_gateway_without_losing_or_repeating_a_word(
    redis: RedisServer, cut_s: float
) -> None:
    whole, at = spoken_audio(), round(cut_s * RATE_HZ) * 2
    async with gateways(redis.settings()) as (one, other), call(one) as first:
        await first.send(START, whole[:at])
        messages = [await first.receive(), *await received_so_far(first)]
        await part(first)
        async with call(other) as second:
            await second.send(resume(messages[0], after_seq=messages[-1]["seq"]))
            again = await second.receive()
            assert isinstance(again["next_sample"], int)
            await second.send(whole[again["next_sample"] * 2 :], STOP)
            messages += await second.receive_all()
    expected = await uncut(redis.settings())
    assert spans(messages) == spans(expected)
    assert cues(messages) == cues(expected)
    seqs = [message["seq"] for message in messages]
    assert seqs == sorted(set(map(int, map(str, seqs))))


async def test_a_gateway_that_lost_a_session_closes_its_client_with_1012_and_sends_nothing_more(
    redis: RedisServer,
) -> None:
    async with gateways(redis.settings()) as (one, other), call(one) as first, call(other) as second:
        await first.send(START, spoken_audio()[: 2 * RATE_HZ])
        ready = await first.receive()
        await received_so_far(first)
        await second.send(resume(ready))
        assert (await second.receive())["type"] == "ready"
        await first.send(spoken_audio())
        left = await first.receive_all()
        assert [message for message in left if message["type"] in ("final", "error")] == []
        assert first.transport.close_code == 1012
        assert len(one.live) == 0
        await second.send(STOP)
        assert (await second.receive_all())[-1]["type"] == "finished"


async def test_a_session_returns_to_the_gateway_that_it_began_at(redis: RedisServer) -> None:
    whole, at = spoken_audio(), [round(cut_s * RATE_HZ) * 2 for cut_s in (2.5, 5.0)]
    async with gateways(redis.settings()) as (one, other):
        messages: list[Message] = []
        async with call(one) as first:
            await first.send(START, whole[: at[0]])
            messages += [ready := await first.receive(), *await received_so_far(first)]
            await part(first)
            for context, end in ((other, at[1]), (one, len(whole))):
                async with call(context) as peer:
                    await peer.send(resume(ready, after_seq=messages[-1]["seq"]))
                    again = await peer.receive()
                    assert isinstance(again["next_sample"], int)
                    await peer.send(whole[again["next_sample"] * 2 : end])
                    messages += await received_so_far(peer)
                    if context is one:
                        await peer.send(STOP)
                        messages += await peer.receive_all()
    assert spans(messages) == spans(await uncut(redis.settings()))


async def test_what_the_owner_writes_until_the_moment_of_the_takeover_is_kept(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, at = spoken_audio(), round(1.6 * RATE_HZ) * 2
    async with gateways(redis.settings()) as (one, other), call(one) as first, call(other) as second:
        await first.send(START, whole[:at])
        ready = await first.receive()
        assert other.journal is not None
        acquire = other.journal.store.acquire

        async def acquire_late(session_id: str) -> bool:
            await first.send(whole[at : 3 * RATE_HZ * 2])
            await first.receive_until("final")
            return await acquire(session_id)

        monkeypatch.setattr(other.journal.store, "acquire", acquire_late)
        await second.send(resume(ready, after_seq=1))
        again = await second.receive()
        assert isinstance(again["next_sample"], int)
        await second.send(whole[again["next_sample"] * 2 :], STOP)
        messages = await second.receive_all()
    assert spans(messages) == spans(await uncut(redis.settings()))
    kept = next(message["seq"] for message in messages if message["type"] == "final")
    assert isinstance(kept, int)
    assert kept < STEP, "it is the first gateway's, not decoded again"


async def test_a_wrong_token_takes_nothing_over(redis: RedisServer) -> None:
    async with gateways(redis.settings()) as (one, other), call(one) as first, call(other) as second:
        await first.send(START)
        ready = await first.receive()
        await second.send(resume(ready) | {"token": "guessed"})
        assert (await second.receive())["code"] == "session_not_found"
        await first.send(spoken_audio(), STOP)
        assert (await first.receive_all())[-1]["type"] == "finished"


async def test_a_session_that_has_finished_is_read_at_any_gateway(redis: RedisServer) -> None:
    async with gateways(redis.settings()) as (one, other):
        async with call(one) as first:
            await first.send(START, spoken_audio(), STOP)
            whole = await first.receive_all()
        async with call(other) as second:
            await second.send(resume(whole[0], after_seq=1))
            again = await second.receive_all()
    assert spans(again) == spans(whole)


# --- viewers ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served_twice(redis: RedisServer) -> AsyncIterator[tuple[Served, Served]]:
    settings = redis.settings()
    journal = {"url": redis.url, "prefix": settings.prefix}
    async with (
        serving_files(settings={"journal": journal}) as one,
        serving_files(settings={"journal": journal}) as other,
    ):
        yield one, other


def kinds(messages: list[Message]) -> list[object]:
    return [message["type"] for message in messages]


async def test_viewers_at_another_gateway_follow_live_and_from_the_start(redis: RedisServer) -> None:
    async with served_twice(redis) as (one, other), session(one) as (websocket, session_id):
        first = await speak(websocket)
        assert await open_ids(other, with_past=True) == [session_id]
        async with watch(other, session_id) as stream, watch_socket(other, session_id) as socket:
            assert (await stream.until("final"))[-1]["seq"] == first[-1]["seq"]
            second = await speak(websocket)
            followed = await stream.until("final")
            assert followed[-1]["text"] == second[-1]["text"]
            assert other.gateway.sessions.broadcaster.viewers == 2
            await websocket.send(json.dumps(STOP))
            assert kinds(await stream.all())[-1] == "finished"
            received, close_code = await received_on(socket)
            finals = [message["seq"] for message in received if message["type"] == "final"]
            assert finals == [first[-1]["seq"], second[-1]["seq"]]
            assert close_code == 1000
        assert other.gateway.sessions.broadcaster.viewers == 0
        async with httpx2.AsyncClient(base_url=other.url) as client:
            transcript = await client.get(f"/v1/sessions/{session_id}/transcript.txt")
            assert len(transcript.text.splitlines()) == 2
            with anyio.fail_after(10):
                while (await client.delete(f"/v1/sessions/{session_id}")).status_code == 409:
                    pass  # its end is written a moment after its last event
        assert await open_ids(one, with_past=True) == []


async def test_an_open_session_of_another_gateway_is_not_deleted(redis: RedisServer) -> None:
    async with served_twice(redis) as (one, other), session(one) as (websocket, session_id):
        await speak(websocket)
        async with httpx2.AsyncClient(base_url=other.url) as client:
            assert (await client.delete(f"/v1/sessions/{session_id}")).status_code == 409


async def test_viewers_are_sent_elsewhere_when_their_session_moves(redis: RedisServer) -> None:
    async with served_twice(redis) as (one, other), connect(one.stream_url) as websocket:
        await websocket.send(json.dumps(START))
        ready = json.loads(await websocket.recv())
        messages = await speak(websocket)
        session_id = ready["session_id"]
        async with watch_socket(one, session_id) as viewer, connect(other.stream_url) as moved:
            await moved.send(json.dumps(resume(ready, after_seq=messages[-1]["seq"])))
            again = json.loads(await moved.recv())
            await moved.send(b"".join(SPEECH)[again["next_sample"] * 2 :])
            with anyio.fail_after(10):
                received, close_code = await received_on(viewer)
            assert close_code == 1013, "as for a gateway that stops: it reconnects"
            async with watch_socket(one, session_id, after=received[-1]["seq"]) as back:
                final = (await speak(moved))[-1]
                while (followed := json.loads(await back.recv()))["type"] != "final":
                    pass
                assert followed["text"] == final["text"]


# --- outages ---------------------------------------------------------------------------------------------------------


async def test_a_gateway_is_not_ready_while_redis_is_away(redis: RedisServer) -> None:
    async with served_twice(redis) as (one, _), httpx2.AsyncClient(base_url=one.url) as client:
        assert (await client.get("/readyz")).status_code == 200
        redis.command("CONFIG", "SET", "maxmemory", "1")
        try:
            with anyio.fail_after(10):
                while (found := await client.get("/readyz")).status_code == 200:
                    pass
        finally:
            redis.command("CONFIG", "SET", "maxmemory", "0")
        assert found.json()["status"] == "journal_failing"
        with anyio.fail_after(10):
            while (await client.get("/readyz")).status_code != 200:
                pass
