"""Home Assistant's protocol Wyoming: frames over TCP, and one utterance's worth of sound an answer. PURE.

A frame is a line of JSON, then as many bytes of JSON data and of payload as that line says. A codec serves one answer,
from `transcribe` to `transcript`; the next one of the same connection may come in another format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from reprlib import repr as shortened
from typing import TypeVar

import msgspec
import numpy as np

from gateway.text import join_lines
from gateway.wire import (
    Audio,
    AudioFormat,
    ClientEvent,
    DialectMessage,
    DialectReply,
    Encoding,
    Error,
    Final,
    Finished,
    ProtocolError,
    ServerEvent,
    Start,
    Stop,
    Update,
)
from gateway.wire.bounds import Name, OpenObject, Phrases, Text, Whole
from gateway.wire.language_choice import choose_languages
from vad.errors import AudioFormatError

__all__ = ["ANSWER_FRAMES", "FRAME_TYPES", "AsrProgram", "Framer", "WyomingCodec", "error_frame", "frame_type"]

MAX_LINE_BYTES = 65_536
"""Of the header, and of the data: as long a line as the `wyoming` package reads itself."""

MAX_PAYLOAD_BYTES = 2**20
"""Of one chunk of sound: 33 s of 16 kHz in 16 bits, as of a WebSocket message."""

MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""

_ENCODINGS = {1: Encoding.PCM_S16LE, 2: Encoding.PCM_S16LE, 3: Encoding.PCM_S24LE, 4: Encoding.PCM_S24LE}
"""Bytes of a sample on the wire → what it is heard as: 8 bits are widened, 32 lose their lowest 8."""

ANSWER_FRAMES = frozenset({"transcribe", "audio-start", "audio-chunk", "audio-stop"})
"""Types of what asks for one answer; others may come at any time."""


class _Header(msgspec.Struct):
    type: Name
    data: OpenObject | None = None
    data_length: Whole | None = None
    payload_length: Whole | None = None


class _Transcribe(msgspec.Struct):
    language: Name | None = None
    transcript_names: Phrases | None = None
    transcript_terms: Phrases | None = None


class _Format(msgspec.Struct):
    rate: Whole
    width: Whole
    channels: Whole


class _Ping(msgspec.Struct):
    text: Text | None = None


FRAME_TYPES = (_Header, _Transcribe, _Format, _Ping)
"""All that is read of a client."""


@dataclass(frozen=True, slots=True)
class AsrProgram:
    """What `info` says of the gateway.

    Attributes:
        version: of livecue.
        engine: its name.
        model: the model it has loaded.
        languages: ISO-639-1 codes it can write; Home Assistant offers no other.
    """

    version: str = ""
    engine: str = ""
    model: str = ""
    languages: tuple[str, ...] = ()


class Framer:
    """Cuts a stream of bytes into frames. It holds no more than one of the largest, and what came in one go with it."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def push(self, data: bytes) -> None:
        """Take the next bytes, cut anywhere; `pop` is to be called until it has none before there may be more."""
        self._bytes += data

    def pop(self) -> bytes | None:
        """Return the next whole frame, or None where it is not all there.

        Raises:
            ProtocolError: this is no frame, or one too large. What follows cannot be told apart any more.
        """
        end = self._bytes.find(b"\n", 0, MAX_LINE_BYTES)
        if end < 0:
            if len(self._bytes) >= MAX_LINE_BYTES:
                raise ProtocolError(f"a header of more than {MAX_LINE_BYTES} bytes: a line of JSON comes first")
            return None
        header = _header(self._bytes[:end])
        size = end + 1 + (header.data_length or 0) + (header.payload_length or 0)
        if len(self._bytes) < size:
            return None
        frame = bytes(self._bytes[:size])
        del self._bytes[:size]
        return frame


