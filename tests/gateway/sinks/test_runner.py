"""What a sink that fails costs: nothing for others, and nothing lost where the sink allows repeating."""

from pathlib import Path

import pytest

from gateway.delivery.broadcast import Loss
from gateway.sinks.progress import SinkOutcome, SinkState
from gateway.sinks.sink import EventRefused, Item, SinkRefused, SinkUnavailable
from gateway.wire import Finished
from tests.events import final, final_cue, partial_cue, ready
from tests.journals import Reader, running_journal
from tests.sessions import settled
from tests.sinks import OPENED_S, ScriptedSink, VirtualTime, scripted, session_of


def seqs(sink: ScriptedSink) -> list[int]:
    return [delivery.seq for delivery in sink.taken]


async def test_a_sink_gets_what_it_takes_in_order_and_numbered() -> None:
    with scripted("one", Item.CUE, Item.FINAL) as sink:
        async with session_of("one") as stage:
            stage.publish(ready(), partial_cue(2), final_cue(3), final(4), final_cue(5, 2), final(6, 2))
            await settled()
    assert [(each.seq, each.number, each.item) for each in sink.taken] == [
        (3, 1, Item.CUE),
        (4, 2, Item.FINAL),
        (5, 3, Item.CUE),
        (6, 4, Item.FINAL),
    ]


async def test_a_sink_that_is_down_for_a_minute_loses_nothing_and_delays_no_other() -> None:
    time = VirtualTime()
    with scripted("down") as down, scripted("up") as up:
        async with session_of("down", "up", time=time) as stage:
            down.failure = SinkUnavailable("connection refused")
            for number in range(30):
                stage.publish(final(number + 1, number + 1))
                await time.pass_time(2.0)
                assert len(up.taken) == number + 1
            assert stage.reports[-1][0][1:] == ("retrying", 0, 30, 0)
            assert stage.messages == ["connection refused", None]
            assert down.taken == []
            down.failure = None
            await time.pass_time(11.0)
            assert seqs(down) == list(range(1, 31))
            await time.pass_time(2.0)
            assert stage.reports[-1][0] == ("down", "ok", 30, 0, 0)
    assert len(down.attempts) - 30 < 15, "the delay between attempts grows"
    assert {each.number for each in down.attempts[:5]} == {1}, "an event that is sent again is the same"


async def test_a_sink_that_never_answers_is_one_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sinks.runner._ATTEMPT_S", 0.01)
    time = VirtualTime()
    with scripted("one") as sink:
        async with session_of("one", time=time) as stage:
            sink.stuck = 1
            stage.publish(final(1))
            while stage.sinks.progress[0].state is not SinkState.RETRYING:
                await settled()
            await time.pass_time(11.0)
            assert seqs(sink) == [1]


async def test_captions_older_than_a_sink_wants_are_lost_counted_and_announced() -> None:
    time = VirtualTime()
    with scripted("one", patience_s=5.0) as sink:
        async with session_of("one", time=time) as stage:
            sink.failure = SinkUnavailable("connection refused")
            for number in range(30):
                stage.publish(final(number + 1, number + 1))
                await time.pass_time(2.0)
            sink.failure = None
            await time.pass_time(11.0)
            stage.publish(final(40, 40))
            await time.pass_time(2.0)
            state, sent, queued, dropped = stage.reports[-1][0][1:]
            assert (state, queued) == ("ok", 0)
            assert sent + dropped == 31
            assert dropped > 20
            assert stage.messages == [f"{dropped} captions were lost"]
            assert stage.counts.outcomes["one", SinkOutcome.DROPPED] == dropped
            assert seqs(sink)[-1] == 40


async def test_partials_are_sent_to_those_who_show_them_and_not_repeated() -> None:
    time = VirtualTime()
    with scripted("one", Item.PARTIAL, Item.CUE) as sink:
        async with session_of("one", time=time) as stage:
            stage.publish(partial_cue(1))
            await settled()
            sink.failure = SinkUnavailable("connection refused")
            stage.publish(partial_cue(2))
            await settled()
            stage.publish(partial_cue(3), partial_cue(4), final_cue(5))
            sink.failure = None
            await time.pass_time(1.0)
    assert seqs(sink) == [1, 5], "the final cue has replaced the partials that waited"
    assert sink.taken[0].number == 1
    assert sink.taken[1].number == 1, "partials are not numbered"


