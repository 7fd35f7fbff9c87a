"""The messages of Deepgram's Flux, as on the wire. Times are seconds of the audio sent. PURE."""

import msgspec

from gateway.wire.bounds import Number, Phrases, Whole
from gateway.wire.deepgram.messages import CloseStream, KeepAliveMessage

__all__ = [
    "Configure",
    "ConfigureFailure",
    "ConfigureSuccess",
    "Connected",
    "FatalError",
    "FluxMessage",
    "ForceEndTurn",
    "Thresholds",
    "TurnInfo",
    "TurnWord",
    "WarningMessage",
]


class ForceEndTurn(msgspec.Struct, tag_field="type", tag="ForceEndTurn"):
    """End the turn now."""


class Thresholds(msgspec.Struct, omit_defaults=True):
    """When a turn is over; None keeps a threshold."""

    eot_threshold: Number | None = None
    eager_eot_threshold: Number | None = None
    eot_timeout_ms: Whole | None = None


class Configure(msgspec.Struct, tag_field="type", tag="Configure"):
    """Change options; None keeps an option."""

    thresholds: Thresholds | None = None
    keyterms: Phrases | None = None
    language_hints: Phrases | None = None


FluxMessage = ForceEndTurn | Configure | CloseStream | KeepAliveMessage
"""A client message other than audio."""


class Connected(msgspec.Struct, tag_field="type", tag="Connected"):
    """The first message."""

    request_id: str
    sequence_id: int


class TurnWord(msgspec.Struct):
    """One word of a turn."""

    word: str
    confidence: float
    start: float
    end: float


class TurnInfo(msgspec.Struct, tag_field="type", tag="TurnInfo", omit_defaults=True):
    """The turn so far."""

    request_id: str
    sequence_id: int
    event: str
    turn_index: int
    audio_window_start: float
    audio_window_end: float
    transcript: str
    words: list[TurnWord]
    end_of_turn_confidence: float
    trigger: str | None = None
    languages: list[str] | None = None


class ConfigureSuccess(msgspec.Struct, tag_field="type", tag="ConfigureSuccess"):
    """The options were changed."""

    request_id: str
    sequence_id: int
    thresholds: Thresholds
    keyterms: list[str]
    language_hints: list[str]


class ConfigureFailure(msgspec.Struct, tag_field="type", tag="ConfigureFailure"):
    """The options were refused and stay as before."""

    request_id: str
    sequence_id: int
    code: str
    description: str


class WarningMessage(msgspec.Struct, tag_field="type", tag="Warning"):
    """A problem; the connection stays open."""

    request_id: str
    sequence_id: int
    code: str
    description: str


class FatalError(msgspec.Struct, tag_field="type", tag="Error"):
    """An error that closes the connection."""

    sequence_id: int
    code: str
    description: str
