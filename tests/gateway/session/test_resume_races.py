"""Sessions that are resumed at the worst of moments."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from threading import Event as ThreadEvent

import anyio
import numpy as np
from anyio.lowlevel import checkpoint

from decoder.engines.scripted import ScriptedEngine
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind
from gateway.delivery.broadcast import Broadcaster
from gateway.delivery.event_publisher import EventPublisher
from gateway.delivery.send_queue import SendQueue
from gateway.errors import InsufficientCredits
from gateway.journal.event_json import event_json
from gateway.journal.journal import Journal
from gateway.journal.journal_file import JournalFile
from gateway.journal.recording import recordings_of
from gateway.journal.sqlite_store import SqliteStore
from gateway.journal.store import Batch
from gateway.session.context import SessionContext
from gateway.settings import JournalSettings
from gateway.sqlite import StateUnavailable
from tests.audio import tone
from tests.broadcasts import NATIVE
from tests.gateway.session.test_resume import (
    RATE_HZ,
    START,
    STOP,
    gateway,
    killed,
    kinds,
    part,
    received_so_far,
    resume,
    spans,
    spoken_audio,
    texts,
    uncut,
)
from tests.sessions import SETTINGS, call, open_context, pcm, settled, silence, speech
from vad.errors import LivecueError
from vad.media_file import Media


class SlowReads(JournalFile):
    """Reads events only when it is allowed, and can lose its file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.may_read, self.reads = ThreadEvent(), ThreadEvent()
        self.may_read.set()
        self.is_unreadable = self.is_full = False

    def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, str]]:
        """Read, and wait before the answer."""
        if self.is_unreadable:
            raise StateUnavailable("the disk is gone")
        rows = super().events(session_id, after, limit)
        self.reads.set()
        assert self.may_read.wait(10)
        return rows

    def write(self, batch: Batch) -> None:
        """Write, unless there is no room."""
        if self.is_full:
            raise StateUnavailable("the disk is full")
        super().write(batch)


class PatientEngine(ScriptedEngine):
    """Answers finals only when it is allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = anyio.Event()

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Answer."""
        if any(request.kind is not RequestKind.PARTIAL for request in batch):
            await self.may_answer.wait()
        return await super().decode(batch)


@asynccontextmanager
async def on_store(store: JournalFile) -> AsyncIterator[SessionContext]:
    """A gateway whose journal is in that store."""
    journal = Journal(SqliteStore(store), JournalSettings(), SETTINGS.grace_s)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        async with open_context(journal=journal) as context:
            yield context
        tasks.cancel_scope.cancel()


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not is_so():
            await checkpoint()


# --- two at once -------------------------------------------------------------------------------------------------


async def test_the_second_of_two_simultaneous_resumes_after_a_restart_takes_over(tmp_path: Path) -> None:
    async with gateway(tmp_path / "first") as context, call(context) as peer:
        await peer.send(START, spoken_audio()[: 4 * RATE_HZ * 2])
        ready, *_ = [await peer.receive(), *await received_so_far(peer)]
        left = await killed(context, tmp_path)
    async with gateway(left) as context, call(context) as first, call(context) as second:
        await first.send(resume(ready))
        await second.send(resume(ready))
        assert [(await first.receive_all())[-1]["code"]] == ["resumed_elsewhere"]
        again = await second.receive()
        await second.send(spoken_audio()[int(str(again["next_sample"])) * 2 :], STOP)
        messages = [again, *await second.receive_all()]
    assert spans(messages) == spans(await uncut(tmp_path / "uncut"))


