"""Sessions at the address of a caption event."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gateway.journal.journal import open_journal
from gateway.session.context import SessionContext
from gateway.settings import JournalSettings, Settings
from gateway.sqlite import StateUnavailable
from tests.sessions import Message, call, open_context

START: Message = {"type": "start", "event": "weekly"}


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[SessionContext]:
    settings = Settings(journal=JournalSettings(database=folder / "journal.db"))
    async with open_journal(settings) as journal, open_context(journal=journal) as context:
        yield context


@contextmanager
def failing(context: SessionContext, monkeypatch: pytest.MonkeyPatch, method: str) -> Iterator[None]:
    async def fail(*_: object) -> None:
        raise StateUnavailable("the disk is gone")

    assert context.journal is not None
    with monkeypatch.context() as patch:
        patch.setattr(context.journal.store, method, fail)
        yield


@pytest.mark.parametrize("owner", [None, "ada"])
async def test_an_event_that_is_unknown_or_of_another_owner_refuses_the_session(
    tmp_path: Path, owner: str | None
) -> None:
    async with gateway(tmp_path) as context:
        assert context.journal is not None
        if owner is not None:
            await context.journal.caption_events.add("weekly", owner, None)
        async with call(context) as peer:
            await peer.send(START)
            refused = await peer.receive()
    assert (refused["code"], refused["field"], refused["fatal"]) == ("protocol_error", "event", True)
    assert "PUT /v1/events/weekly" in str(refused["message"])


async def test_a_gateway_without_a_journal_has_no_events() -> None:
    async with open_context() as context, call(context) as peer:
        await peer.send(START)
        assert "need the journal" in str((await peer.receive())["message"])


@pytest.mark.parametrize("method", ["caption_event", "set_caption_event_session"])
async def test_captions_go_on_with_a_warning_while_the_journal_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async with gateway(tmp_path) as context:
        assert context.journal is not None
        await context.journal.caption_events.add("weekly", None, None)
        with failing(context, monkeypatch, method):
            async with call(context) as peer:
                await peer.send(START)
                ready, warning = await peer.receive(), await peer.receive()
        assert (ready["type"], warning["code"]) == ("ready", "event_unavailable")
        event = await context.journal.caption_events.find("weekly")
    assert event is not None
    assert event.session_id is None
