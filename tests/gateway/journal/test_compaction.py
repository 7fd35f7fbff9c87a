"""Newer events supersede partial cues, corrections, acks and cadence changes, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.compaction import EventCompactor
from gateway.wire import Ack, CadenceChanged, CueEvent, Final, OfChannel, ServerEvent
from gateway.wire.cue import CueState
from gateway.wire.server_events import channel_of, seq_of
from tests.events import correction, final, final_cue, partial_cue, ready


def superseded(*events: ServerEvent) -> list[tuple[int, ...]]:
    compactor = EventCompactor()
    return [compactor.add(event) for event in events]


def test_a_newer_revision_supersedes_a_partial_cue() -> None:
    assert superseded(partial_cue(1), partial_cue(2), final_cue(3), final_cue(4)) == [(), (1,), (2,), ()]


def test_a_final_supersedes_the_partial_cues_of_its_utterance() -> None:
    events = partial_cue(1, 1, 1), partial_cue(2, 1, 2), partial_cue(3, 2, 1), final(4, 1)
    assert superseded(*events)[-1] == (1, 2)


def test_a_correction_supersedes_an_earlier_one_of_its_utterance_and_neither_the_final_nor_its_cues() -> None:
    events = final_cue(1), final(2), correction(3), correction(4, 2), correction(5), OfChannel(1, correction(6))
    assert superseded(*events) == [(), (), (), (), (3,), ()]


def test_acks_and_cadence_changes_supersede_their_own_kind() -> None:
    assert superseded(Ack(1, 1, 1), CadenceChanged(2, 8_000), Ack(3, 2, 2), CadenceChanged(4, 9_000)) == [
        (),
        (),
        (1,),
        (2,),
    ]


def test_channels_are_independent() -> None:
    assert superseded(OfChannel(0, partial_cue(1)), OfChannel(1, partial_cue(2)), OfChannel(1, final(3))) == [
        (),
        (),
        (2,),
    ]


builders = st.sampled_from([partial_cue, final_cue, final])


@given(st.lists(st.tuples(builders, st.integers(0, 2), st.none() | st.integers(0, 1))))
def test_each_event_is_superseded_once_at_most_and_finals_never(steps: list[tuple[object, int, int | None]]) -> None:
    compactor, events, gone = EventCompactor(), dict[int, ServerEvent](), list[int]()
    for seq, (build, utterance_id, channel) in enumerate(steps, 1):
        assert callable(build)
        event = build(seq, utterance_id)
        events[seq] = event if channel is None else OfChannel(channel, event)
        gone += compactor.add(events[seq])
    assert len(gone) == len(set(gone))
    for seq in gone:
        _, inner = channel_of(events[seq])
        assert isinstance(inner, CueEvent)
        assert inner.cue.state is CueState.PARTIAL
    kept = [inner for seq, event in events.items() if seq not in gone for _, inner in [channel_of(event)]]
    assert sum(isinstance(inner, Final) for inner in kept) == sum(
        isinstance(channel_of(event)[1], Final) for event in events.values()
    )


def test_other_events_supersede_nothing() -> None:
    assert seq_of(ready()) == 1
    assert superseded(ready(), ready(2)) == [(), ()]