async def test_events_emitted_while_the_journal_is_read_reach_the_second_connection(tmp_path: Path) -> None:
    store = SlowReads(tmp_path / "journal.db")
    async with on_store(store) as context, call(context) as first, call(context) as second:
        await first.send(START, silence(0.5))
        ready = await first.receive()
        await settled()
        store.reads.clear()
        store.may_read.clear()
        await second.send(resume(ready, after_seq=1))
        await until(store.reads.is_set)
        await first.send({"type": "flush", "id": "a"}, speech(1.0), silence(1.0))
        assert kinds(await first.receive_until("flushed"))[-1] == "flushed"
        assert kinds(await first.receive_until("final"))[-1] == "final"  # a tenth of a second is over
        store.may_read.set()
        assert (await second.receive())["type"] == "ready"
        await second.send(STOP)
        messages = await second.receive_all()
    assert "flushed" in kinds(messages)
    assert len(texts(messages)) == 1
    seqs = [int(str(message["seq"])) for message in messages]
    assert seqs == sorted(set(seqs))


async def test_a_replaced_connection_receives_no_more_of_its_backlog(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as peer:
            await peer.send(START)
            ready = await peer.receive()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(peer.send, *[silence(1.0) + speech(0.5)] * 20)
                finals = 0
                while finals < 19:
                    finals += (await peer.receive())["type"] == "final"
            await settled()
            await part(peer)
        async with call(context) as lazy, call(context) as second:
            await lazy.send(resume(ready))
            await settled()
            await second.send(resume(ready), STOP)
            assert kinds(await second.receive_all())[-1] == "finished"
            messages = await lazy.receive_all()
            assert messages[-1]["code"] == "resumed_elsewhere"
            assert len(messages) < 30


# --- at the end --------------------------------------------------------------------------------------------------


async def test_a_session_resumed_while_it_ends_is_delivered_to_its_end(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        context = replace(context, recordings=tmp_path)  # which are closed in a thread
        async with call(context) as first:
            await first.send(START, silence(0.5), speech(1.0))
            ready = await first.receive()
            (session,) = context.live
            await settled()
            await first.send(STOP)
            await until(lambda: not session.accepts_audio)
            await part(first)
        async with call(context) as second:
            await until(lambda: session.is_over)
            assert context.live.find(session.session_id) is session
            await second.send(resume(ready, after_seq=1))
            with anyio.fail_after(5):
                messages = await second.receive_all()
    assert kinds(messages)[-1] == "finished"


async def test_a_session_finished_before_its_gateway_was_killed_is_delivered_to_its_end(tmp_path: Path) -> None:
    async with gateway(tmp_path / "first") as context, call(context) as first:
        await first.send(START, silence(0.5), speech(1.0), STOP)
        messages = await first.receive_all()
        left = await killed(context, tmp_path)
    with closing(sqlite3.connect(left / "journal.db")) as database, database:
        database.execute("UPDATE sessions SET ended_s = NULL, outcome = NULL")  # it is written a second later
    async with gateway(left) as context, call(context) as second:
        await second.send(resume(messages[0], after_seq=2))
        assert kinds(await second.receive_all())[-1] == "finished"
        assert second.transport.close_code == 1000
        assert len(context.live) == 0


async def test_a_session_whose_end_cannot_be_written_does_not_restart(tmp_path: Path) -> None:
    store = SlowReads(tmp_path / "journal.db")
    async with on_store(store) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5), speech(1.0))
            ready = await first.receive()
            await settled()
            store.is_full = True
            await first.send(STOP)
            await first.receive_all()
        await until(lambda: not len(context.live))
        async with call(context) as second:
            await second.send(resume(ready, after_seq=1))
            assert kinds(await second.receive_all())[-1] == "finished"
        assert len(context.live) == 0
        store.is_full = False


async def test_a_resume_at_the_end_of_the_grace_succeeds() -> None:
    publisher = EventPublisher(Broadcaster().create(NATIVE), None)
    given_up = False

    async def wait() -> None:
        nonlocal given_up
        await publisher.detached_for(0.0)
        given_up = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await checkpoint()
        publisher.attach(SendQueue(10))
        await settled()
        tasks.cancel_scope.cancel()
    assert not given_up


