"""OpenAI's response formats: passages of a file in, response bodies out. PURE."""

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from pydantic import BaseModel

from decoder.languages import LANGUAGE_NAMES
from decoder.types import Task
from gateway.captions.cue_profiles import CueProfile
from gateway.captions.file_captions import FileCaptions
from gateway.captions.subtitles import to_srt, to_vtt
from gateway.http.openai.request_form import Granularity, Order, ResponseFormat
from gateway.session.file_session import Passage
from gateway.text import join_lines
from gateway.wire import WordSpan
from gateway.wire.cue import Cue
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Body", "DeltaWriter", "Transcription", "VerboseTranscription", "body_of", "text_of"]

_SEEK_HZ = 100
"""Whisper counts `seek` in feature frames."""

_UNKNOWN = 0.0
"""Of figures that clients require and the engine does not provide."""

_LEAST_PROBABILITY = 1e-10
"""Engines round probabilities to 0, whose logarithm JSON cannot express."""


class Usage(BaseModel):
    """Audio that was transcribed, in seconds."""

    type: Literal["duration"] = "duration"
    seconds: float


class Language(BaseModel):
    """A language that was spoken, ISO-639-1."""

    code: str


class Logprob(BaseModel):
    """The log probability of a word; `token` has the space before it."""

    token: str
    bytes: list[int]
    logprob: float


class Transcription(BaseModel):
    """The body of `response_format=json`. `model` and `language`, null where nobody speaks, are what Mistral's has."""

    text: str
    model: str
    language: str | None
    languages: list[Language]
    usage: Usage
    logprobs: list[Logprob] | None = None


class TimedWord(BaseModel):
    """A word, in seconds since the file began."""

    word: str
    start: float
    end: float


class Segment(BaseModel):
    """One utterance, in seconds since the file began. `tokens` is empty: engines keep theirs."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class VerboseTranscription(BaseModel):
    """The body of `response_format=verbose_json`."""

    task: str
    language: str
    duration: float
    text: str
    segments: list[Segment] | None = None
    words: list[TimedWord] | None = None
    usage: Usage


class Delta(BaseModel):
    """An event of a stream: more text."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str
    logprobs: list[Logprob] | None = None


class Done(BaseModel):
    """The last event of a stream: the whole text."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    languages: list[Language]
    logprobs: list[Logprob] | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an answer, and its media type."""

    text: str
    media_type: str


def body_of(order: Order, passages: Sequence[Passage], duration_s: float, profile: CueProfile) -> Body:
    """Return the transcript in the requested format.

    Args:
        order: the options.
        passages: all of the file, in order.
        duration_s: of the file, in seconds.
        profile: of the cues.
    """
    match order.response_format:
        case ResponseFormat.JSON:
            left_out = None if order.logprobs else {"logprobs"}
            written = _transcription(order, passages, duration_s).model_dump_json(exclude=left_out)
            return Body(written, "application/json")
        case ResponseFormat.VERBOSE_JSON:
            return Body(_json(_verbose(order, passages, duration_s)), "application/json")
        case ResponseFormat.TEXT:
            return Body(text_of(passages) + "\n", "text/plain; charset=utf-8")
        case ResponseFormat.SRT:
            return Body(to_srt(_cues(passages, profile)), "application/x-subrip; charset=utf-8")
        case ResponseFormat.VTT:
            return Body(to_vtt(_cues(passages, profile)), "text/vtt; charset=utf-8")
        case _:
            assert_never(order.response_format)


def text_of(passages: Iterable[Passage]) -> str:
    """Return the words of all passages as one line."""
    return join_lines(passage.final.text for passage in passages if passage.final.text)


