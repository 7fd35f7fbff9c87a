"""Corrections of live sessions and of those that have ended, through resumes, restarts and at other gateways."""

import json
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import cast

import anyio
import pytest
from anyio import from_thread

from gateway.captions.cue_profiles import CueProfile
from gateway.errors import Conflict, NotFound, SessionMoved, SessionOpen
from gateway.journal.corrections import CorrectionRequest, Revision, revision_of
from gateway.journal.journal_file import JournalFile
from gateway.journal.store import Batch, Opening
from gateway.journal.transcript_export import TranscriptFormat, transcript
from gateway.session.context import SessionContext
from gateway.session.corrections import correct
from gateway.sqlite import StateUnavailable
from gateway.wire import ServerEvent
from tests.events import final, ready
from tests.gateway.session.test_resume import START, STOP, gateway, killed, resume
from tests.redis_servers import RedisServer, gateways
from tests.sessions import Message, Peer, call, open_context, settled, silence, speech

UTTERANCE = silence(0.5) + speech(1.0) + silence(1.0)


async def spoken(peer: Peer, start: Message = START) -> str:
    """Begin a session, say one utterance, and return the session's id."""
    await peer.send(start, UTTERANCE)
    messages = await peer.receive_until("final")
    return str(messages[0]["session_id"])


async def finished(context: SessionContext, start: Message = START) -> str:
    """Run a session of one utterance to its end, and return its id."""
    async with call(context) as peer:
        session_id = await spoken(peer, start)
        await peer.send(STOP)
        await peer.receive_all()
    await settled()
    assert context.journal is not None
    await context.journal.flush()
    return session_id


async def say(context: SessionContext, session_id: str, text: str, seen: int | None = None) -> Revision:
    return await correct(context, session_id, CorrectionRequest(0, text, seen_revision=seen))


async def kept(context: SessionContext, session_id: str) -> list[Message]:
    """Return the messages in the journal."""
    assert context.journal is not None
    return [json.loads(message) for _, message in await context.journal.events(session_id)]


async def text_of(context: SessionContext, session_id: str) -> str:
    return transcript(map(json.dumps, await kept(context, session_id)), TranscriptFormat.TXT).content.decode()


def corrections(messages: list[Message]) -> list[tuple[object, object]]:
    return [(message["revision"], message["text"]) for message in messages if message["type"] == "correction"]


# --- live ------------------------------------------------------------------------------------------------------------