async def test_a_session_that_fails_to_stop_is_still_over_and_disturbs_no_other(tmp_path: Path) -> None:
    async with gateway(tmp_path, session=replace(SETTINGS, max_waiting=1)) as context:
        names = []
        for first_bytes in (b"fLaC", b"\0\0"):
            async with call(context) as peer:
                await peer.send(START, first_bytes)
                names.append(str((await peer.receive())["session_id"]))
                await settled()
                await part(peer)
        await until(lambda: len(context.live) == 1)
        assert [session.session_id for session in context.live] == names[1:]
        assert context.journal is not None
        entry = await context.journal.find(names[0])
        assert entry is not None
        assert entry.outcome == "invalid_audio"


async def test_audio_is_ignored_once_a_session_is_over(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        await peer.send(START)
        await peer.receive()
        (session,) = context.live
        await peer.send(silence(60.0))
        await until(lambda: session.received_s > 0)
        session.fail(LivecueError("it fails"))
        received = session.received_s
        await peer.receive_all()
        assert session.received_s == received < 59


async def test_a_session_that_waits_when_its_gateway_stops_has_not_finished(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        async with call(context) as peer:
            await peer.send(START, silence(0.5))
            ready = await peer.receive()
            await settled()
            await part(peer)
        metrics = context.metrics
    assert 'livecue_sessions_ended_total{outcome="finished"}' not in metrics.exposition().decode()
    async with gateway(tmp_path) as context, call(context) as peer:
        await peer.send(resume(ready))
        assert (await peer.receive())["type"] == "ready"


# --- the journal fails -------------------------------------------------------------------------------------------


async def test_a_resume_while_the_journal_is_unreadable_may_be_retried(tmp_path: Path) -> None:
    store = SlowReads(tmp_path / "journal.db")
    async with on_store(store) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5))
            ready = await first.receive()
            await settled()
            await part(first)
        store.is_unreadable = True
        async with call(context) as second:
            await second.send(resume(ready))
            assert await second.receive_all() == []
            assert second.transport.close_code == 1013
        store.is_unreadable = False
        async with call(context) as third:
            await third.send(resume(ready))
            assert (await third.receive())["type"] == "ready"


async def test_numbers_continue_above_events_that_were_sent_but_never_written(tmp_path: Path) -> None:
    async with gateway(tmp_path / "first") as context, call(context) as first:
        await first.send(START, silence(0.5))
        ready, *_ = [await first.receive(), *await received_so_far(first)]
        left = await killed(context, tmp_path)
    async with gateway(left) as context, call(context) as second:
        await second.send(resume(ready, after_seq=50_000), spoken_audio(), STOP)
        messages = await second.receive_all()
    assert len(texts(messages)) == 3
    assert all(int(str(message["seq"])) > 50_000 for message in messages[1:])


# --- gaps --------------------------------------------------------------------------------------------------------


async def test_a_long_gap_does_not_make_a_session_lag(tmp_path: Path) -> None:
    engine = PatientEngine()
    async with gateway(tmp_path, engine) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5), speech(1.0))
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context) as second:
            await second.send(resume(ready, held_sample=200 * RATE_HZ))
            messages = await second.receive_until("gap")
            await settled()
            engine.may_answer.set()
            await second.send(silence(1.0), STOP)
            messages += await second.receive_all()
    assert kinds(messages)[-1] == "finished"
    assert messages[-1]["audio_s"] == 201.0
    assert len(texts(messages)) == 1


async def test_a_long_gap_is_no_late_start(tmp_path: Path) -> None:
    async with gateway(tmp_path, session=replace(SETTINGS, start_timeout_s=0.1)) as context:
        async with call(context) as first:
            await first.send(START, silence(0.5))
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context) as second:
            await second.send(resume(ready, held_sample=1_800 * RATE_HZ), STOP)
            assert (await second.receive_all())[-1]["audio_s"] == 1_800.0


