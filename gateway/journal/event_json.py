"""What is kept of what a session says: what newer events take the place of, and how one is written down. PURE."""

from dataclasses import replace

import msgspec

from gateway.captions.cue_builder import CueState
from gateway.wire import (
    Ack,
    CadenceChanged,
    CueEvent,
    Final,
    OfChannel,
    Partial,
    Ready,
    Said,
    ServerEvent,
    SessionEvent,
)
from gateway.wire.native.codec import NativeClientCodec, NativeCodec

__all__ = ["Superseding", "channel_of", "event_json", "event_of", "seq_of"]

_codec, _client_codec = NativeCodec(), NativeClientCodec()


class _Address(msgspec.Struct):
    """Whom a message is of."""

    channel: int | None = None


_address_decoder = msgspec.json.Decoder(_Address)


class Superseding:
    """The events of one session that something newer may take the place of.

    A partial cue gives way to a newer revision of the cue, and to the final of its utterance; an `Ack` to a newer one,
    and so does `CadenceChanged`, each within its channel. Nothing else ever gives way.
    """

    def __init__(self) -> None:
        self._partials: dict[tuple[int | None, int, str], int] = {}
        """Channel, utterance and cue → number of the newest revision."""
        self._newest: dict[tuple[int | None, type[SessionEvent]], int] = {}

    def add(self, event: ServerEvent) -> tuple[int, ...]:
        """Take in the next event, and return the numbers of those that it takes the place of.

        Args:
            event: its number is above those of all before.
        """
        channel, told = channel_of(event)
        match told:
            case CueEvent(seq, cue):
                name = channel, cue.utterance_id, cue.cue_id
                older = self._partials.pop(name, None)
                if cue.state is CueState.PARTIAL:
                    self._partials[name] = seq
                return () if older is None else (older,)
            case Final(_, utterance_id):
                names = [name for name in self._partials if name[:2] == (channel, utterance_id)]
                return tuple(self._partials.pop(name) for name in names)
            case Ack(seq) | CadenceChanged(seq):
                older = self._newest.get((channel, type(told)))
                self._newest[channel, type(told)] = seq
                return () if older is None else (older,)
            case _:
                return ()


def channel_of(event: ServerEvent) -> tuple[int | None, ServerEvent]:
    """Return the channel that an event is of, where there are several, and what is said of it."""
    return (event.channel, event.event) if isinstance(event, OfChannel) else (None, event)


def seq_of(event: ServerEvent) -> int | None:
    """Return the number of an event; None: it is between the session and its peer, and nobody else is told of it."""
    _, told = channel_of(event)
    return None if isinstance(told, Said | Partial | OfChannel) else told.seq


def event_json(event: ServerEvent) -> str:
    """Return an event as others are told it: its message in the native dialect, with its `channel` where it has one.

    Raises:
        ValueError: it is one that has no number.
    """
    channel, told = channel_of(event)
    if isinstance(told, Ready):  # its token is for whoever opened the session
        told = replace(told, resume_token=None, next_sample=0)
    if seq_of(event) is None:
        raise ValueError(f"{type(told).__name__} is between the session and its peer")
    (message,) = _codec.send(told)
    assert isinstance(message, str), "only sound is binary"
    return message if channel is None else f'{{"channel":{channel},{message[1:]}'


def event_of(message: str) -> ServerEvent | None:
    """Return the event that `event_json` wrote; None: it is of a type that only a newer livecue knows.

    Raises:
        ProtocolError: it is no such message.
    """
    events = _client_codec.receive(message)
    if not events:
        return None
    channel = _address_decoder.decode(message).channel
    return events[0] if channel is None else OfChannel(channel, events[0])
