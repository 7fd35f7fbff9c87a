"""Deepgram's JSON of a file: passages in, JSON out. PURE."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from gateway.session.file_session import Passage
from gateway.text import join_lines
from gateway.wire import WordSpan
from gateway.wire.deepgram.listen_params import Listen
from gateway.wire.deepgram.messages import (
    MODEL_UUID,
    Alternative,
    ModelInfo,
    WordObject,
    alternative,
    confidence_of_words,
    seconds,
    word_object,
)

__all__ = ["FileFacts", "body_of"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts about a file besides its transcript.

    Attributes:
        request_id: of the request.
        sha256: of the file, in hexadecimal.
        created: when the request arrived, ISO 8601.
        duration_s: length of its audio in seconds.
        model: of the engine.
    """

    request_id: str
    sha256: str
    created: str
    duration_s: float
    model: str


class FileMetadata(msgspec.Struct, omit_defaults=True):
    """The metadata of a response."""

    transaction_key: str
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: list[str]
    model_info: dict[str, ModelInfo]
    extra: dict[str, str] | None = None


class FileChannel(msgspec.Struct, omit_defaults=True):
    """The transcript of a channel."""

    alternatives: list[Alternative]
    detected_language: str | None = None


class Utterance(msgspec.Struct):
    """One utterance."""

    start: float
    end: float
    confidence: float
    channel: int
    transcript: str
    words: list[WordObject]
    id: str


class FileResults(msgspec.Struct, omit_defaults=True):
    """The transcripts."""

    channels: list[FileChannel]
    utterances: list[Utterance] | None = None


class FileAnswer(msgspec.Struct):
    """The body of a response."""

    metadata: FileMetadata
    results: FileResults


def body_of(listen: Listen, passages: Sequence[Passage], facts: FileFacts) -> bytes:
    """Return the body of a response as JSON.

    Args:
        listen: the options.
        passages: all of the file, in order.
        facts: about the file.
    """
    with_text = [passage for passage in passages if passage.final.text]
    words = [word for passage in with_text for word in passage.final.words]
    text = join_lines(passage.final.text for passage in with_text)
    metadata = FileMetadata(
        transaction_key="deprecated",
        request_id=facts.request_id,
        sha256=facts.sha256,
        created=facts.created,
        duration=round(facts.duration_s, 3),
        channels=1,
        models=[MODEL_UUID],
        model_info={MODEL_UUID: ModelInfo(listen.model, "1", facts.model)},
        extra=dict(listen.extra) or None,
    )
    language = _language(with_text)
    channel = FileChannel(
        [alternative(text, words, language if listen.is_multilingual else None)],
        language if listen.start.language is None else None,
    )
    utterances = (
        [_utterance(number, passage) for number, passage in enumerate(with_text)] if listen.utterances else None
    )
    return msgspec.json.encode(FileAnswer(metadata, FileResults([channel], utterances)))


def _utterance(number: int, passage: Passage) -> Utterance:
    words: Sequence[WordSpan] = passage.final.words
    start = words[0].start_sample if words else passage.final.start_sample
    end = words[-1].end_sample if words else passage.final.end_sample
    return Utterance(
        start=seconds(start),
        end=seconds(max(start, end)),
        confidence=confidence_of_words(words),
        channel=0,
        transcript=passage.final.text,
        words=[word_object(word) for word in words],
        id=str(number),
    )


def _language(passages: Sequence[Passage]) -> str | None:
    """Return the language of most of the text; None: unknown."""
    chars = Counter[str]()
    for passage in passages:
        if passage.final.language is not None:
            chars[passage.final.language] += len(passage.final.text)
    return max(chars, key=chars.__getitem__, default=None)
