"""Deduplication of the events of a killed gateway that sends some again."""

import pytest

from clients.event_dedup import EventDeduplicator
from gateway.wire import (
    Ack,
    Cue,
    CueEvent,
    CueState,
    Error,
    Final,
    Flushed,
    Gap,
    Latency,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
    Warning,
)
from tests.events import correction


def ready(seq: int) -> Ready:
    return Ready(seq, "s", "e", "m", "d", None, "t")


def final(seq: int, utterance_id: int) -> Final:
    return Final(seq, utterance_id, 0, 1, "words", None, Latency(0, 0, 0, 0))


def cue(seq: int, utterance_id: int, number: int = 1, state: CueState = CueState.FINAL) -> CueEvent:
    return CueEvent(seq, Cue(f"{utterance_id}.{number}", utterance_id, seq, 0, 1, ("words",), 5, state))


def partial(seq: int, utterance_id: int, number: int = 1) -> CueEvent:
    return cue(seq, utterance_id, number, CueState.PARTIAL)


def accepted(*events: ServerEvent) -> list[ServerEvent]:
    seen = EventDeduplicator()
    return [event for event in events if seen.is_new(event)]


def test_a_sequence_number_is_accepted_once() -> None:
    events: list[ServerEvent] = [
        ready(1),
        SpeechStarted(2, 0, 0),
        Ack(3, 5, 5),
        Gap(4, 0, 1),
        Warning(7, "lagging", "m"),
    ]
    assert accepted(*events, ready(7), *events[1:], Ack(8, 9, 9)) == [*events, Ack(8, 9, 9)]


def test_corrections_are_accepted_whatever_their_revision() -> None:
    """A killed gateway may not have recorded the last one, and then gives its revision again."""
    events: list[ServerEvent] = [ready(1), final(2, 0), correction(3, 0, "one"), correction(104, 0, "other")]
    assert accepted(*events, correction(104, 0, "other")) == events


@pytest.mark.parametrize(
    ("before", "again"),
    [
        ([SpeechStarted(2, 0, 0)], SpeechStarted(102, 0, 0)),
        ([SpeechEnded(2, 0, 0, 9, "silence")], SpeechEnded(102, 0, 0, 9, "silence")),
        ([cue(2, 0), final(3, 0)], final(103, 0)),
        ([cue(2, 0), final(3, 0)], cue(103, 0, 2)),
        ([cue(2, 0), final(3, 0)], partial(103, 0)),
        ([cue(2, 0)], partial(103, 0)),
        ([final(2, 0), cue(3, 1), partial(4, 1, 2)], final(104, 0)),
    ],
)
def test_an_accepted_event_is_not_accepted_under_another_number(before: list[ServerEvent], again: ServerEvent) -> None:
    assert accepted(ready(1), *before, ready(50), again) == [ready(1), *before]


def test_a_final_that_comes_again_does_not_bring_the_cues_after_it_back() -> None:
    assert accepted(final(1, 0), cue(2, 1), final(103, 0), cue(104, 1)) == [final(1, 0), cue(2, 1)]


def test_an_open_utterance_continues_with_newer_revisions() -> None:
    events: list[ServerEvent] = [
        partial(2, 0),
        partial(103, 0),
        cue(104, 0),
        partial(105, 0, 2),
        final(106, 0),
        partial(107, 1),
    ]
    assert accepted(*events) == events


def test_a_refusal_is_accepted_whatever_its_number() -> None:
    refusal = Error(1, "session_not_found", "m", True)
    assert accepted(ready(1), Ack(9, 1, 1), refusal, Error(1, "protocol_error", "m", False))[-1] == refusal


def test_a_flush_is_answered_as_often_as_it_was_emitted() -> None:
    seen = EventDeduplicator()
    seen.expect("a")
    seen.expect("a")
    assert [seen.is_new(Flushed(number, "a")) for number in range(1, 5)] == [True, True, False, False]


def test_another_session_has_its_own_numbers_and_utterances() -> None:
    seen = EventDeduplicator()
    seen.expect("a")
    before: list[ServerEvent] = [ready(1), cue(2, 0), final(3, 0)]
    assert all(seen.is_new(event) for event in before)
    seen.reset()
    assert all(seen.is_new(event) for event in [*before, Flushed(4, "a")])
