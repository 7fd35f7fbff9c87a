"""The JSON messages of the native dialect, as on the wire; `docs/protocol.md` describes them. PURE."""

from typing import Annotated

import msgspec

from gateway.wire import SAMPLE_RATE_HZ, CueState, Encoding
from gateway.wire.bounds import MAX_SINKS, Id, Name, Names, Number, Text, Url, Whole
from gateway.wire.details import MAX_CHANNEL_NAMES, MAX_NAME_CHARS, MAX_TITLE_CHARS
from gateway.wire.event_name import EVENT_NAME_PATTERN

PROTOCOL_VERSION = 1

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""Integers that every language represents exactly: a 64-bit float has a significand of 53 bits."""


EventName = Annotated[str, msgspec.Meta(pattern=EVENT_NAME_PATTERN, max_length=64)]
MIN_LOST_S, MAX_LOST_S = 0.1, 86_400.0
"""Of audio that is marked as lost at once. Marks do not overlap, so that they are few."""

Title = Annotated[str, msgspec.Meta(max_length=MAX_TITLE_CHARS)]
Color = Annotated[str, msgspec.Meta(pattern="^#[0-9a-fA-F]{6}$", max_length=7)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A JSON object whose unknown fields are refused."""


class _Message(_Strict, tag_field="type"):
    """A message of the client, distinguished by its `type`."""


class _Open(msgspec.Struct, omit_defaults=True):
    """A JSON object whose unknown fields are ignored: a newer gateway may send more."""


class _Reply(_Open, tag_field="type"):
    """A message of the gateway, distinguished by its `type`."""


class AudioFormatObject(_Strict):
    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate_hz: Whole = SAMPLE_RATE_HZ
    channels: Whole = 1


class EngineOptionsObject(_Strict):
    prompt: Text = ""


class EndpointingObject(_Strict):
    detector: Name | None = None
    silence_ms: Whole | None = None
    pause_ms: Whole | None = None
    max_utterance_s: Number | None = None
    partial_interval_ms: Whole | None = None


class CuesObject(_Strict):
    profile: Name | None = None


