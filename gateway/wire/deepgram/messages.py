"""The messages of Deepgram's streaming API, as they are on the wire. Times are seconds of the sound sent. PURE."""

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
"""Models have names here."""

_SURE = 1.0
"""The confidence of an engine that gives none: clients drop words of which it is low."""

_PUNCTUATION = "!\"'(),-.:;?[]{}¡¿…、。，：；？！“”‘’«»"

_MAX_SHOWN_CHARS = 200
"""Of what is wrong with a message, in the refusal of it."""


class KeepAliveMessage(msgspec.Struct, tag_field="type", tag="KeepAlive"):
    """Still here."""


class Finalize(msgspec.Struct, tag_field="type", tag="Finalize"):
    """Answer all sound so far now."""


class CloseStream(msgspec.Struct, tag_field="type", tag="CloseStream"):
    """No more sound."""


class Configure(msgspec.Struct, tag_field="type", tag="Configure"):
    """Go on with other keyterms; None leaves them. Features are formatting, which is the engine's."""

    keyterms: Phrases | None = None
    features: Annotated[dict[Name, bool], msgspec.Meta(max_length=MAX_FIELDS)] | None = None


ListenMessage = KeepAliveMessage | Finalize | CloseStream | Configure
"""What a client of `/v1/listen` says beside sound."""


class WordObject(msgspec.Struct, omit_defaults=True):
    """One word; `word` without case and punctuation."""

    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str
    language: str | None = None


class Alternative(msgspec.Struct, omit_defaults=True):
    """What was said; there is never a second one."""

    transcript: str
    confidence: float
    words: list[WordObject]
    languages: list[str] | None = None


class ChannelObject(msgspec.Struct):
    """What was said on a channel."""

    alternatives: list[Alternative]


class ModelInfo(msgspec.Struct):
    """What decodes."""

    name: str
    version: str
    arch: str


class ResultsMetadata(msgspec.Struct, omit_defaults=True):
    """Whose result it is."""

    request_id: str
    model_info: ModelInfo
    model_uuid: str
    extra: dict[str, str] | None = None


class Results(msgspec.Struct, tag_field="type", tag="Results"):
    """The words of a window: an interim replaces the one before, a final closes the window."""

    channel_index: tuple[int, int]
    duration: float
    start: float
    is_final: bool
    speech_final: bool
    from_finalize: bool
    channel: ChannelObject
    metadata: ResultsMetadata


class SpeechStartedMessage(msgspec.Struct, tag_field="type", tag="SpeechStarted"):
    """Somebody began to speak."""

    channel: tuple[int, int]
    timestamp: float


class UtteranceEnd(msgspec.Struct, tag_field="type", tag="UtteranceEnd"):
    """After the last word there has been the silence asked for."""

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
    """It goes on as wanted."""

    request_id: str
    keyterms: list[str] | None = None


class ConfigureFailure(msgspec.Struct, tag_field="type", tag="ConfigureFailure"):
    """It goes on as before."""

    request_id: str
    code: str
    description: str


class ErrorMessage(msgspec.Struct, tag_field="type", tag="Error"):
    """Something was refused."""

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
    """Read a text message.

    Raises:
        ProtocolError: it is none of the dialect's.
    """
    return parsed(_decoder, message)


def parsed(decoder: msgspec.json.Decoder[_M], message: str) -> _M:
    """Read a text message with a decoder.

    Raises:
        ProtocolError: it does not fit.
    """
    try:
        return decoder.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = str(error).encode("ascii", "replace").decode()[:_MAX_SHOWN_CHARS]
        raise ProtocolError(f"a text message that is none of the API's: {reason}") from error


def is_close(message: str | bytes) -> bool:
    """Return whether no sound follows a message: CloseStream, or what older clients send instead, an empty one."""
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
    """Return a word as it is on the wire."""
    return WordObject(
        word=word.text.lower().strip(_PUNCTUATION) or word.text,
        start=seconds(word.start_sample),
        end=seconds(word.end_sample),
        confidence=confidence_of_words((word,)),
        punctuated_word=word.text,
        language=language,
    )


def confidence_of_words(words: Sequence[WordSpan]) -> float:
    """Return how sure the engine is of words, 0..1; of none 0."""
    known = [_SURE if word.probability is None else word.probability for word in words]
    return round(sum(known) / len(known), 4) if known else 0.0


def alternative(text: str, words: Sequence[WordSpan], language: str | None) -> Alternative:
    """Return what was said.

    Args:
        text: as it is written.
        words: of it.
        language: of it, where it is to be told.
    """
    objects = [word_object(word, language) for word in words]
    return Alternative(text, confidence_of_words(words), objects, None if language is None else [language])
