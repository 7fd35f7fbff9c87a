"""Utterances are found among a session's messages, with the time that their cues may take."""

import pytest

from gateway.captions.correction import Room, SettledUtterance
from gateway.journal.event_json import event_json
from gateway.journal.utterances import find_utterance, settled_utterances
from gateway.wire import Finished, OfChannel, ProtocolError, ServerEvent
from tests.events import correction, final, final_cue, partial_cue, ready

OTHERS = ('{"type":"applause","seq":99,"utterance_id":1}',)
"""Of a newer version of livecue."""

EVENTS = (
    ready(),
    final_cue(2, 1),
    final(3, 1),
    final(4, 2),
    final_cue(5, 3),
    final(6, 3),
    final_cue(7, 5),
    partial_cue(8, 6),
    Finished(9, 0, 4),
)


def messages(*events: ServerEvent) -> list[str]:
    return [*map(event_json, events), *OTHERS]


def room(utterance_id: int, *more: ServerEvent, channel: int | None = None) -> Room | None:
    found = find_utterance(messages(*EVENTS, *more), (channel, utterance_id))
    return None if found is None else found[1]


def test_an_utterance_is_found_with_its_final_cues_and_correction() -> None:
    found = find_utterance(messages(*EVENTS, correction(10, 3), final(11, 6)), (None, 3))
    assert found is not None
    assert found[0] == SettledUtterance(final(6, 3), (final_cue(5, 3).cue,), correction(10, 3))


@pytest.mark.parametrize("utterance_id", [0, 5, 6, 7])
def test_an_utterance_without_its_final_is_not_found(utterance_id: int) -> None:
    assert room(utterance_id) is None


def test_its_cues_lie_between_the_last_cue_before_and_the_next_utterance() -> None:
    assert room(2) == Room(16_200, 48_000), "utterance 2 has no cues, and the final of 3 begins before its cue"
    assert room(1) == Room(None, 32_000)
    assert room(3) == Room(16_200, 80_100), "utterance 5 has no final yet, and 4 is unknown"


def test_nothing_follows_the_newest_utterance() -> None:
    assert room(8, final(10, 8)) == Room(80_200, None)


def test_a_removed_utterance_leaves_its_time_to_the_one_after_it_but_not_to_the_one_before() -> None:
    assert room(2, correction(10, 1, "")) == Room(None, 48_000)
    assert room(2, correction(10, 3, "")) == Room(16_200, 48_000)


def test_the_newest_cues_of_a_neighbour_count() -> None:
    assert room(3, correction(10, 1)) == Room(16_200, 80_100)


def test_channels_do_not_see_each_other() -> None:
    assert room(1, OfChannel(1, final(10, 1)), channel=1) == Room(None, None)
    assert room(1, OfChannel(1, final(10, 2))) == Room(None, 32_000)


def test_all_settled_utterances_are_returned_by_channel_and_number() -> None:
    settled = settled_utterances(messages(*EVENTS, OfChannel(1, final(10, 1))))
    assert [*settled] == [(None, 1), (None, 2), (None, 3), (None, 5), (1, 1)]
    assert settled[None, 1] == SettledUtterance(final(3, 1), (final_cue(2, 1).cue,))


def test_a_malformed_message_is_refused() -> None:
    with pytest.raises(ProtocolError):
        settled_utterances(['{"type":"final","seq":1,"utterance_id":1}'])