class NameObject(_Strict):
    channel: Annotated[int, msgspec.Meta(ge=0, le=MAX_CHANNEL_NAMES - 1)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    color: Color | None = None


NameObjects = Annotated[tuple[NameObject, ...], msgspec.Meta(max_length=MAX_CHANNEL_NAMES)]


class SinkObject(_Strict):
    name: Name
    url: Url


Sinks = Annotated[tuple[Name | SinkObject, ...], msgspec.Meta(max_length=MAX_SINKS)]
"""Names of the operator's sinks, and sinks of the client's own."""


class StartMessage(_Message, tag="start"):
    version: Whole = PROTOCOL_VERSION
    audio: AudioFormatObject = msgspec.field(default_factory=AudioFormatObject)
    language: Name | None = None
    engine: EngineOptionsObject = msgspec.field(default_factory=EngineOptionsObject)
    endpointing: EndpointingObject = msgspec.field(default_factory=EndpointingObject)
    cues: CuesObject = msgspec.field(default_factory=CuesObject)
    partials: bool = True
    words: bool = False
    eager: bool = False
    guard: bool = False
    resumable: bool = False
    languages: Names = ()
    file: bool = False
    title: Title | None = None
    names: NameObjects = ()
    event: EventName | None = None
    sinks: Sinks | None = None


class DetailsChange(_Strict):
    title: Title | msgspec.UnsetType | None = msgspec.UNSET
    names: NameObjects | msgspec.UnsetType = msgspec.UNSET


class ResumeMessage(_Message, tag="resume"):
    session_id: Id
    token: Id
    after_seq: Count = 0
    held_sample: Count = 0


class FlushMessage(_Message, tag="flush"):
    id: Id


class LostMessage(_Message, tag="lost"):
    duration_s: Annotated[float, msgspec.Meta(ge=MIN_LOST_S, le=MAX_LOST_S)]


class StopMessage(_Message, tag="stop"):
    pass


class KeepAliveMessage(_Message, tag="keepalive"):
    pass


class ReadyMessage(_Reply, tag="ready", omit_defaults=False):
    seq: int
    session_id: str
    engine: str
    model: str
    device: str
    language: str | None = None
    version: int = PROTOCOL_VERSION
    resume_token: str | msgspec.UnsetType = msgspec.UNSET
    next_sample: int | msgspec.UnsetType = msgspec.UNSET


class SpeechStartedMessage(_Reply, tag="speech_started"):
    seq: int
    utterance_id: int
    start_s: float


class SpeechEndedMessage(_Reply, tag="speech_ended"):
    seq: int
    utterance_id: int
    start_s: float
    end_s: float
    reason: str


class CueMessage(_Reply, tag="cue"):
    seq: int
    id: str
    utterance_id: int
    revision: int
    start_s: float
    end_s: float
    lines: tuple[str, ...]
    stable_chars: int
    state: CueState


class CueObject(_Open):
    id: str
    utterance_id: int
    revision: int
    start_s: float
    end_s: float
    lines: tuple[str, ...]
    stable_chars: int
    state: CueState


class LatencyObject(_Open):
    endpoint: float
    queue: float
    decode: float
    delivery: float


class WordObject(_Open, omit_defaults=False):
    text: str
    start_s: float
    end_s: float
    probability: float | None = None


class FinalMessage(_Reply, tag="final"):
    seq: int
    utterance_id: int
    start_s: float
    end_s: float
    text: str
    latency_ms: LatencyObject
    language: str | None = None
    words: tuple[WordObject, ...] = ()
    error: str | None = None
    guard: tuple[str, ...] = ()


class CorrectionMessage(_Reply, tag="correction"):
    seq: int
    utterance_id: int
    revision: int
    text: str
    cues: tuple[CueObject, ...]
    words: tuple[WordObject, ...] = ()


class EagerMessage(_Reply, tag="eager"):
    seq: int
    utterance_id: int
    text: str
    language: str | None = None


class ResumedMessage(_Reply, tag="resumed"):
    seq: int
    utterance_id: int


class CadenceMessage(_Reply, tag="cadence"):
    seq: int
    partial_interval_ms: float


class FlushedMessage(_Reply, tag="flushed"):
    seq: int
    id: str


class AckMessage(_Reply, tag="ack"):
    seq: int
    received_samples: int
    processed_samples: int


class GapMessage(_Reply, tag="gap"):
    seq: int
    start_s: float
    end_s: float


class ChannelNameObject(_Open, omit_defaults=False):
    channel: int
    name: str
    color: str | None = None


class DetailsMessage(_Reply, tag="details", omit_defaults=False):
    seq: int
    title: str | None = None
    names: tuple[ChannelNameObject, ...] = ()


class WarningMessage(_Reply, tag="warning"):
    seq: int
    code: str
    message: str


class SinkStatusObject(_Open, omit_defaults=False):
    name: str
    state: str
    sent: int
    queued: int
    dropped: int = 0
    message: str | None = None


class SinksMessage(_Reply, tag="sinks"):
    seq: int
    sinks: tuple[SinkStatusObject, ...]


class DrainingMessage(_Reply, tag="draining", omit_defaults=False):
    seq: int
    grace_s: float
    can_resume: bool


class ErrorMessage(_Reply, tag="error", omit_defaults=False):
    seq: int
    code: str
    message: str
    fatal: bool
    field: str | None = None


class FinishedMessage(_Reply, tag="finished"):
    seq: int
    audio_s: float
    utterances: int


ClientMessage = StartMessage | ResumeMessage | FlushMessage | LostMessage | StopMessage | KeepAliveMessage
ServerMessage = (
    ReadyMessage
    | SpeechStartedMessage
    | SpeechEndedMessage
    | CueMessage
    | EagerMessage
    | ResumedMessage
    | FinalMessage
    | CorrectionMessage
    | FlushedMessage
    | AckMessage
    | CadenceMessage
    | GapMessage
    | DetailsMessage
    | WarningMessage
    | SinksMessage
    | DrainingMessage
    | ErrorMessage
    | FinishedMessage
)
