"""A viewer receives the lasting events of a session so far, then the live ones."""

from collections.abc import Sequence

import anyio
import pytest

from gateway.delivery.broadcast import BACKLOG_EVENTS, VIEWER_EVENTS, Broadcast, Broadcaster, Loss, Viewer
from gateway.wire import (
    Ack,
    CueEvent,
    Details,
    DialectMessage,
    Error,
    Final,
    Finished,
    Latency,
    OfChannel,
    Ready,
    ServerEvent,
    SpeechStarted,
    Warning,
)
from gateway.wire.cue import Cue, CueState
from tests.broadcasts import NATIVE, registered

READY = Ready(1, "a", "scripted", "script", "none", "en")
PARTIAL, FINAL = CueState.PARTIAL, CueState.FINAL


def cue(seq: int, utterance_id: int = 1, cue_id: str = "1.1", state: CueState = PARTIAL) -> CueEvent:
    return CueEvent(seq, Cue(cue_id, utterance_id, seq, 0, 100, (f"version {seq}",), 0, state))


def final(seq: int, utterance_id: int = 1) -> Final:
    return Final(seq, utterance_id, 0, 100, "word", "en", Latency(0, 0, 0, 0))


def watched(*events: ServerEvent) -> Broadcast:
    watching = Broadcaster()
    with registered(watching) as publish:
        for event in events:
            publish(event)
        return watching.open_sessions()["a"]


def backlog(made: Broadcast, after: int = 0) -> Sequence[ServerEvent]:
    with made.subscribe(after) as viewer:
        return viewer.backlog


async def news(viewer: Viewer) -> list[ServerEvent]:
    """Return the events until the viewer is closed."""
    received: list[ServerEvent] = []
    while (event := await viewer.live.get()) is not None:
        received.append(event)
    return received


def test_a_late_viewer_receives_the_lasting_events() -> None:
    events = (READY, SpeechStarted(2, 1, 0), cue(3), cue(4), cue(5, state=FINAL), final(6), Warning(7, "odd", "odd"))
    assert backlog(watched(*events)) == (READY, cue(5, state=FINAL), final(6), Warning(7, "odd", "odd"))


def test_a_late_viewer_receives_the_newest_details() -> None:
    made = watched(READY, Details(2, "first"), final(3), Details(4, "second"))
    assert backlog(made) == (READY, final(3), Details(4, "second"))
    assert made.details == Details(4, "second")


def test_the_newest_partials_of_an_open_utterance_are_kept() -> None:
    events = (READY, cue(2, cue_id="1.1"), cue(3, cue_id="1.2"), cue(4, cue_id="1.1"))
    assert backlog(watched(*events)) == (READY, cue(3, cue_id="1.2"), cue(4, cue_id="1.1"))


def test_a_final_takes_away_the_partials_that_came_to_nothing() -> None:
    events = (READY, cue(2, cue_id="1.1"), cue(3, utterance_id=2, cue_id="2.1"), final(4))
    assert backlog(watched(*events)) == (READY, cue(3, utterance_id=2, cue_id="2.1"), final(4))


def test_errors_of_the_peer_do_not_crowd_out_the_transcript() -> None:
    mistakes = [Error(seq, "protocol_error", "no", fatal=False) for seq in range(3, BACKLOG_EVENTS + 10)]
    last = Error(BACKLOG_EVENTS + 10, "lagging", "too slow", fatal=True)
    assert backlog(watched(READY, final(2), *mistakes, last)) == (READY, final(2), last)


def test_channels_do_not_take_away_each_others_cues() -> None:
    events = (READY, OfChannel(0, cue(2)), OfChannel(1, cue(3)), OfChannel(1, final(4)))
    assert backlog(watched(*events)) == (READY, OfChannel(0, cue(2)), OfChannel(1, final(4)))


