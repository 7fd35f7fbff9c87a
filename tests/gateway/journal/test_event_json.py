"""Which events newer ones supersede, and how events are written."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.compaction import EventCompactor
from gateway.journal.event_json import event_json, event_of
from gateway.wire import (
    Ack,
    CadenceChanged,
    CueEvent,
    DialectMessage,
    Final,
    Finished,
    OfChannel,
    Partial,
    ProtocolError,
    ServerEvent,
    SpeechStarted,
    Warning,
)
from gateway.wire.cue import CueState
from gateway.wire.server_events import channel_of, seq_of
from tests.events import final, final_cue, partial_cue, ready
from tests.wire_events import server_events


@st.composite
def sessions(draw: st.DrawFn) -> list[ServerEvent]:
    """What a session of one channel or two says, numbered from 1."""
    emitted: list[ServerEvent] = []
    kinds = st.sampled_from(["partial", "cue", "final", "ack", "cadence", "speech", "warning", "finished"])
    for seq, kind in enumerate(draw(st.lists(kinds, max_size=40)), start=1):
        utterance_id, line = draw(st.integers(1, 3)), draw(st.integers(1, 2))
        event: ServerEvent
        match kind:
            case "partial":
                event = partial_cue(seq, utterance_id, line)
            case "cue":
                event = final_cue(seq, utterance_id, line)
            case "final":
                event = final(seq, utterance_id)
            case "ack":
                event = Ack(seq, seq, seq)
            case "cadence":
                event = CadenceChanged(seq, seq)
            case "speech":
                event = SpeechStarted(seq, utterance_id, 0)
            case "warning":
                event = Warning(seq, "odd", "odd")
            case _:
                event = Finished(seq, 0, 0)
        channel = draw(st.sampled_from([None, 0, 1]))
        emitted.append(event if channel is None else OfChannel(channel, event))
    return emitted


def is_superseded(event: ServerEvent, later: list[ServerEvent]) -> bool:
    """Say it event by event, as docs/journal.md does."""
    channel, inner = channel_of(event)
    same_channel = [channel_of(other)[1] for other in later if channel_of(other)[0] == channel]
    match inner:
        case CueEvent(_, cue) if cue.state is CueState.PARTIAL:
            return any(
                (isinstance(other, CueEvent) and other.cue.cue_id == cue.cue_id)
                or (isinstance(other, Final) and other.utterance_id == cue.utterance_id)
                for other in same_channel
            )
        case Ack() | CadenceChanged():
            return any(type(other) is type(inner) for other in same_channel)
        case _:
            return False


@given(sessions())
def test_only_events_that_nothing_newer_supersedes_remain(emitted: list[ServerEvent]) -> None:
    superseding = EventCompactor()
    left: dict[int, ServerEvent] = {}
    for event in emitted:
        seq = seq_of(event)
        assert seq is not None
        left[seq] = event
        for older in superseding.add(event):
            del left[older]  # each only once, and only what there is
    assert list(left.values()) == [
        event for n, event in enumerate(emitted) if not is_superseded(event, emitted[n + 1 :])
    ]


@given(server_events(), st.none() | st.integers(0, 7))
def test_written_events_are_read_back(event: ServerEvent, channel: int | None) -> None:
    message = event_json(event if channel is None else OfChannel(channel, event))
    read = event_of(message)
    assert read is not None
    assert (channel_of(read)[0], type(channel_of(read)[1])) == (channel, type(event))
    assert event_json(read) == message


def test_the_resume_token_is_sent_to_no_viewer() -> None:
    assert event_of(event_json(replace(ready(), resume_token="secret", next_sample=7))) == ready()


@pytest.mark.parametrize(
    "event", [DialectMessage("hello"), Partial(1, 1, 0, 0, (), (), None), OfChannel(1, DialectMessage("hello"))]
)
def test_events_for_the_peer_only_have_no_number_and_are_not_written(event: ServerEvent) -> None:
    assert seq_of(event) is None
    with pytest.raises(ValueError, match="for the session's client only"):
        event_json(event)


def test_a_message_that_a_newer_livecue_wrote_is_none_and_garbage_is_refused() -> None:
    assert event_of('{"type":"applause","seq":3}') is None
    with pytest.raises(ProtocolError):
        event_of("words")
