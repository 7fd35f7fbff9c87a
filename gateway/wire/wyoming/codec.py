"""Wyoming, Home Assistant's protocol: frames over TCP, one transcript per stream of audio. PURE.

A codec serves one transcription, from `transcribe` to `transcript`; the next one on the same connection may use another
audio format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from gateway.wire.bounds import Name, Phrases, Text, Whole
from gateway.wire.language_choice import choose_languages
from gateway.wire.wyoming.framing import ANSWER_FRAMES, Header, frame, parse_frame
from vad.errors import AudioFormatError

__all__ = ["FRAME_TYPES", "AsrProgram", "WyomingCodec", "error_frame"]

MAX_PROMPT_CHARS = 1_000
"""Whisper reads at most 223 tokens of prompt, which is about this many characters."""

_ENCODINGS = {1: Encoding.PCM_S16LE, 2: Encoding.PCM_S16LE, 3: Encoding.PCM_S24LE, 4: Encoding.PCM_S24LE}
"""Bytes of a sample on the wire → encoding it is decoded as: 8 bits are widened, 32 bits lose their lowest 8."""


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


FRAME_TYPES = (Header, _Transcribe, _Format, _Ping)
"""The structures that are parsed from a client's frames."""


@dataclass(frozen=True, slots=True)
class AsrProgram:
    """The gateway's description in `info`.

    Attributes:
        version: of livecue.
        engine: name of the engine.
        model: name of the loaded model.
        languages: ISO 639-1 codes that it supports; Home Assistant offers only these.
    """

    version: str = ""
    engine: str = ""
    model: str = ""
    languages: tuple[str, ...] = ()


class WyomingCodec:
    """Serves one `transcribe` … `audio-stop`, answered by `transcript`.

    Args:
        program: the content of `info`.
    """

    def __init__(self, program: AsrProgram | None = None) -> None:
        self._program = program or AsrProgram()
        # clients act on complete transcripts: partials would only delay them
        self._start = Start(partials=False)
        self._format: _Format | None = None
        self._remainder = b""
        """Bytes of an incomplete sample."""
        self._has_stopped = False
        self._sent_text = ""
        self.has_failed = False
        """Whether a request was refused or an utterance failed, so that an error replaces the transcript."""

    def open(self) -> list[ClientEvent]:
        """Return nothing: the start is a message."""
        return []

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one frame of the client; unknown types are ignored, as the protocol requires.

        Raises:
            ProtocolError: it is not a frame, or arrives out of order.
        """
        if isinstance(message, str):
            raise ProtocolError("got text: expected a binary frame")
        frame_type, data, payload = parse_frame(message)
        if self._has_stopped and frame_type in ANSWER_FRAMES:
            raise ProtocolError(f"got {frame_type} after audio-stop: wait for the transcript")
        match frame_type:
            case "describe":
                return [DialectReply(frame("info", _info(self._program)))]
            case "ping":
                return [DialectReply(frame("pong", {"text": _read(data, _Ping).text}))]
            case "transcribe":
                return self._transcribe(_read(data, _Transcribe))
            case "audio-start":
                return self._begin(_read(data, _Format))
            case "audio-chunk":
                return self._audio(_read(data, _Format), payload)
            case "audio-stop":
                return self._stop()
            case _:
                return []

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Return an event as frames: each final is a chunk, and all of them form the transcript."""
        match event:
            case DialectMessage(str() | bytes() as message):
                return [message]
            case Final(error=str(code)):
                self.has_failed = True
                return [error_frame(code, "the transcript of an utterance is missing")]
            case Final(text=text, language=language) if text:
                return [*self._opening(language), self._chunk(text)]
            case Finished() if not self.has_failed:
                language = choose_languages(self._start.language).code
                transcript = frame("transcript", {"text": self._sent_text, **_language(language)})
                return [*self._opening(language), transcript, frame("transcript-stop", {})]
            case Error(_, code, text):
                self.has_failed = True
                return [error_frame(code, text)]
            case _:
                return []

    def _opening(self, language: str | None) -> list[bytes]:
        return [] if self._sent_text else [frame("transcript-start", _language(language))]

    def _chunk(self, text: str) -> bytes:
        before, self._sent_text = self._sent_text, join_lines([self._sent_text, text]) if self._sent_text else text
        return frame("transcript-chunk", {"text": self._sent_text[len(before) :]})

    def _transcribe(self, request: _Transcribe) -> list[ClientEvent]:
        hints = [*(request.transcript_names or ()), *(request.transcript_terms or ())]
        language = choose_languages(request.language).tag  # Home Assistant's languages may include a country
        self._start = replace(self._start, language=language, prompt=", ".join(hints)[:MAX_PROMPT_CHARS])
        return [Update(self._start)] if self._format else []

    def _begin(self, audio: _Format) -> list[ClientEvent]:
        if self._format is not None:
            if audio != self._format:
                raise ProtocolError(
                    f"audio of {_described(audio)}: expected {_described(self._format)} as at its start"
                )
            return []
        if audio.width not in _ENCODINGS:
            raise ProtocolError(f"samples of {audio.width} bytes: expected 1 to 4", "width")
        try:
            decoded = AudioFormat(_ENCODINGS[audio.width], audio.rate, audio.channels)
        except AudioFormatError as error:
            raise ProtocolError(str(error)) from error
        self._format = audio
        self._start = replace(self._start, audio=decoded)
        return [self._start]

    def _audio(self, audio: _Format, payload: bytes) -> list[ClientEvent]:
        return [*self._begin(audio), Audio(self._decodable(payload, audio.width))]

    def _stop(self) -> list[ClientEvent]:
        self._has_stopped = True
        return [Stop()] if self._format else [self._start, Stop()]

    def _decodable(self, payload: bytes, width: int) -> bytes:
        if width in (2, 3):
            return payload
        data = self._remainder + payload
        whole = len(data) - len(data) % width
        self._remainder = data[whole:]
        samples = np.frombuffer(data[:whole], np.uint8).reshape(-1, width)
        if width == 1:
            return np.hstack([np.zeros_like(samples), samples]).tobytes()
        return samples[:, 1:].tobytes()


def error_frame(code: str, text: str) -> bytes:
    """Return an `error` frame, which ends the connection."""
    return frame("error", {"text": text, "code": code})


_Data = TypeVar("_Data", _Transcribe, _Format, _Ping)


def _read(data: Mapping[str, object], kind: type[_Data]) -> _Data:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ProtocolError(str(error)) from error


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
