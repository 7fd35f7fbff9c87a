"""Conversion of what the native dialect says about sinks, in both directions. PURE."""

from gateway.wire import SinkChoice, SinksStatus, SinkStatus
from gateway.wire.native.messages import SinkObject, SinksMessage, SinkStatusObject

__all__ = ["choice_objects", "sink_choices", "sinks_event", "sinks_message"]


def sink_choices(sinks: tuple[str | SinkObject, ...] | None) -> tuple[SinkChoice, ...] | None:
    """Return the sinks of a start message; None: it has no such field."""
    if sinks is None:
        return None
    return tuple(SinkChoice(each) if isinstance(each, str) else SinkChoice(each.name, each.url) for each in sinks)


def choice_objects(choices: tuple[SinkChoice, ...] | None) -> tuple[str | SinkObject, ...] | None:
    """Return the field of a start message; None: it is left out."""
    if choices is None:
        return None
    return tuple(each.name if each.url is None else SinkObject(each.name, each.url) for each in choices)


def sinks_message(event: SinksStatus) -> SinksMessage:
    """Return the message of a status."""
    return SinksMessage(
        event.seq,
        tuple(SinkStatusObject(s.name, s.state, s.sent, s.queued, s.dropped, s.message) for s in event.sinks),
    )


def sinks_event(message: SinksMessage) -> SinksStatus:
    """Return the status of a message."""
    return SinksStatus(
        message.seq,
        tuple(SinkStatus(s.name, s.state, s.sent, s.queued, s.dropped, s.message) for s in message.sinks),
    )
