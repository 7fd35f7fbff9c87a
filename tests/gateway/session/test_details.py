"""The details of a session are changed where it is open, and at any gateway once it has ended."""

from dataclasses import replace

import pytest

from gateway.errors import Conflict, NotFound, SessionOpen
from gateway.journal.store import Batch
from gateway.session.details import DetailsChange, change_details
from gateway.wire import ChannelName
from tests.gateway.session.test_resume import START, STOP
from tests.redis_servers import RedisServer, gateways
from tests.sessions import call, open_context

NAMES = (ChannelName(0, "Ann"),)


def renamed(title: str) -> DetailsChange:
    return lambda details: replace(details, title=title)


async def test_gateways_change_the_details_of_a_session_one_after_the_other(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateways(redis.settings()) as (one, other):
        assert one.journal is not None
        assert other.journal is not None
        async with call(one) as peer:
            await peer.send(START)
            session_id = str((await peer.receive())["session_id"])
            await change_details(one, session_id, renamed("Council"))
            with pytest.raises(SessionOpen, match="open at another gateway"):
                await change_details(other, session_id, renamed("Court"))
            await peer.send(STOP)
            await peer.receive_all()
        ended = await change_details(one, session_id, renamed("Court"))
        await one.journal.flush()
        named = await change_details(other, session_id, lambda details: replace(details, names=NAMES))
        again = await change_details(one, session_id, renamed("Congress"))
        assert [(each.title, each.names) for each in (ended, named, again)] == [
            ("Court", ()),
            ("Court", NAMES),
            ("Congress", NAMES),
        ]
        entry = await other.journal.find(session_id)
        assert entry is not None
        assert (entry.details, entry.outcome) == (again, "finished")
        kept = [message for _, message in await other.journal.events(session_id) if '"details"' in message]
        assert len(kept) == 1, "each supersedes the one before"

        async def taken(batch: Batch) -> frozenset[str]:
            return frozenset({session_id})

        monkeypatch.setattr(other.journal.store, "write", taken)
        with pytest.raises(Conflict, match="try again"):
            await change_details(other, session_id, renamed("Court"))


async def test_without_a_journal_a_session_that_is_over_is_unknown() -> None:
    async with open_context() as context:
        async with call(context) as peer:
            await peer.send({"type": "start"})
            session_id = str((await peer.receive())["session_id"])
            assert (await change_details(context, session_id, renamed("Council"))).title == "Council"
            await peer.send(STOP)
            await peer.receive_all()
        with pytest.raises(NotFound, match="no session"):
            await change_details(context, session_id, renamed("Court"))