class WyomingCodec:
    """Serves one `transcribe` … `audio-stop`, answered by `transcript`.

    Args:
        program: what `info` says.
    """

    def __init__(self, program: AsrProgram | None = None) -> None:
        self._program = program or AsrProgram()
        # who speaks this dialect acts on whole sentences: partials would only delay them
        self._start = Start(partials=False)
        self._format: _Format | None = None
        self._rest = b""
        """Bytes of a sample that is not all there yet."""
        self._has_stopped = False
        self._told = ""
        self.has_failed = False
        """Whether something was refused or got no words: then there is an error in place of a transcript."""

    def open(self) -> list[ClientEvent]:
        """Return nothing: the start is a message."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Read one frame of the client; one of a type that is not known is dropped, as the protocol has it.

        Raises:
            ProtocolError: it is none, or comes out of turn.
        """
        if isinstance(message, str):
            raise ProtocolError("text: frames are bytes")
        frame_type, data, payload = _parsed(message)
        if self._has_stopped and frame_type in ANSWER_FRAMES:
            raise ProtocolError(f"got {frame_type} after audio-stop: the answer comes first")
        match frame_type:
            case "describe":
                return [DialectReply(_frame("info", _info(self._program)))]
            case "ping":
                return [DialectReply(_frame("pong", {"text": _read(data, _Ping).text}))]
            case "transcribe":
                return self._wish(_read(data, _Transcribe))
            case "audio-start":
                return self._begin(_read(data, _Format))
            case "audio-chunk":
                return self._sound(_read(data, _Format), payload)
            case "audio-stop":
                return self._stop()
            case _:
                return []

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Write one event: each final is a chunk, and all of them are the transcript."""
        match event:
            case DialectMessage(message):
                return [message]
            case Final(error=str(code)):
                self.has_failed = True
                return [error_frame(code, "the words of an utterance are missing")]
            case Final(text=text, language=language) if text:
                return [*self._opening(language), self._chunk(text)]
            case Finished() if not self.has_failed:
                language = choose_languages(self._start.language).code
                transcript = _frame("transcript", {"text": self._told, **_language(language)})
                return [*self._opening(language), transcript, _frame("transcript-stop", {})]
            case Error(_, code, text):
                self.has_failed = True
                return [error_frame(code, text)]
            case _:
                return []

    def _opening(self, language: str | None) -> list[bytes]:
        return [] if self._told else [_frame("transcript-start", _language(language))]

    def _chunk(self, text: str) -> bytes:
        before, self._told = self._told, join_lines([self._told, text]) if self._told else text
        return _frame("transcript-chunk", {"text": self._told[len(before) :]})

    def _wish(self, wish: _Transcribe) -> list[ClientEvent]:
        hints = [*(wish.transcript_names or ()), *(wish.transcript_terms or ())]
        language = choose_languages(wish.language).tag  # Home Assistant's languages may name a country too
        self._start = replace(self._start, language=language, prompt=", ".join(hints)[:MAX_PROMPT_CHARS])
        return [Update(self._start)] if self._format else []

    def _begin(self, audio: _Format) -> list[ClientEvent]:
        if self._format is not None:
            if audio != self._format:
                raise ProtocolError(f"sound of {_described(audio)}: it began with {_described(self._format)}")
            return []
        if audio.width not in _ENCODINGS:
            raise ProtocolError(f"samples of {audio.width} bytes: allowed are 1 to 4", "width")
        try:
            heard = AudioFormat(_ENCODINGS[audio.width], audio.rate, audio.channels)
        except AudioFormatError as error:
            raise ProtocolError(str(error)) from error
        self._format = audio
        self._start = replace(self._start, audio=heard)
        return [self._start]

    def _sound(self, audio: _Format, payload: bytes) -> list[ClientEvent]:
        return [*self._begin(audio), Audio(self._heard(payload, audio.width))]

    def _stop(self) -> list[ClientEvent]:
        self._has_stopped = True
        return [Stop()] if self._format else [self._start, Stop()]

    def _heard(self, payload: bytes, width: int) -> bytes:
        if width in (2, 3):
            return payload
        data = self._rest + payload
        whole = len(data) - len(data) % width
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], np.uint8).reshape(-1, width)
        if width == 1:
            return np.hstack([np.zeros_like(samples), samples]).tobytes()
        return samples[:, 1:].tobytes()


def frame_type(frame: bytes) -> str:
    """Return the type of a whole frame.

    Raises:
        ProtocolError: it is none.
    """
    return _header(frame.partition(b"\n")[0]).type


def error_frame(code: str, text: str) -> bytes:
    """Return an `error`, which ends the connection."""
    return _frame("error", {"text": text, "code": code})


def _header(line: bytes | bytearray) -> _Header:
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("no header: a line of JSON with a type comes first") from error
    for name, length, most in (
        ("data", header.data_length, MAX_LINE_BYTES),
        ("payload", header.payload_length, MAX_PAYLOAD_BYTES),
    ):
        if not 0 <= (length or 0) <= most:
            raise ProtocolError(f"{name}_length {length}: allowed are 0 to {most}", f"{name}_length")
    return header


def _parsed(frame: bytes) -> tuple[str, Mapping[str, object], bytes]:
    """Return type, data and payload."""
    line, _, body = frame.partition(b"\n")
    header = _header(line)
    split = header.data_length or 0
    if len(body) != split + (header.payload_length or 0):
        raise ProtocolError("a frame that is longer or shorter than its header says")
    try:
        data = msgspec.json.decode(body[:split], type=dict[str, object]) if split else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"data of {shortened(header.type)} that is no JSON object") from error
    return header.type, {**(header.data or {}), **data}, body[split:]


_Data = TypeVar("_Data", _Transcribe, _Format, _Ping)


def _read(data: Mapping[str, object], kind: type[_Data]) -> _Data:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(str(error)) from error


def _frame(frame_type: str, data: Mapping[str, object]) -> bytes:
    body = msgspec.json.encode(data) if data else b""
    header = {"type": frame_type, **({"data_length": len(body)} if body else {})}
    return msgspec.json.encode(header) + b"\n" + body


def _language(language: str | None) -> dict[str, object]:
    return {} if language is None else {"language": language}


def _described(audio: _Format) -> str:
    return f"{audio.rate} Hz, {audio.width} bytes, {audio.channels} channels"


def _info(program: AsrProgram) -> dict[str, object]:
    maker = {"attribution": {"name": "livecue", "url": ""}, "installed": True}
    model = {
        "name": program.model,
        "description": f"{program.model} ({program.engine})",
        "version": None,
        "languages": program.languages,
        **maker,
    }
    asr = {
        "name": "livecue",
        "description": "Real-time transcription gateway",
        "version": program.version,
        "models": [model],
        "supports_transcript_streaming": True,
        "requires_external_vad": True,
        **maker,
    }
    others: dict[str, object] = {kind: [] for kind in ("tts", "handle", "intent", "wake", "mic", "snd")}
    return {"asr": [asr], **others}