async def test_client_viewers_and_journal_get_a_correction_in_the_order_of_events(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        session_id = await spoken(peer)
        broadcast = context.broadcaster.open_sessions()[session_id]
        with broadcast.subscribe(0) as viewer:
            made = await say(context, session_id, "two, three")
            sent = (await peer.receive_until("correction"))[-1]
            assert sent == json.loads(made.message)
            assert sent["cues"]
            assert sent["revision"] == 1
            await peer.send(UTTERANCE, STOP)
            messages = await peer.receive_all()
            assert all(cast("int", message["seq"]) > cast("int", sent["seq"]) for message in messages)
            await settled()
            watched = [json.loads(broadcast.message(event)) for event in await drained(viewer.live.get)]
        assert sent in watched
        assert sent in await kept(context, session_id)
        assert (await text_of(context, session_id)).splitlines()[0] == "two, three"


async def drained(get: "object") -> list[ServerEvent]:
    assert callable(get)
    events = []
    while (event := await get()) is not None:
        events.append(event)
    return events


async def test_a_final_stays_in_the_journal_beside_its_newest_correction(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        session_id = await spoken(peer)
        for text in ("first", "second"):
            await say(context, session_id, text)
        messages = await kept(context, session_id)
    assert [message["text"] for message in messages if message["type"] == "final"] == ["two three four"]
    assert corrections(messages) == [(2, "second")]


async def test_a_correction_is_durable_when_it_is_answered(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    async with gateway(tmp_path / "first") as context, call(context) as peer:
        session_id = await spoken(peer)
        await say(context, session_id, "corrected")
        left = await killed(context, tmp_path)
    async with gateway(left) as context:
        assert corrections(await kept(context, session_id)) == [(1, "corrected")]


async def test_a_client_that_resumes_gets_the_newest_correction_that_it_missed(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as peer:
            await peer.send(START, UTTERANCE)
            before = await peer.receive_until("final")
            await peer.hang_up()
        session_id = str(before[0]["session_id"])
        for text in ("first", "second"):
            await say(context, session_id, text)
        async with call(context) as peer:
            await peer.send(resume(before[0], after_seq=before[-1]["seq"]), STOP)
            assert corrections(await peer.receive_all()) == [(2, "second")]


async def test_a_session_that_another_process_resumes_keeps_its_corrections(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    async with gateway(tmp_path / "first") as context, call(context) as peer:
        await peer.send(START, UTTERANCE)
        before = await peer.receive_until("final")
        session_id = str(before[0]["session_id"])
        await say(context, session_id, "first")
        left = await killed(context, tmp_path)
    async with gateway(left) as context:
        with pytest.raises(SessionOpen, match="waits for its client"):
            await say(context, session_id, "too early")
        async with call(context) as peer:
            await peer.send(resume(before[0], after_seq=before[-1]["seq"]))
            assert corrections(await peer.receive_until("correction")) == [(1, "first")]
            assert (await say(context, session_id, "second", seen=1)).correction.revision == 2
            await peer.send(STOP)
            messages = await peer.receive_all()
    seqs = [message["seq"] for message in messages]
    assert corrections(messages) == [(2, "second")]
    assert seqs == sorted(set(map(int, map(str, seqs))))


async def test_requests_at_once_are_applied_one_after_the_other(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        session_id = await spoken(peer)
        outcomes: list[int | str] = []

        async def ask(text: str, seen: int | None) -> None:
            try:
                outcomes.append((await say(context, session_id, text, seen)).correction.revision)
            except Conflict as error:
                outcomes.append(error.code)

        async with anyio.create_task_group() as tasks:
            for text, seen in (("a", 0), ("b", 0), ("c", None)):
                tasks.start_soon(ask, text, seen)
        assert sorted(map(str, outcomes)) == ["1", "2", "conflict"]


async def test_a_repeated_request_is_answered_without_another_event(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as peer:
            session_id = await spoken(peer)
            first = await say(context, session_id, "corrected", seen=0)
            assert (await say(context, session_id, "corrected", seen=0)).correction == first.correction
        await settled()
        assert corrections(await kept(context, session_id)) == [(1, "corrected")]
        exposed = context.metrics.exposition().decode()
    assert 'livecue_corrections_total{session="live"} 1.0' in exposed


async def test_while_the_journal_fails_a_live_session_is_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        session_id = await spoken(peer)
        assert context.journal is not None

        async def fail(batch: object) -> frozenset[str]:
            raise StateUnavailable("disk is full")

        monkeypatch.setattr(context.journal.store, "write", fail)
        await say(context, session_id, "corrected")
        assert corrections(await peer.receive_until("correction")) == [(1, "corrected")]
        monkeypatch.undo()


async def test_without_a_journal_a_live_session_is_corrected_from_memory() -> None:
    async with open_context() as context:
        async with call(context) as peer:
            session_id = await spoken(peer, {"type": "start", "cues": {"profile": "teams"}})
            for text in ("first", "corrected " * 6):
                made = await say(context, session_id, text.strip())
            assert corrections(await peer.receive_until("correction")) == [(1, "first")]
            assert made.correction.revision == 2
            assert all(len(cue.lines) == 1 for cue in made.correction.cues)
        await settled()
        with pytest.raises(NotFound, match="no session"):
            await say(context, session_id, "third")


async def test_a_disabled_journal_is_no_journal(tmp_path: Path) -> None:
    async with gateway(tmp_path, is_enabled=False) as context, call(context) as peer:
        session_id = await spoken(peer)
        assert (await say(context, session_id, "corrected")).correction.revision == 1


# --- ended -----------------------------------------------------------------------------------------------------------


async def test_a_session_that_has_ended_is_corrected_in_the_journal(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        session_id = await finished(context)
        for text in ("first", "second"):
            await say(context, session_id, text)
        messages = await kept(context, session_id)
        assert context.journal is not None
        entry = await context.journal.find(session_id)
    assert [message["type"] for message in messages[-2:]] == ["finished", "correction"]
    assert corrections(messages) == [(2, "second")]
    assert entry is not None
    assert (entry.outcome, entry.finals, entry.is_complete) == ("finished", 1, True)
    assert entry.ended_s is not None


@pytest.mark.parametrize("is_resumable", [False, True])
async def test_its_cues_keep_the_profile_that_its_client_asked_for(tmp_path: Path, is_resumable: bool) -> None:
    text = "a long line of words " * 5
    start: Message = {"type": "start", "cues": {"profile": "teams"}, "resumable": is_resumable}
    async with gateway(tmp_path) as context:
        session_id = await finished(context, start)
        assert all(len(cue.lines) == 1 for cue in (await say(context, session_id, text.strip())).correction.cues)
        other = await finished(context, {"type": "start"})
        assert any(len(cue.lines) == 2 for cue in (await say(context, other, text.strip())).correction.cues)


async def test_a_session_that_is_ending_is_corrected_once_its_end_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        session_id = await spoken(peer)
        assert context.journal is not None
        write, may_write = context.journal.store.write, anyio.Event()

        async def write_later(batch: object) -> frozenset[str]:
            await may_write.wait()
            return await write(batch)  # type: ignore[arg-type]  # a batch

        monkeypatch.setattr(context.journal.store, "write", write_later)
        await peer.send(STOP)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say, context, session_id, "corrected")
            await settled()
            may_write.set()
        assert [message["type"] for message in (await kept(context, session_id))[-2:]] == ["finished", "correction"]


async def test_a_session_that_ends_while_it_is_read_is_corrected_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        session_id = await spoken(peer)
        is_first = True

        async def end() -> None:
            await peer.send(STOP)
            await settled()

        def read(messages: Iterable[str], request: CorrectionRequest, profile: CueProfile) -> Revision:
            nonlocal is_first
            if is_first:
                is_first = False
                from_thread.run(end)
            return revision_of(messages, request, profile)

        monkeypatch.setattr("gateway.session.corrections.revision_of", read)
        await say(context, session_id, "corrected")
        assert [message["type"] for message in (await kept(context, session_id))[-2:]] == ["finished", "correction"]


async def test_a_session_that_a_crash_left_open_is_corrected_once_its_client_can_resume_no_more(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        assert context.journal is not None
        await settled()
        await context.journal.maintenance.sweep()  # after the gateway's own; the next is a minute later
        with closing(JournalFile(tmp_path / "journal.db")) as file:
            opening = Opening("left", "native", None, time.time() - 1_000, {})
            file.write(Batch([opening], {("left", 1): ready(), ("left", 2): final(2, 0)}))
        assert (await say(context, "left", "corrected")).correction.revision == 1
        entry = await context.journal.find("left")
    assert entry is not None
    assert entry.outcome == "interrupted"


async def test_a_deleted_session_is_not_found(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        session_id = await finished(context)
        assert context.journal is not None
        await context.journal.delete(session_id)
        with pytest.raises(NotFound, match=f"no session '{session_id}'"):
            await say(context, session_id, "corrected")


# --- several gateways ------------------------------------------------------------------------------------------------


async def test_a_session_that_is_live_at_another_gateway_is_corrected_there_only(redis: RedisServer) -> None:
    async with gateways(redis.settings()) as (one, other), call(one) as peer:
        session_id = await spoken(peer)
        with pytest.raises(SessionOpen, match="is open at another gateway"):
            await say(other, session_id, "corrected")
        assert (await say(one, session_id, "corrected")).correction.revision == 1


async def test_a_session_that_has_ended_is_corrected_at_any_gateway(redis: RedisServer) -> None:
    async with gateways(redis.settings()) as (one, other):
        session_id = await finished(one)
        revisions = [
            (await say(context, session_id, f"at {index}")).correction.revision
            for index, context in enumerate((other, one, other))
        ]
        assert revisions == [1, 2, 3]
        assert corrections(await kept(one, session_id)) == [(3, "at 2")]
        assert await text_of(other, session_id) == "at 2\n"


async def test_of_two_gateways_that_correct_at_once_the_slower_is_refused(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateways(redis.settings()) as (one, other):
        session_id = await finished(one)
        assert one.journal is not None
        write = one.journal.write

        async def write_late(batch: Batch) -> frozenset[str]:
            await say(other, session_id, "faster")
            return await write(batch)

        monkeypatch.setattr(one.journal, "write", write_late)
        with pytest.raises(Conflict, match="try again"):
            await say(one, session_id, "slower")
        assert corrections(await kept(one, session_id)) == [(1, "faster")]


async def test_a_correction_at_a_gateway_that_has_lost_the_session_is_refused(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateways(redis.settings()) as (one, other), call(one) as peer:
        session_id = await spoken(peer)
        assert other.journal is not None
        await other.journal.store.acquire(session_id)
        with pytest.raises(SessionMoved, match="continues at another gateway"):
            await say(one, session_id, "too late")
        assert corrections(await kept(other, session_id)) == []
        assert [message["type"] for message in await peer.receive_all() if message["type"] == "correction"] == []
