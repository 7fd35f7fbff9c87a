"""The JSON messages of OpenAI's Realtime transcription, as on the wire. PURE.

An absent field is `UNSET`: its setting stays unchanged. A null field is None: its setting is switched off.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.wire.bounds import AudioBytes, Id, Name, Names, Number, Text, Whole

__all__ = [
    "Added",
    "AppendMessage",
    "AudioObject",
    "BetaUpdateMessage",
    "ClearMessage",
    "Cleared",
    "ClientMessage",
    "CommitMessage",
    "Committed",
    "Completed",
    "ContentObject",
    "Created",
    "CueMessage",
    "CueObject",
    "Delta",
    "Done",
    "DurationObject",
    "EffectiveSession",
    "ErrorMessage",
    "ErrorObject",
    "Failed",
    "FailureObject",
    "FormatObject",
    "Include",
    "InputObject",
    "ItemObject",
    "LanguageObject",
    "LifetimeObject",
    "NoiseReductionObject",
    "SecretRequest",
    "SemanticVad",
    "ServerMessage",
    "ServerVad",
    "SessionObject",
    "SpeechStartedMessage",
    "SpeechStoppedMessage",
    "TranscriptionObject",
    "TurnDetectionObject",
    "UpdateMessage",
    "Updated",
]

# --- the session ------------------------------------------------------------------------------------------------


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A part of the session; a misspelt option is refused, not ignored."""


class FormatObject(_Strict):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Whole | UnsetType | None = UNSET


class TranscriptionObject(_Strict):
    model: Name | UnsetType | None = UNSET
    language: Name | UnsetType | None = UNSET
    languages: Names | UnsetType | None = UNSET
    prompt: Text | UnsetType | None = UNSET
    keywords: Names | UnsetType | None = UNSET
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType | None = UNSET


class _TurnDetection(_Strict, tag_field="type"):
    create_response: bool | UnsetType | None = UNSET
    interrupt_response: bool | UnsetType | None = UNSET
    idle_timeout_ms: Whole | UnsetType | None = UNSET


class ServerVad(_TurnDetection, tag="server_vad"):
    threshold: Annotated[float, Meta(ge=0, le=1)] | UnsetType | None = UNSET
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=2_000)] | UnsetType | None = UNSET
    silence_duration_ms: Annotated[int, Meta(ge=1, le=10_000)] | UnsetType | None = UNSET


class SemanticVad(_TurnDetection, tag="semantic_vad"):
    eagerness: Literal["low", "medium", "high", "auto"] | UnsetType | None = UNSET


TurnDetectionObject = ServerVad | SemanticVad


class NoiseReductionObject(_Strict):
    type: Literal["near_field", "far_field"] | UnsetType | None = UNSET
    strength: Number | UnsetType | None = UNSET


class InputObject(_Strict):
    format: FormatObject | UnsetType | None = UNSET
    transcription: TranscriptionObject | UnsetType | None = UNSET
    noise_reduction: NoiseReductionObject | UnsetType | None = UNSET
    turn_detection: TurnDetectionObject | UnsetType | None = UNSET


class AudioObject(_Strict):
    input: InputObject | UnsetType = UNSET


Include = Annotated[tuple[Literal["item.input_audio_transcription.logprobs"], ...], Meta(max_length=10)]


class SessionObject(_Strict):
    """The client's options; `input_audio_…` and `turn_detection` are the flat form of the retired beta."""

    type: Literal["transcription"] | UnsetType = UNSET
    audio: AudioObject | UnsetType = UNSET
    include: Include | UnsetType | None = UNSET
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | UnsetType = UNSET
    input_audio_transcription: TranscriptionObject | UnsetType | None = UNSET
    input_audio_noise_reduction: NoiseReductionObject | UnsetType | None = UNSET
    turn_detection: TurnDetectionObject | UnsetType | None = UNSET


class EffectiveSession(msgspec.Struct):
    """The configuration in effect, as sent to the client."""

    id: str
    audio: AudioObject
    include: Include | None
    type: str = "transcription"
    object: str = "realtime.transcription_session"
    expires_at: int | UnsetType = UNSET


