"""The sessions in memory: one resume at a time for each, and a limit of detached ones."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.delivery.send_queue import SendQueue
from gateway.errors import Disconnected
from gateway.session.context import LiveSessions, SessionContext
from gateway.session.overload import Overload
from gateway.session.session import Session
from gateway.wire import Start
from tests.journals import running_journal
from tests.sessions import ANONYMOUS, open_context


async def test_resumes_of_one_session_take_turns_and_those_of_others_do_not_wait() -> None:
    live, order = LiveSessions(), list[str]()
    is_free = anyio.Event()

    async def resume(session_id: str, name: str, until: anyio.Event | None = None) -> None:
        async with live.resuming(session_id):
            order.append(name)
            if until is not None:
                await until.wait()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resume, "a", "first", is_free)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(resume, "a", "second")
            tasks.start_soon(resume, "b", "other")
            await anyio.wait_all_tasks_blocked()
            assert order == ["first", "other"]
            is_free.set()
    assert order == ["first", "other", "second"]


async def test_a_cancelled_resume_lets_the_next_one_continue() -> None:
    live = LiveSessions()

    async def resume_forever() -> None:
        async with live.resuming("a"):
            await anyio.sleep_forever()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resume_forever)
            tasks.start_soon(resume_forever)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        async with live.resuming("a"):
            pass


async def test_a_session_is_found_while_it_is_added() -> None:
    async with open_context() as context:
        session = Session(context, Start(), ANONYMOUS)
        live = LiveSessions()
        with live.added(session):
            assert live.find(session.session_id) is session
            assert [*live] == [session]
        assert live.find(session.session_id) is None
        assert len(live) == 0


async def test_beyond_the_limit_the_oldest_detached_session_of_the_largest_owner_is_evicted(tmp_path: Path) -> None:
    async with running_journal(tmp_path / "journal.db") as journal, open_context(journal=journal) as context:
        sessions = [detached(context, owner) for owner in ("ada", "bob", "bob")]
        context.live.make_room(None)
        context.live.make_room(3)
        assert [session.is_detached for session in sessions] == [True, True, True]
        context.live.make_room(2)
        assert [session.is_detached for session in sessions] == [True, False, True]


async def test_clients_that_lost_their_connection_have_room_to_resume_in_a_full_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_journal(tmp_path / "journal.db") as journal, open_context(journal=journal) as context:
        assert context.free(0) is None
        monkeypatch.setattr(Overload, "free", lambda overload, connected: 0)
        assert context.free(1) == 0
        for owner in ("ada", "bob"):
            detached(context, owner)
        assert context.free(1) == 2


def detached(context: SessionContext, owner: str) -> Session:
    """Open a session whose client disconnects at once."""
    session = Session(context, Start(resumable=True), replace(ANONYMOUS, owner=owner))
    queue = SendQueue(100)
    session.open(queue, lambda audio_s: None)
    session.detach(queue, Disconnected("the client is gone"))
    return session