async def test_more_than_an_hour_cannot_be_missed_over_a_restart(tmp_path: Path) -> None:
    async with gateway(tmp_path / "first") as context, call(context) as first:
        await first.send(START, silence(0.5))
        ready, *_ = [await first.receive(), *await received_so_far(first)]
        left = await killed(context, tmp_path)
    async with gateway(left) as context:
        async with call(context) as second:
            await second.send(resume(ready, held_sample=3_601 * RATE_HZ))
            (error,) = await second.receive_all()
            assert (error["code"], error["field"]) == ("protocol_error", "held_sample")
        async with call(context) as third:
            await third.send(resume(ready))
            assert (await third.receive())["type"] == "ready"


# --- who pays ----------------------------------------------------------------------------------------------------


async def test_audio_is_charged_once_however_often_it_is_sent_and_lost_audio_is_not(tmp_path: Path) -> None:
    paid: list[float] = []
    async with gateway(tmp_path / "first") as context, call(context, charge=paid.append) as first:
        await first.send(START, spoken_audio()[: 4 * RATE_HZ * 2])
        ready, *_ = [await first.receive(), *await received_so_far(first)]
        left = await killed(context, tmp_path)
        assert sum(paid) == 4.0
    async with gateway(left) as context:
        async with call(context, charge=paid.append) as second:
            await second.send(resume(ready))
            assert (await second.receive())["next_sample"] == 0
            await second.send(spoken_audio()[: 5 * RATE_HZ * 2])
            await settled()
            await part(second)
        async with call(context, charge=paid.append) as third:
            await third.send(resume(ready, held_sample=60 * RATE_HZ), silence(1.0), STOP)
            await third.receive_all()
    assert 6.0 <= sum(paid) <= 7.0  # the newest ack may lag by a second


async def test_the_resuming_client_pays_and_no_one_else(tmp_path: Path) -> None:
    first_paid: list[float] = []

    def refuse(audio_s: float) -> None:
        raise InsufficientCredits("there is nothing left")

    async with gateway(tmp_path) as context:
        async with call(context, charge=first_paid.append) as first:
            await first.send(START, silence(0.5), speech(1.0))
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context, charge=refuse) as second:
            await second.send(resume(ready), silence(1.0))
            messages = await second.receive_all()
            assert second.transport.close_code == 1008
    assert sum(first_paid) == 1.5
    assert len(texts(messages)) == 1
    assert "insufficient_credits" in [message.get("code") for message in messages]


# --- what is recorded --------------------------------------------------------------------------------------------


async def test_a_recording_has_each_sample_frame_once_and_whole(tmp_path: Path) -> None:
    samples = tone(2.0)
    whole, at = pcm(samples), RATE_HZ * 2 + 1
    async with gateway(tmp_path) as context:
        context = replace(context, recordings=tmp_path)
        async with call(context) as first:
            await first.send(START, whole[:at])
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context) as second:
            await second.send(resume(ready), whole[at // 2 * 2 :], STOP)
            await second.receive_all()
        await until(lambda: not len(context.live))
    (path,) = recordings_of(tmp_path, str(ready["session_id"]))
    with path.open("rb") as file, Media(file, path.name) as media:
        received = b"".join(media.pieces())
    assert np.array_equal(np.frombuffer(received, "<i2"), np.frombuffer(whole, "<i2"))


async def test_a_gap_and_audio_sent_ahead_do_not_stop_a_recording(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context:
        context = replace(context, recordings=tmp_path)
        async with call(context) as first:
            await first.send(START, *[silence(15.0)] * 3)
            ready = await first.receive()
            await settled()
            await part(first)
        async with call(context) as second:
            await second.send(resume(ready, held_sample=300 * RATE_HZ), STOP)
            messages = await second.receive_all()
    assert "warning" not in kinds(messages)


async def test_viewers_never_receive_the_token_of_a_session(tmp_path: Path) -> None:
    async with gateway(tmp_path) as context, call(context) as peer:
        await peer.send(START)
        ready = await peer.receive()
        watched = context.broadcaster.open_sessions()[str(ready["session_id"])]
        assert watched.ready is not None
        assert str(ready["resume_token"]) not in event_json(watched.ready)
