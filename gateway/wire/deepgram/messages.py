"""The messages of Deepgram's streaming API, as on the wire. Times are seconds of the audio sent. PURE."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, TypeVar

import msgspec

from gateway.wire import SAMPLE_RATE_HZ, ProtocolError, WordSpan
from gateway.wire.bounds import MAX_FIELDS, Name, Phrases

__all__ = [
    "MODEL_UUID",
    "Alternative",
    "ChannelObject",
    "CloseStream",
    "Configure",
    "ConfigureFailure",
    "ConfigureSuccess",
    "ErrorMessage",
    "Finalize",
    "KeepAliveMessage",
    "ListenMessage",
    "Metadata",
    "ModelInfo",
    "Results",
    "ResultsMetadata",
    "SpeechStartedMessage",
    "UtteranceEnd",
    "WordObject",
    "alternative",
    "confidence_of_words",
    "encode",
    "is_close",
    "parse",
    "parsed",
    "seconds",
    "word_object",
]

MODEL_UUID = "00000000-0000-0000-0000-000000000000"
"""A constant: models here have names and no UUIDs."""

_DEFAULT_CONFIDENCE = 1.0
"""Sent for engines that have none: clients drop words with a low one."""

_PUNCTUATION = "!\"'(),-.:;?[]{}¡¿…、。，：；？！“”‘’«»"

_MAX_REASON_CHARS = 200
"""Length of the parser's error in a refusal."""


class KeepAliveMessage(msgspec.Struct, tag_field="type", tag="KeepAlive"):
    """Keep the connection open."""


class Finalize(msgspec.Struct, tag_field="type", tag="Finalize"):
    """Answer all audio so far now."""


class CloseStream(msgspec.Struct, tag_field="type", tag="CloseStream"):
    """No more audio follows."""


class Configure(msgspec.Struct, tag_field="type", tag="Configure"):
    """Change the keyterms; None keeps them. Features concern formatting, which the engine decides; they are ignored."""

    keyterms: Phrases | None = None
    features: Annotated[dict[Name, bool], msgspec.Meta(max_length=MAX_FIELDS)] | None = None


ListenMessage = KeepAliveMessage | Finalize | CloseStream | Configure
"""A message of a client of `/v1/listen` other than audio."""


class WordObject(msgspec.Struct, omit_defaults=True):
    """One word; `word` without case and punctuation."""

    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str
    language: str | None = None


class Alternative(msgspec.Struct, omit_defaults=True):
    """A transcript; there is never a second alternative."""

    transcript: str
    confidence: float
    words: list[WordObject]
    languages: list[str] | None = None


class ChannelObject(msgspec.Struct):
    """The transcript of a channel."""

    alternatives: list[Alternative]


class ModelInfo(msgspec.Struct):
    """The model that decodes."""

    name: str
    version: str
    arch: str


class ResultsMetadata(msgspec.Struct, omit_defaults=True):
    """The request and model of a result."""

    request_id: str
    model_info: ModelInfo
    model_uuid: str
    extra: dict[str, str] | None = None


class Results(msgspec.Struct, tag_field="type", tag="Results"):
    """The words of a window: an interim result replaces the one before, a final result closes the window."""

    channel_index: tuple[int, int]
    duration: float
    start: float
    is_final: bool
    speech_final: bool
    from_finalize: bool
    channel: ChannelObject
    metadata: ResultsMetadata


class SpeechStartedMessage(msgspec.Struct, tag_field="type", tag="SpeechStarted"):
    """Speech began."""

    channel: tuple[int, int]
    timestamp: float


class UtteranceEnd(msgspec.Struct, tag_field="type", tag="UtteranceEnd"):
    """The requested silence has passed since the last word."""

    channel: tuple[int, int]
    last_word_end: float


class Metadata(msgspec.Struct, tag_field="type", tag="Metadata", omit_defaults=True):
    """The last message."""

    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: list[str]
    model_info: dict[str, ModelInfo]
    transaction_key: str
    extra: dict[str, str] | None = None


class ConfigureSuccess(msgspec.Struct, tag_field="type", tag="ConfigureSuccess", omit_defaults=True):
    """The options were changed."""

    request_id: str
    keyterms: list[str] | None = None


class ConfigureFailure(msgspec.Struct, tag_field="type", tag="ConfigureFailure"):
    """The options were refused and stay as before."""

    request_id: str
    code: str
    description: str


class ErrorMessage(msgspec.Struct, tag_field="type", tag="Error"):
    """A refusal or failure."""

    variant: str
    description: str
    message: str


_M = TypeVar("_M")

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[ListenMessage] = msgspec.json.Decoder(ListenMessage)


def encode(message: msgspec.Struct) -> str:
    """Return a message as JSON."""
    return _encode(message).decode()


def parse(message: str) -> ListenMessage:
    """Parse a text message.

    Raises:
        ProtocolError: it is not a message of the API.
    """
    return parsed(_decoder, message)


def parsed(decoder: msgspec.json.Decoder[_M], message: str) -> _M:
    """Parse a text message with the given decoder.

    Raises:
        ProtocolError: it is not a message of the API.
    """
    try:
        return decoder.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = str(error).encode("ascii", "replace").decode()[:_MAX_REASON_CHARS]
        raise ProtocolError(f"invalid text message: {reason}") from error


def is_close(message: str | bytes) -> bool:
    """Return whether a message ends the audio: CloseStream or, from older clients, an empty binary message."""
    if not message:
        return isinstance(message, bytes)
    if isinstance(message, bytes):
        return False
    with suppress(ProtocolError):
        return isinstance(parse(message), CloseStream)
    return False


def seconds(samples: int) -> float:
    """Return samples at 16 kHz in seconds, to the millisecond."""
    return round(samples / SAMPLE_RATE_HZ, 3)


def word_object(word: WordSpan, language: str | None = None) -> WordObject:
    """Return a word as on the wire."""
    return WordObject(
        word=word.text.lower().strip(_PUNCTUATION) or word.text,
        start=seconds(word.start_sample),
        end=seconds(word.end_sample),
        confidence=confidence_of_words((word,)),
        punctuated_word=word.text,
        language=language,
    )


def confidence_of_words(words: Sequence[WordSpan]) -> float:
    """Return the mean confidence of words, 0..1; 0 if there are none."""
    confidences = [_DEFAULT_CONFIDENCE if word.probability is None else word.probability for word in words]
    return round(sum(confidences) / len(confidences), 4) if confidences else 0.0


def alternative(text: str, words: Sequence[WordSpan], language: str | None) -> Alternative:
    """Return a transcript as on the wire.

    Args:
        text: the transcript.
        words: its words.
        language: its language, if it is to be sent.
    """
    objects = [word_object(word, language) for word in words]
    return Alternative(text, confidence_of_words(words), objects, None if language is None else [language])
