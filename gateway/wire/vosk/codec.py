"""The dialect of vosk-server, which Jitsi, FreeSWITCH and Asterisk speak: one reply to each audio message. PURE.

vosk-server replies when it has decoded the audio; here a reply carries what is known at the time. It is delayed only
while an utterance that ended more than `MAX_LAG_S` of audio ago has no final, so that a file sent as fast as replies
arrive is not sent too fast. An open utterance delays no reply: its final may depend on the next message. And no reply
is delayed by more than `MAX_WAIT_S`, whatever the engine does: the client sends nothing until it arrives.
"""

from collections import deque
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import islice
from math import inf
from reprlib import repr as shortened
from typing import Annotated

import msgspec

from gateway.text import join_lines
from gateway.wire import (
    SAMPLE_RATE_HZ,
    Ack,
    Audio,
    AudioFormat,
    ClientEvent,
    DialectMessage,
    DialectReply,
    Encoding,
    Error,
    Final,
    Finished,
    Flush,
    Flushed,
    Note,
    Partial,
    ProtocolError,
    ServerEvent,
    SpeechEnded,
    Start,
    Stop,
    Update,
    WordSpan,
)
from gateway.wire.bounds import MAX_FIELDS, Name, Number, Phrases, Whole
from gateway.wire.misspellings import MAX_NAMES, meant_by
from gateway.wire.words import join_words
from vad.errors import AudioFormatError

__all__ = ["VoskCodec", "VoskMessage"]

DEFAULT_RATE_HZ = 8_000
"""vosk-server's, if the client sends no rate."""

MAX_LAG_S = 5.0
"""Half of the lag at which partials are suspended."""

MAX_WAIT_S = 5.0
"""The same as the tolerated lag; what is not known by then follows in a later reply."""

MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""

_FLUSH_ID = "reset"


class _Reply(Enum):
    """What a reply answers."""

    AUDIO = auto()
    RESET = auto()


@dataclass(frozen=True, slots=True)
class ReplyNote(Note):
    """A reply is due; its content is decided when the note comes back."""

    reply: _Reply


class _Config(msgspec.Struct):
    """The fields of a config that are read; `model` is ignored, as clients must not choose files of the server."""

    # vosk-server converts values: `float(…)`, `bool(…)`, `int(…)`
    sample_rate: Number | Name | None = None
    words: bool | Number | Name | None = None
    phrase_list: Phrases | None = None
    max_alternatives: Number | Name | None = None


class VoskMessage(msgspec.Struct):
    """A client message other than audio."""

    config: _Config | None = None
    eof: bool | Whole | None = None
    reset: bool | Whole | None = None


class _Names(msgspec.Struct):
    config: Annotated[dict[Name, msgspec.Raw], msgspec.Meta(max_length=MAX_FIELDS)] | None = None


_KNOWN_NAMES = (*_Config.__struct_fields__, "model")


