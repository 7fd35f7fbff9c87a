"""Which sinks a session has, in whole sessions: chosen by the operator or the client, reported, and resumed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr

from gateway.access.scopes import Scope
from gateway.delivery.broadcast import SessionInfo
from gateway.errors import ConfigurationError
from gateway.journal.journal import Journal
from gateway.session.context import SessionContext
from gateway.settings import SinkSettings, load_settings
from gateway.sink_settings import SinkTargetSettings
from gateway.sinks.service import Sinks, configured_sinks
from gateway.sinks.sink import Item, SinkUnavailable
from tests.events import final, ready
from tests.journals import NOW_S, Reader, running_journal
from tests.sessions import call, open_context, settled, silence, speech
from tests.sinks import VirtualTime, scripted

ANYBODY = SessionInfo("native", None, 0.0)
ZOOM = "https://wmcc.zoom.us/closedcaption?id=1&signature=very-secret"
HOOK = "https://hooks.example.com/#secret=0123456789abcdef"


def settings(*names: str, automatic: bool = True, keys: tuple[str, ...] = ()) -> SinkSettings:
    return SinkSettings(tuple(SinkTargetSettings(name, SecretStr(f"{name}:"), automatic, keys) for name in names))


@asynccontextmanager
async def with_sinks(
    options: SinkSettings, journal: Journal | None = None, time: VirtualTime | None = None
) -> AsyncIterator[SessionContext]:
    async with open_context(journal=journal) as context:
        sinks = Sinks(options, journal, context.tasks, (time or VirtualTime()).pacing())
        yield replace(context, sinks=sinks)


async def start(context: SessionContext, info: SessionInfo = ANYBODY, **fields: object) -> list[dict[str, object]]:
    """Run a session of one utterance with these fields in its start, and return its messages."""
    async with call(context, subject=info) as peer:
        await peer.send({"type": "start", "partials": False, **fields}, speech(1.0) + silence(1.0), {"type": "stop"})
        return await peer.receive_all()


async def test_sinks_know_how_much_silence_an_utterance_keeps() -> None:
    with scripted("one", Item.FINAL) as one:
        async with with_sinks(settings("one")) as context:
            await start(context)
            await start(context, endpointing={"pause_ms": 100})
            await settled()
        assert [delivery.session.pad_after_s for delivery in one.taken] == [0.2, 0.1]


async def test_a_live_session_goes_to_all_automatic_sinks_and_a_file_to_none() -> None:
    with scripted("one", Item.FINAL) as one, scripted("two", Item.FINAL) as two:
        options = settings("one")
        options = replace(options, targets=(*options.targets, *settings("two", automatic=False).targets))
        async with with_sinks(options) as context:
            await start(context)
            await start(context, file=True)
            await start(context, sinks=["two"])
            await start(context, sinks=[])
            await settled()
    assert (len(one.taken), len(two.taken)) == (1, 1)


async def test_the_client_is_sent_the_state_of_its_sinks() -> None:
    time = VirtualTime()
    with scripted("one", Item.FINAL) as sink:
        sink.failure = SinkUnavailable("status 503")
        async with with_sinks(settings("one"), time=time) as context, call(context) as peer:
            await peer.send({"type": "start", "partials": False}, speech(1.0) + silence(1.0))
            messages = await peer.receive_until("sinks")
            assert messages[-1]["sinks"] == [
                {"name": "one", "state": "ok", "sent": 0, "queued": 0, "dropped": 0, "message": None}
            ]
            await peer.receive_until("final")
            await time.pass_time(1.0)
            messages = await peer.receive_until("sinks")
            assert messages[-1]["sinks"] == [
                {"name": "one", "state": "retrying", "sent": 0, "queued": 1, "dropped": 0, "message": "status 503"}
            ]
            text = context.metrics.exposition().decode()
            assert "livecue_sink" not in text, "only a gateway watches them"


async def test_sinks_of_a_key_are_for_its_sessions_only() -> None:
    with scripted("one", Item.FINAL) as sink:
        async with with_sinks(settings("one", keys=("ada",))) as context:
            await start(context)
            refused = await start(context, sinks=["one"])
            assert (refused[-1]["code"], refused[-1]["field"]) == ("protocol_error", "sinks")
            assert refused[-1]["message"] == "no sink 'one': expected none"
            await start(context, SessionInfo("native", "ada", 0.0))
            await settled()
    assert len(sink.taken) == 1


@pytest.mark.parametrize(
    ("sinks", "message"),
    [
        (["other"], "no sink 'other': expected one"),
        (["one"] * 9, "9 sinks: at most 8 allowed"),
        (["one", "one"], "two sinks have the same name"),
        ([{"name": "mine", "url": HOOK}], "host 'hooks.example.com' is not one of sinks.client_hosts"),
        ([{"name": "mine", "url": "fax:1"}], "scheme 'fax': expected"),
        ([{"name": "one", "url": ZOOM}], "the operator has a sink of that name"),
    ],
)
async def test_what_a_client_may_not_choose_is_refused(sinks: list[object], message: str) -> None:
    with scripted("one", Item.FINAL):
        async with with_sinks(settings("one")) as context:
            refused = await start(context, replace(ANYBODY, scopes=frozenset(Scope)), sinks=sinks)
    assert message in str(refused[-1]["message"])


async def test_a_sink_of_its_own_needs_a_scope_and_its_url_stays_secret() -> None:
    async with with_sinks(SinkSettings()) as context:
        fields = {"sinks": [{"name": "mine", "url": ZOOM}]}
        refused = await start(context, replace(ANYBODY, scopes=frozenset({Scope.INGEST})), **fields)
        assert "needs a key with the scope sinks" in str(refused[-1]["message"])
        assert "very-secret" not in str(refused)


async def test_what_was_not_acknowledged_is_sent_after_a_restart(tmp_path: Path) -> None:
    path, time = tmp_path / "journal.db", VirtualTime(NOW_S)
    with scripted("one", Item.FINAL) as sink:
        sink.failure = SinkUnavailable("status 503")
        async with running_journal(path) as journal, with_sinks(settings("one"), journal, time) as context:
            await start(context)
            await settled()
        assert sink.taken == []
        sink.failure = None
        async with running_journal(path) as journal, with_sinks(settings("one"), journal, time) as context:
            assert context.sinks is not None
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(context.sinks.resume, 60.0)
                while not sink.taken:
                    await settled()
                tasks.cancel_scope.cancel()
            await settled()
    assert len(sink.taken) == 1


async def test_a_session_that_a_crash_left_open_is_sent_once_it_is_over_and_an_old_one_never(tmp_path: Path) -> None:
    time = VirtualTime(NOW_S + 10.0)
    with scripted("one", Item.FINAL) as sink:
        async with (
            running_journal(tmp_path / "journal.db") as journal,
            with_sinks(settings("one"), journal, time) as context,
        ):
            assert context.sinks is not None
            Reader(journal).write(ready(), final(2), final(3, 2))
            await journal.flush()
            await journal.store.save_sink_position("a", "one", '{"acknowledged":2,"sent":1}')
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(context.sinks.resume, 60.0)
                await time.until_somebody_sleeps(60.0)
                assert sink.taken == []
                await time.pass_time(61.0)
                while not sink.taken:
                    await settled()
            time.now_s += 3_600.0
            await journal.store.save_sink_position("a", "one", '{"acknowledged":2,"sent":1}')
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(context.sinks.resume, 0.0)
                await time.until_somebody_sleeps(0.0)
                await time.pass_time(1.0)
    assert [(each.seq, each.number) for each in sink.taken] == [(3, 2)]


async def test_a_drain_waits_for_sinks_that_work_and_not_for_those_that_are_down() -> None:
    time = VirtualTime()
    with scripted("one", Item.FINAL) as sink:
        async with with_sinks(settings("one"), time=time) as context:
            assert context.sinks is not None
            sink.failure = SinkUnavailable("status 503")
            await start(context)
            await settled()
            await context.sinks.settle()
            assert sink.taken == []
            assert [each.state for each in context.sinks.all()] == ["retrying"]


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([{"name": "a", "url": ZOOM}, {"name": "a", "url": ZOOM}], "two sinks are called 'a'"),
        ([{"name": "a", "url": "fax:1"}], "scheme 'fax'"),
    ],
)
def test_wrong_sinks_of_the_settings_are_refused(targets: list[dict[str, str]], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        configured_sinks(load_settings({"sinks": {"targets": targets}}).sinks)


def test_a_wrong_name_is_refused_without_its_url() -> None:
    with pytest.raises(ConfigurationError, match=r"sinks\.targets\.0\.name") as caught:
        load_settings({"sinks": {"targets": [{"name": "Not Good", "url": ZOOM}]}})
    assert "very-secret" not in str(caught.value)


def test_sinks_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SINKS__TARGETS", f'[{{"name": "zoom", "url": "{ZOOM}"}}]')
    monkeypatch.setenv("LIVECUE_SINKS__CLIENT_HOSTS", "hooks.example.com, *.example.org")
    loaded = load_settings().sinks
    assert [each.target.kind for each in configured_sinks(loaded)] == ["zoom"]
    assert loaded.client_hosts == ("hooks.example.com", "*.example.org")