class LifetimeObject(msgspec.Struct):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=10, le=7_200)] = 600


class SecretRequest(msgspec.Struct):
    """The body of a request for a client secret."""

    expires_after: LifetimeObject | None = None
    session: SessionObject | None = None


# --- client messages --------------------------------------------------------------------------------------------


class _Message(msgspec.Struct, tag_field="type"):
    """A message of the client; unknown fields are ignored, as clients of the service send more than is read here."""

    event_id: Id | None = None


class UpdateMessage(_Message, tag="session.update", kw_only=True):
    session: SessionObject


class BetaUpdateMessage(_Message, tag="transcription_session.update", kw_only=True):
    session: SessionObject


class AppendMessage(_Message, tag="input_audio_buffer.append", kw_only=True):
    audio: AudioBytes


class CommitMessage(_Message, tag="input_audio_buffer.commit"):
    pass


class ClearMessage(_Message, tag="input_audio_buffer.clear"):
    pass


ClientMessage = UpdateMessage | BetaUpdateMessage | AppendMessage | CommitMessage | ClearMessage


# --- server messages --------------------------------------------------------------------------------------------


class _Reply(msgspec.Struct, tag_field="type"):
    """A message of the gateway."""

    event_id: str


class Created(_Reply, tag="session.created"):
    session: EffectiveSession


class Updated(_Reply, tag="session.updated"):
    session: EffectiveSession


class SpeechStartedMessage(_Reply, tag="input_audio_buffer.speech_started"):
    audio_start_ms: int
    item_id: str


class SpeechStoppedMessage(_Reply, tag="input_audio_buffer.speech_stopped"):
    audio_end_ms: int
    item_id: str


class Committed(_Reply, tag="input_audio_buffer.committed"):
    item_id: str
    previous_item_id: str | None


class Cleared(_Reply, tag="input_audio_buffer.cleared"):
    pass


class ContentObject(msgspec.Struct):
    type: str = "input_audio"
    transcript: str | None = None


class ItemObject(msgspec.Struct):
    id: str
    object: str = "realtime.item"
    type: str = "message"
    status: str = "completed"
    role: str = "user"
    content: tuple[ContentObject, ...] = (ContentObject(),)


class Added(_Reply, tag="conversation.item.added"):
    previous_item_id: str | None
    item: ItemObject


class Done(_Reply, tag="conversation.item.done"):
    previous_item_id: str | None
    item: ItemObject


class _Transcription(_Reply):
    item_id: str
    content_index: int


class Delta(_Transcription, tag="conversation.item.input_audio_transcription.delta"):
    delta: str
    logprobs: None = None


class LanguageObject(msgspec.Struct):
    code: str


class DurationObject(msgspec.Struct):
    seconds: float
    type: str = "duration"


class Completed(_Transcription, tag="conversation.item.input_audio_transcription.completed"):
    transcript: str
    usage: DurationObject
    languages: tuple[LanguageObject, ...] | UnsetType
    logprobs: None = None


class FailureObject(msgspec.Struct):
    type: str
    code: str
    message: str
    param: str | None = None


class Failed(_Transcription, tag="conversation.item.input_audio_transcription.failed"):
    error: FailureObject


class ErrorObject(msgspec.Struct):
    """An error.

    Attributes:
        event_id: of the message that caused it.
    """

    type: str
    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


class ErrorMessage(_Reply, tag="error"):
    error: ErrorObject


class CueObject(msgspec.Struct):
    id: str
    utterance_id: int
    revision: int
    start_s: float
    end_s: float
    lines: tuple[str, ...]
    stable_chars: int
    state: str


class CueMessage(_Reply, tag="livecue.cue"):
    """An extension: OpenAI's service has no such message, and its clients skip it."""

    item_id: str | None
    cue: CueObject


ServerMessage = (
    Created
    | Updated
    | SpeechStartedMessage
    | SpeechStoppedMessage
    | Committed
    | Cleared
    | Added
    | Done
    | Delta
    | Completed
    | Failed
    | ErrorMessage
    | CueMessage
)