class VoskCodec:
    """Serves one connection: an optional config, audio with any number of `reset`, and `eof`."""

    def __init__(self) -> None:
        audio = AudioFormat(Encoding.PCM_S16LE, DEFAULT_RATE_HZ, 1)
        self._start = Start(audio=audio, words=True, transcripts=True)
        self._has_started = False
        self._has_stopped = False
        self._sends_words = True
        self._sends_alternatives = False
        self._partial = ""
        self._finals: list[Final] = []
        """Not sent yet; one reply carries all of them."""
        self._pending: dict[int, int] = {}
        """Utterances without a final → end of each, in samples at 16 kHz."""
        self._received_s = 0.0
        self._outstanding: deque[_Reply] = deque()
        """Outstanding replies, oldest first."""
        self._unanswered_resets = 0
        """Resets that are done but not replied to."""
        self._early_replies = 0
        """Resets that are replied to but not done."""
        self._has_reminder = False
        """Whether a reminder is scheduled, which bounds the delay of the outstanding replies."""

    def open(self) -> list[ClientEvent]:
        """Return nothing: the session starts with the config or the first audio."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one message of the client.

        Raises:
            ProtocolError: it is not a message of the dialect, or comes after `eof`.
        """
        control = None if isinstance(message, bytes) else _parsed(message)
        if self._has_stopped:
            raise ProtocolError("got a message after eof: expected none")
        if control is None:
            assert isinstance(message, bytes), "text is parsed"
            data = message if self._has_started else _without_header(message)
            return [*self._begin(), Audio(data), self._schedule(_Reply.AUDIO)]
        if control.config:
            return self._configure(control.config)
        if control.eof:
            self._has_stopped = True
            return [*self._begin(), Stop()]
        if control.reset:
            return [*self._begin(), self._schedule(_Reply.RESET), Flush(_FLUSH_ID)]
        raise ProtocolError(f"got {shortened(message)}: expected config, reset or eof")

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Return the replies that are due, with all that is known by now."""
        match event:
            case DialectMessage(is_reminder=True):
                self._has_reminder = False
                return self._replies(is_overdue=True)
            case DialectMessage(ReplyNote(reply)):
                self._outstanding.append(reply)
                return self._replies()
            case Partial(committed=committed, tail=tail):
                self._partial = join_words((*committed, *tail))
            case SpeechEnded(_, utterance_id, _, end_sample):
                self._pending[utterance_id] = end_sample
            case Final(utterance_id=utterance_id):
                self._partial = ""
                self._finals.append(event)
                self._pending.pop(utterance_id, None)
            case Ack(_, received):
                self._received_s = received / self._start.audio.sample_rate_hz
                return self._replies()
            case Flushed():
                self._unanswered_resets += not self._early_replies
                self._early_replies -= self._early_replies > 0
                return self._replies()
            case Finished():
                return [*self._replies(is_overdue=True), self._result()]
            case Error(_, _, text):
                # clients look for `text` and break without it
                return [_encode({"text": "", "error": text})]
            case _:
                pass
        return []

    def _begin(self) -> list[ClientEvent]:
        has_started, self._has_started = self._has_started, True
        return [] if has_started else [self._start]

    def _configure(self, config: _Config) -> list[ClientEvent]:
        start = self._start
        if config.sample_rate is not None:
            start = replace(start, audio=_format(_number(config.sample_rate, "sample_rate")))
            if self._has_started and start.audio != self._start.audio:
                raise ProtocolError("sample_rate cannot change after the first audio", "sample_rate")
        if config.phrase_list is not None:
            phrases = [phrase for phrase in config.phrase_list if not phrase.startswith("[")]  # [unk]: anything else
            start = replace(start, prompt=", ".join(phrases)[:MAX_PROMPT_CHARS])
        if config.words is not None:
            self._sends_words = bool(config.words)
        if config.max_alternatives is not None:
            self._sends_alternatives = _number(config.max_alternatives, "max_alternatives") > 0
        self._start = start
        return [Update(start)] if self._has_started else []

    def _schedule(self, reply: _Reply) -> DialectReply:
        has_reminder, self._has_reminder = self._has_reminder, True
        return DialectReply(ReplyNote(reply), None if has_reminder else MAX_WAIT_S)

    def _replies(self, *, is_overdue: bool = False) -> list[str | bytes]:
        """Return the replies that are due, in the order of the messages."""
        replies: list[str | bytes] = []
        while self._outstanding and (is_overdue or self._is_due(self._outstanding[0])):
            if self._outstanding.popleft() is _Reply.RESET:
                self._early_replies += not self._unanswered_resets
                self._unanswered_resets -= self._unanswered_resets > 0
                replies.append(self._result())
            else:
                replies.append(self._reply())
        return replies

    def _is_due(self, reply: _Reply) -> bool:
        if reply is _Reply.RESET:
            return self._unanswered_resets > 0
        return self._received_s - min(self._pending.values(), default=inf) / SAMPLE_RATE_HZ <= MAX_LAG_S

    def _reply(self) -> str:
        return self._result() if self._finals else _encode({"partial": self._partial})

    def _result(self) -> str:
        """Return all unsent finals as one result."""
        finals, self._finals = self._finals, []
        words = [_word(word) for final in finals for word in final.words]
        text = join_lines(final.text for final in finals if final.text)
        result = {**({"result": words} if words and self._sends_words else {}), "text": text}
        if self._sends_alternatives:
            return _encode({"alternatives": [{"confidence": 1.0, **result}]})
        errors = [final.error for final in finals if final.error]
        return _encode({**result, **({"error": errors[0]} if errors else {})})


def _parsed(text: str) -> VoskMessage:
    try:
        message, names = msgspec.json.decode(text, type=VoskMessage), msgspec.json.decode(text, type=_Names)
    except msgspec.ValidationError as error:
        raise ProtocolError(str(error)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("text that is not JSON: expected a JSON object, or audio as binary") from error
    unknown = (name for name in names.config or () if name not in _KNOWN_NAMES)
    for name in islice(unknown, MAX_NAMES):
        if (meant := meant_by(name, _KNOWN_NAMES)) is not None:
            raise ProtocolError(f"unknown config field {name}: did you mean {meant}?", name)
    return message


def _number(value: float | str, name: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ProtocolError(f"{name} {shortened(value)}: expected a number", name) from error


def _format(rate_hz: float) -> AudioFormat:
    if not rate_hz.is_integer():
        raise ProtocolError(f"sample rate {rate_hz}: expected a whole number of Hz", "sample_rate")
    try:
        return AudioFormat(Encoding.PCM_S16LE, int(rate_hz), 1)
    except AudioFormatError as error:
        raise ProtocolError(str(error), "sample_rate") from error


def _without_header(data: bytes) -> bytes:
    """Return the audio without a WAV header: vosk-server's own examples send whole files."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return data
    return data.partition(b"data")[2][4:]


def _word(word: WordSpan) -> dict[str, object]:
    return {
        "conf": 1.0 if word.probability is None else round(word.probability, 6),
        "end": round(word.end_sample / SAMPLE_RATE_HZ, 3),
        "start": round(word.start_sample / SAMPLE_RATE_HZ, 3),
        "word": word.text,
    }


def _encode(reply: dict[str, object]) -> str:
    return msgspec.json.encode(reply).decode()
