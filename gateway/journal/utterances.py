"""The utterances of a session, from its messages in the journal. PURE."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from gateway.captions.correction import Room, SettledUtterance
from gateway.journal.event_json import event_of
from gateway.wire.server_events import channel_of

__all__ = ["UtteranceKey", "find_utterance", "settled_utterances"]

UtteranceKey = tuple[int | None, int]
"""Channel, None in a session with one; and number of the utterance in it."""

_TYPES = frozenset({"cue", "final", "correction"})
"""Of the messages that make up a settled utterance."""


class _Head(msgspec.Struct):
    """The part of a message that tells to which utterance it belongs."""

    type: str
    utterance_id: int = -1
    channel: int | None = None


_head_decoder = msgspec.json.Decoder(_Head)


def settled_utterances(messages: Iterable[str]) -> Mapping[UtteranceKey, SettledUtterance]:
    """Return the utterances of a session that have a final or final cues.

    Args:
        messages: of one session, as `gateway.journal.event_json.event_json` returned them.

    Raises:
        ProtocolError: a message is malformed.
    """
    settled = ((key, _settled(own)) for key, own in _by_utterance(messages).items())
    return {key: utterance for key, utterance in settled if utterance != SettledUtterance()}


def find_utterance(messages: Iterable[str], key: UtteranceKey) -> tuple[SettledUtterance, Room] | None:
    """Return an utterance that has its final, and the time that its cues may take; None: no such final.

    Only the messages of this utterance and those next to it are decoded: a session of hours has many.

    Args:
        messages: as for `settled_utterances`.
        key: of the utterance.

    Raises:
        ProtocolError: a message is malformed.
    """
    utterances = _by_utterance(messages)
    found = _settled(utterances.get(key, []))
    if found.final is None:
        return None
    channel, utterance_id = key
    numbers = sorted(number for each, number in utterances if each == channel)
    position = numbers.index(utterance_id)
    before = (_settled(utterances[channel, number]) for number in reversed(numbers[:position]))
    after = (_settled(utterances[channel, number]) for number in numbers[position + 1 :])
    ends = (utterance.cues[-1].end_sample for utterance in before if utterance.cues)
    return found, Room(next(ends, None), next(_starts(after), None))


def _by_utterance(messages: Iterable[str]) -> dict[UtteranceKey, list[str]]:
    utterances: dict[UtteranceKey, list[str]] = {}
    for message in messages:
        head = _head_decoder.decode(message)
        if head.type in _TYPES:
            utterances.setdefault((head.channel, head.utterance_id), []).append(message)
    return utterances


def _settled(messages: Iterable[str]) -> SettledUtterance:
    utterance = SettledUtterance()
    for message in messages:
        event = event_of(message)
        assert event is not None, "the types are known"
        utterance = utterance.after(channel_of(event)[1])
    return utterance


def _starts(utterances: Iterable[SettledUtterance]) -> Iterator[int]:
    """Yield where each utterance begins: with its audio, or a cue before that."""
    for utterance in utterances:
        starts = [cue.start_sample for cue in utterance.cues[:1]]
        if utterance.final is not None:
            starts.append(utterance.final.start_sample)
        if starts:
            yield min(starts)