async def test_an_event_that_is_refused_is_lost_alone_and_a_sink_that_is_refused_as_a_whole() -> None:
    time = VirtualTime()
    with scripted("one") as sink:
        async with session_of("one", time=time) as stage:
            sink.failure = EventRefused("too long")
            stage.publish(final(1))
            await settled()
            sink.failure = None
            stage.publish(final(2, 2))
            await time.pass_time(2.0)
            assert stage.reports[-1] == [("one", "ok", 1, 0, 1)]
            assert stage.messages == ["1 caption was lost: too long"]
            sink.failure = SinkRefused("status 410 Gone")
            stage.publish(final(3, 3))
            await settled()
            stage.publish(final(4, 4))
            await time.pass_time(2.0)
            assert stage.reports[-1] == [("one", "failed", 1, 0, 3)]
            assert stage.messages == ["status 410 Gone"]


async def test_a_bug_in_a_sink_ends_that_sink_only(caplog: pytest.LogCaptureFixture) -> None:
    with scripted("bad") as bad, scripted("good") as good:
        bad.failure = ZeroDivisionError("oops")
        async with session_of("bad", "good") as stage:
            stage.publish(final(1), final(2, 2))
            await settled()
            assert [each.state for each in stage.sinks.progress] == ["failed", "ok"]
    assert seqs(good) == [1, 2]
    assert "ZeroDivisionError" in caplog.text


async def test_what_is_acknowledged_survives_a_restart_and_the_rest_is_replayed(tmp_path: Path) -> None:
    path, time = tmp_path / "journal.db", VirtualTime()
    with scripted("one", Item.FINAL) as sink:
        async with running_journal(path) as journal:
            reader = Reader(journal)
            reader.write(ready(), final(2))
            await journal.flush()
            async with session_of("one", journal=journal, time=time) as stage:
                await settled()
                stage.publish(final(2))
                while seqs(sink) != [2]:
                    await settled()
                sink.failure = SinkUnavailable("connection refused")
                reader.write(final(3, 2), final(4, 3))
                await journal.flush()
                stage.publish(final(3, 2), final(4, 3))
                await settled()
                stage.broadcast.is_moving = True  # the gateway stops, and the session goes on elsewhere
        sink.failure = None
        async with running_journal(path) as journal, session_of("one", journal=journal, time=time):
            while len(sink.taken) < 3:
                await settled()
    assert [(each.seq, each.number) for each in sink.taken] == [(2, 1), (3, 2), (4, 3)]


async def test_a_queue_that_overflows_is_read_from_the_journal(tmp_path: Path) -> None:
    time = VirtualTime()
    with scripted("one", Item.FINAL) as sink:
        async with running_journal(tmp_path / "journal.db") as journal:
            reader = Reader(journal)
            async with session_of("one", journal=journal, time=time) as stage:
                sink.failure = SinkUnavailable("connection refused")
                for number in range(1, 1_200):
                    event = final(number, number)
                    reader.write(event)
                    stage.publish(event)
                await journal.flush()
                await settled()
                sink.failure = None
                await time.pass_time(2.0)
                while len(sink.taken) < 1_199:
                    await settled()
    assert seqs(sink) == list(range(1, 1_200))
    assert not stage.broadcaster.losses[Loss.DROPPED], "a sink is no viewer"


async def test_the_time_of_speech_is_that_of_the_wall_clock_also_for_a_sink_that_is_behind() -> None:
    time = VirtualTime(OPENED_S + 10.0)
    with scripted("one", Item.FINAL) as sink:
        sink.failure = SinkUnavailable("connection refused")
        async with session_of("one", time=time) as stage:
            stage.publish(final(1, 1))  # ends at 1.5 s of audio, and is emitted at once
            await time.pass_time(30.0)
            stage.publish(final(2, 2))  # 1 s of audio later: the client had paused
            await time.pass_time(30.0)
            sink.failure = None
            await time.pass_time(11.0)
    assert [each.spoken_at_s for each in sink.taken] == [OPENED_S + 9.5, OPENED_S + 39.5]


async def test_a_finished_session_is_not_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with scripted("one") as sink:
        async with running_journal(path) as journal:
            Reader(journal).write(ready(), final(2), Finished(3, 16_000, 1))
            await journal.flush()
            async with session_of("one", journal=journal):
                while len(sink.taken) < 3:
                    await settled()
            async with session_of("one", journal=journal):
                await settled()
    assert seqs(sink) == [1, 2, 3]
