"""The dialect of vosk-server, which Jitsi, FreeSWITCH and Asterisk speak: one reply to each message of sound. PURE.

vosk-server replies when it has decoded the sound; here the reply says what is known by then. It is late only while an
utterance that ended more than `MAX_LAG_S` of sound ago waits for its final, so that a file sent as fast as replies come
is not sent too fast. An utterance that goes on delays no reply: its final may be what the next message brings. And no
reply waits longer than `MAX_WAIT_S`, whatever the engine does: the client sends nothing until it has come.
"""

from collections import deque
from dataclasses import replace
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
"""Of vosk-server, where the client says nothing."""

MAX_LAG_S = 5.0
"""Half of what makes partials pause."""

MAX_WAIT_S = 5.0
"""As long as the sound that may wait; what is not known by then comes with a later reply."""

MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""

_REPLY, _RESET = "reply", "reset"
"""What `DialectReply` holds: that a reply is due in its turn, which is written then."""


class _Config(msgspec.Struct):
    """What is read of a config; `model` is not, for a client is not to choose files of the server."""

    # vosk-server converts what it is given: `float(…)`, `bool(…)`, `int(…)`
    sample_rate: Number | Name | None = None
    words: bool | Number | Name | None = None
    phrase_list: Phrases | None = None
    max_alternatives: Number | Name | None = None


class VoskMessage(msgspec.Struct):
    """What a client says beside sound."""

    config: _Config | None = None
    eof: bool | Whole | None = None
    reset: bool | Whole | None = None


class _Names(msgspec.Struct):
    config: Annotated[dict[Name, msgspec.Raw], msgspec.Meta(max_length=MAX_FIELDS)] | None = None


_NAMES = (*_Config.__struct_fields__, "model")