class DeltaWriter:
    """Writes the events of a stream as JSON; the deltas together are the text.

    Args:
        order: the options.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._passages: list[Passage] = []

    def delta(self, passage: Passage) -> str | None:
        """Return the event of a passage; None: it has no text."""
        text = passage.final.text
        if not text:
            return None
        before = self._passages[-1].final.text if self._passages else ""
        self._passages.append(passage)
        addition = join_lines([before, text])[len(before) :] if before else text
        return _json(Delta(delta=addition, logprobs=_logprobs([passage]) if self._order.logprobs else None))

    def end(self) -> list[str]:
        """Return the last events: done, and a delta before it if there was none, since clients wait for one."""
        done = Done(
            text=text_of(self._passages),
            languages=_languages(self._order, self._passages),
            logprobs=_logprobs(self._passages) if self._order.logprobs else None,
        )
        return [*([] if self._passages else [_json(Delta(delta=""))]), _json(done)]


def _transcription(order: Order, passages: Sequence[Passage], duration_s: float) -> Transcription:
    languages = _languages(order, passages)
    return Transcription(
        text=text_of(passages),
        model=order.model,
        language=languages[0].code if languages else None,
        languages=languages,
        usage=_usage(duration_s),
        logprobs=_logprobs(passages) if order.logprobs else None,
    )


def _verbose(order: Order, passages: Sequence[Passage], duration_s: float) -> VerboseTranscription:
    with_text = [passage for passage in passages if passage.final.text]
    has_words = Granularity.WORD in order.granularities
    has_segments = Granularity.SEGMENT in order.granularities
    words = [_timed(word) for passage in with_text for word in passage.final.words] if has_words else None
    segments = [_segment(number, passage, order) for number, passage in enumerate(with_text)] if has_segments else None
    codes = [language.code for language in _languages(order, passages)]
    return VerboseTranscription(
        task=order.task,
        language=LANGUAGE_NAMES.get(codes[0], codes[0]) if codes else "unknown",
        duration=_rounded(duration_s),
        text=text_of(passages),
        segments=segments,
        words=words,
        usage=_usage(duration_s),
    )


def _segment(number: int, passage: Passage, order: Order) -> Segment:
    final = passage.final
    start_sample = final.words[0].start_sample if final.words else final.start_sample
    # engines return words that end after the audio
    end_sample = min(final.words[-1].end_sample, final.end_sample) if final.words else final.end_sample
    text = f" {final.text}"
    return Segment(
        id=number,
        seek=start_sample * _SEEK_HZ // SAMPLE_RATE_HZ,
        start=_to_s(start_sample),
        end=_to_s(max(start_sample, end_sample)),
        text=text,
        tokens=[],
        temperature=order.temperature,
        avg_logprob=_avg_logprob(passage),
        compression_ratio=_compression_ratio(text),
        no_speech_prob=_UNKNOWN if passage.no_speech_probability is None else passage.no_speech_probability,
    )


def _avg_logprob(passage: Passage) -> float:
    if passage.avg_logprob is not None:
        return passage.avg_logprob
    known = [_logprob(word.probability) for word in passage.final.words if word.probability is not None]
    return sum(known) / len(known) if known else _UNKNOWN


def _compression_ratio(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data))


def _languages(order: Order, passages: Iterable[Passage]) -> list[Language]:
    """Return the languages of the text, the most frequent first; translations are English."""
    if order.task is Task.TRANSLATE:
        return [Language(code="en")]
    chars = Counter[str]()
    for passage in passages:
        if passage.final.text and passage.final.language is not None:
            chars[passage.final.language] += len(passage.final.text)
    return [Language(code=code) for code, _ in chars.most_common()] or (
        [Language(code=order.language.partition("-")[0])] if order.language is not None else []
    )


def _logprobs(passages: Iterable[Passage]) -> list[Logprob]:
    return [
        Logprob(token=token, bytes=list(token.encode()), logprob=_logprob(word.probability))
        for passage in passages
        for word in passage.final.words
        if word.probability is not None and (token := f" {word.text}" if word.spaced else word.text)
    ]


def _logprob(probability: float) -> float:
    return math.log(min(1.0, max(probability, _LEAST_PROBABILITY)))


def _timed(word: WordSpan) -> TimedWord:
    return TimedWord(word=word.text, start=_to_s(word.start_sample), end=_to_s(word.end_sample))


def _cues(passages: Iterable[Passage], profile: CueProfile) -> list[Cue]:
    captions = FileCaptions(profile)
    return [*(cue for passage in passages for cue in captions.add(passage.final)), *captions.finish()]


def _usage(duration_s: float) -> Usage:
    return Usage(seconds=_rounded(duration_s))


def _to_s(samples: int) -> float:
    return _rounded(samples / SAMPLE_RATE_HZ)


def _rounded(seconds: float) -> float:
    """Return seconds in whole milliseconds, as subtitles have them."""
    return round(seconds, 3)


def _json(body: BaseModel) -> str:
    return body.model_dump_json(exclude_none=True)