def test_a_returning_viewer_receives_the_rest() -> None:
    events = (READY, final(2), final(3, 2), final(4, 3))
    assert backlog(watched(*events), after=3) == (final(4, 3),)


async def test_events_for_the_peer_only_are_not_published() -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        publish(READY)
        with watching.open_sessions()["a"].subscribe(0) as viewer:
            publish(Ack(2, 10, 10))
            publish(DialectMessage("hello"))
            watching.open_sessions()["a"].end()
            assert await news(viewer) == []
        assert backlog(watching.open_sessions()["a"]) == (READY,)


async def test_viewers_receive_everything_until_the_session_is_over() -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        publish(READY)
        with watching.open_sessions()["a"].subscribe(0) as first, watching.open_sessions()["a"].subscribe(0) as second:
            assert watching.viewers == 2
            for event in (SpeechStarted(2, 1, 0), final(3), Finished(4, 100, 1)):
                publish(event)
            watched_now = watching.open_sessions()["a"]
            watched_now.end()
            assert await news(first) == await news(second) == [SpeechStarted(2, 1, 0), final(3), Finished(4, 100, 1)]
        assert watching.viewers == 0
    assert watching.open_sessions() == {}


async def test_a_viewer_that_does_not_read_is_dropped_and_the_others_are_not() -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        publish(READY)
        made = watching.open_sessions()["a"]
        with made.subscribe(0) as asleep, made.subscribe(0) as awake:
            for seq in range(2, VIEWER_EVENTS + 3):
                publish(final(seq, seq))
                assert await awake.live.get() == final(seq, seq)
            assert made.viewers == 1
            assert len(await news(asleep)) == VIEWER_EVENTS
    assert watching.losses[Loss.DROPPED] == 1


async def test_a_slow_viewer_gets_the_newest_partial_and_the_older_ones_are_counted() -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        publish(READY)
        made = watching.open_sessions()["a"]
        with made.subscribe(0) as viewer:
            for seq in (2, 3, 4):
                publish(cue(seq))
            made.end()
            assert await news(viewer) == [cue(4)]
    assert watching.losses == {Loss.REPLACED: 2}


def test_the_backlog_forgets_the_oldest_and_counts_it() -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        publish(READY)
        for seq in range(2, BACKLOG_EVENTS + 12):
            publish(final(seq, seq))
        kept = backlog(watching.open_sessions()["a"])
    assert len(kept) == BACKLOG_EVENTS + 1
    assert kept[:2] == (READY, final(12, 12))
    assert watching.losses[Loss.FORGOTTEN] == 10


def test_a_session_that_is_not_open_yet_or_any_more_is_not_listed() -> None:
    watching = Broadcaster()
    with registered(watching) as publish:
        assert watching.open_sessions() == {}
        publish(READY)
        assert list(watching.open_sessions()) == ["a"]
    assert watching.open_sessions() == {}


def test_a_failing_session_lets_its_viewers_go() -> None:
    watching = Broadcaster()
    with pytest.raises(RuntimeError, match="oops"), registered(watching):
        raise RuntimeError("oops")
    assert watching.open_sessions() == {}


async def test_a_session_waits_for_no_viewer() -> None:
    """What is published is delivered by a task of the broadcast."""
    broadcast = Broadcaster().create(NATIVE)
    broadcast.publish(READY)
    with broadcast.subscribe(0) as viewer:
        broadcast.publish(final(2))
        broadcast.publish(final(3, 2))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broadcast.run)
            assert [await viewer.live.get(), await viewer.live.get()] == [final(2), final(3, 2)]
            tasks.cancel_scope.cancel()


def test_warnings_are_counted_by_code() -> None:
    broadcaster = Broadcaster()
    with registered(broadcaster) as publish:
        publish(READY, Warning(2, "odd", "odd"), OfChannel(1, Warning(3, "odd", "odd")), Warning(4, "even", "even"))
    assert broadcaster.warnings == {"odd": 2, "even": 1}
