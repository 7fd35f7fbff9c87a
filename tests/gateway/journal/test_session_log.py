"""The event log of one session."""

from gateway.errors import Draining
from gateway.journal.ordered_delivery import PendingEvent
from gateway.journal.session_log import SessionLog
from gateway.wire import ServerEvent, Warning
from tests.events import final, partial_cue
from vad.errors import LivecueError


class Sink:
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.events: list[ServerEvent] = []
        self.errors: list[LivecueError | None] = []

    def publish(self, event: ServerEvent) -> None:
        self.events.append(event)

    def close(self, error: LivecueError | None) -> None:
        self.errors.append(error)


class HoldingRecorder:
    """Holds finals."""

    def __init__(self) -> None:
        self.recorded: list[PendingEvent] = []

    def record(self, session_id: str, pending: PendingEvent) -> None:
        assert session_id == "a"
        pending.is_held = pending.event == final(2)
        self.recorded.append(pending)


def test_without_a_recorder_events_are_published_at_once() -> None:
    sink = Sink()
    log = SessionLog("a", sink, lambda: 9)
    log.append(final(1))
    log.append_warning("odd", "message")
    assert sink.events == [final(1), Warning(9, "odd", "message")]
    assert log.next_pending_seq is None


def test_a_held_event_and_those_after_it_are_published_on_release() -> None:
    sink, recorder = Sink(), HoldingRecorder()
    log = SessionLog("a", sink, lambda: 9, recorder)
    for event in (partial_cue(1), final(2), partial_cue(3, 2)):
        log.append(event)
    assert sink.events == [partial_cue(1)]
    assert log.next_pending_seq == 2
    log.release(recorder.recorded[1])
    assert sink.events == [partial_cue(1), final(2), partial_cue(3, 2)]


def test_the_sink_is_closed_after_the_last_pending_event_and_later_events_are_discarded() -> None:
    sink, recorder, error = Sink(), HoldingRecorder(), Draining("the gateway is stopping")
    log = SessionLog("a", sink, lambda: 9, recorder)
    log.append(final(2))
    log.close(error)
    log.append(final(3))
    assert (sink.events, sink.errors) == ([], [])
    log.release(recorder.recorded[0])
    assert (sink.events, sink.errors) == ([final(2)], [error])
    assert len(recorder.recorded) == 1, "a discarded event is not recorded either"