class VoskCodec:
    """Serves one connection: a config where there is one, sound, `reset` between, and `eof`."""

    def __init__(self) -> None:
        audio = AudioFormat(Encoding.PCM_S16LE, DEFAULT_RATE_HZ, 1)
        self._start = Start(audio=audio, words=True, transcripts=True)
        self._has_started = False
        self._has_stopped = False
        self._tells_words = True
        self._tells_alternatives = False
        self._partial = ""
        self._finals: list[Final] = []
        """Not told yet; all of them are one reply."""
        self._waiting: dict[int, int] = {}
        """Utterances without a final → where each ended, at 16 kHz."""
        self._received_s = 0.0
        self._owed: deque[str | bytes] = deque()
        """Replies that wait, oldest first: each is `_REPLY` or `_RESET`."""
        self._flushed = 0
        """Resets that are done and not replied to."""
        self._ahead = 0
        """Resets that are replied to and not done."""
        self._has_reminder = False
        """Whether what is owed will be replied to in time, for a reminder is under way."""

    def open(self) -> list[ClientEvent]:
        """Return nothing: the start is the config, or the first sound."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Read one message of the client.

        Raises:
            ProtocolError: it is none of the dialect, or comes after `eof`.
        """
        order = None if isinstance(message, bytes) else _parsed(message)
        if self._has_stopped:
            raise ProtocolError("nothing may follow eof")
        if order is None:
            assert isinstance(message, bytes), "text is parsed"
            sound = message if self._has_started else _without_header(message)
            return [*self._begin(), Audio(sound), self._say(_REPLY)]
        if order.config:
            return self._configure(order.config)
        if order.eof:
            self._has_stopped = True
            return [*self._begin(), Stop()]
        if order.reset:
            return [*self._begin(), self._say(_RESET), Flush(_RESET)]
        raise ProtocolError(f"got {shortened(message)}: expected config, reset or eof")

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Write a reply where one is due, with all that has become known."""
        match event:
            case DialectMessage(is_reminder=True):
                self._has_reminder = False
                return self._replies(is_overdue=True)
            case DialectMessage(message):
                self._owed.append(message)
                return self._replies()
            case Partial(committed=committed, tail=tail):
                self._partial = join_words((*committed, *tail))
            case SpeechEnded(_, utterance_id, _, end_sample):
                self._waiting[utterance_id] = end_sample
            case Final(utterance_id=utterance_id):
                self._partial = ""
                self._finals.append(event)
                self._waiting.pop(utterance_id, None)
            case Ack(_, received):
                self._received_s = received / self._start.audio.sample_rate_hz
                return self._replies()
            case Flushed():
                self._flushed += not self._ahead
                self._ahead -= self._ahead > 0
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
                raise ProtocolError("the sample rate of sound that has begun stays what it is", "sample_rate")
        if config.phrase_list is not None:
            phrases = [phrase for phrase in config.phrase_list if not phrase.startswith("[")]  # [unk]: anything else
            start = replace(start, prompt=", ".join(phrases)[:MAX_PROMPT_CHARS])
        if config.words is not None:
            self._tells_words = bool(config.words)
        if config.max_alternatives is not None:
            self._tells_alternatives = _number(config.max_alternatives, "max_alternatives") > 0
        self._start = start
        return [Update(start)] if self._has_started else []

    def _say(self, message: str) -> DialectReply:
        has_reminder, self._has_reminder = self._has_reminder, True
        return DialectReply(message, None if has_reminder else MAX_WAIT_S)

    def _replies(self, *, is_overdue: bool = False) -> list[str | bytes]:
        """Write the replies that are due, in the order of the messages."""
        replies: list[str | bytes] = []
        while self._owed and (is_overdue or self._is_due(self._owed[0])):
            if self._owed.popleft() == _RESET:
                self._ahead += not self._flushed
                self._flushed -= self._flushed > 0
                replies.append(self._result())
            else:
                replies.append(self._reply())
        return replies

    def _is_due(self, owed: str | bytes) -> bool:
        if owed == _RESET:
            return self._flushed > 0
        return self._received_s - min(self._waiting.values(), default=inf) / SAMPLE_RATE_HZ <= MAX_LAG_S

    def _reply(self) -> str:
        return self._result() if self._finals else _encode({"partial": self._partial})

    def _result(self) -> str:
        """Return all finals not told yet as one result."""
        finals, self._finals = self._finals, []
        words = [_word(word) for final in finals for word in final.words]
        text = join_lines(final.text for final in finals if final.text)
        result = {**({"result": words} if words and self._tells_words else {}), "text": text}
        if self._tells_alternatives:
            return _encode({"alternatives": [{"confidence": 1.0, **result}]})
        errors = [final.error for final in finals if final.error]
        return _encode({**result, **({"error": errors[0]} if errors else {})})


def _parsed(text: str) -> VoskMessage:
    try:
        message, names = msgspec.json.decode(text, type=VoskMessage), msgspec.json.decode(text, type=_Names)
    except msgspec.ValidationError as error:
        raise ProtocolError(str(error)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("text that is not JSON: sound is binary") from error
    unknown = (name for name in names.config or () if name not in _NAMES)
    for name in islice(unknown, MAX_NAMES):
        if (meant := meant_by(name, _NAMES)) is not None:
            raise ProtocolError(f"config has no {name}: did you mean {meant}?", name)
    return message


def _number(value: float | str, name: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ProtocolError(f"{name} {shortened(value)}: expected a number", name) from error


def _format(rate_hz: float) -> AudioFormat:
    if not rate_hz.is_integer():
        raise ProtocolError(f"sample rate {rate_hz}: expected whole Hz", "sample_rate")
    try:
        return AudioFormat(Encoding.PCM_S16LE, int(rate_hz), 1)
    except AudioFormatError as error:
        raise ProtocolError(str(error), "sample_rate") from error


def _without_header(sound: bytes) -> bytes:
    """Leave out the header of a WAV file: vosk-server's own examples send files as they are."""
    if sound[:4] != b"RIFF" or sound[8:12] != b"WAVE":
        return sound
    return sound.partition(b"data")[2][4:]


def _word(word: WordSpan) -> dict[str, object]:
    return {
        "conf": 1.0 if word.probability is None else round(word.probability, 6),
        "end": round(word.end_sample / SAMPLE_RATE_HZ, 3),
        "start": round(word.start_sample / SAMPLE_RATE_HZ, 3),
        "word": word.text,
    }


def _encode(reply: dict[str, object]) -> str:
    return msgspec.json.encode(reply).decode()
