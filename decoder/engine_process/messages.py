"""PURE: the messages between the gateway and the process of its engine, as bytes and back.

| frame | |
|---|---|
| 4 bytes | length of the fields, little-endian |
| 4 bytes | length of the audio |
| fields | the message in MessagePack; in place of audio its number of samples |
| audio | the samples of all requests, in order, float32 in the machine's byte order |
"""

from collections.abc import Callable
from pathlib import Path
from struct import Struct as Layout
from typing import TypeVar

import msgspec
import numpy as np

from decoder.engine import EngineInfo, EngineWork
from decoder.settings import EngineSettings
from decoder.types import (
    DecodeRequest,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineTimeout,
    Hypothesis,
    ModelError,
    RequestCancelled,
    RequestReplaced,
)
from vad.audio import Float32

__all__ = [
    "HEAD_BYTES",
    "Answered",
    "Cancel",
    "Command",
    "Decode",
    "Failed",
    "Failure",
    "Forget",
    "Logged",
    "Outcome",
    "Report",
    "Start",
    "Started",
    "Status",
    "decode_command",
    "decode_report",
    "encode",
    "lengths",
]

_HEAD = Layout("<II")

HEAD_BYTES = _HEAD.size

_MOST_FIELDS_BYTES = 1 << 24
"""More is no message: the longest is a batch with its prompts."""

_ERRORS = {
    error.__name__: error
    for error in (
        EngineBusy,
        EngineError,
        EngineFailed,
        EngineTimeout,
        ModelError,
        RequestCancelled,
        RequestReplaced,
    )
}


class Start(msgspec.Struct, frozen=True, tag=True):
    """Create the engine and warm it up; the first message.

    Attributes:
        settings: of the engine.
        log_level: of the gateway, as a number of `logging`.
    """

    settings: EngineSettings
    log_level: int


class Decode(msgspec.Struct, frozen=True, tag=True):
    """Decode a batch.

    Attributes:
        number: of the call; its answer has the same.
        batch: the requests.
    """

    number: int
    batch: tuple[DecodeRequest, ...]


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """Cancel the decoding of a batch; it is not answered any more, or the answer is on its way."""

    number: int


class Forget(msgspec.Struct, frozen=True, tag=True):
    """Discard the state of a session."""

    session_id: str


class Failure(msgspec.Struct, frozen=True):
    """An error: the nearest class of `decoder.types`, and its message."""

    error: str
    message: str

    @classmethod
    def of(cls, error: EngineError) -> "Failure":
        """Return the failure that describes an error."""
        name = next(each.__name__ for each in type(error).__mro__ if each.__name__ in _ERRORS)
        return cls(name, str(error))

    def as_error(self) -> EngineError:
        """Return the error that this describes."""
        return _ERRORS.get(self.error, EngineFailed)(self.message)


class Outcome(msgspec.Struct, frozen=True):
    """The answer to one request: one of the two."""

    hypothesis: Hypothesis | None = None
    failure: Failure | None = None

    @classmethod
    def of(cls, answer: Hypothesis | EngineError) -> "Outcome":
        """Return the outcome that describes an answer."""
        return cls(failure=Failure.of(answer)) if isinstance(answer, EngineError) else cls(hypothesis=answer)

    def as_answer(self) -> Hypothesis | EngineError:
        """Return the answer that this describes."""
        if self.hypothesis is not None:
            return self.hypothesis
        return EngineFailed("an empty answer") if self.failure is None else self.failure.as_error()


class Started(msgspec.Struct, frozen=True, tag=True):
    """The engine is warm: its properties, those of `EngineInfo` without functions, and of `Engine`."""

    engine: str
    model: str
    device: str
    languages: tuple[str, ...]
    eager_is_final: bool
    translates: bool
    partial_interval_s: float | None
    max_batch: int
    parallel: int

    @classmethod
    def of(cls, info: EngineInfo, max_batch: int, parallel: int) -> "Started":
        """Return the message about an engine."""
        return cls(
            info.engine,
            info.model,
            info.device,
            info.languages,
            info.eager_is_final,
            info.translates,
            info.partial_interval_s,
            max_batch,
            parallel,
        )

    def info(self, is_usable: Callable[[], bool]) -> EngineInfo:
        """Return the engine's properties.

        Args:
            is_usable: as in `EngineInfo`.
        """
        return EngineInfo(
            self.engine,
            self.model,
            self.device,
            self.languages,
            self.eager_is_final,
            self.translates,
            self.partial_interval_s,
            is_usable=is_usable,
        )


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The answers to a batch, in its order.

    Attributes:
        number: of the call.
        outcomes: one for each request.
        work: of the engine since it was created.
    """

    number: int
    outcomes: tuple[Outcome, ...]
    work: EngineWork


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A call failed as a whole.

    Attributes:
        number: of the call; None: starting failed.
        failure: the error.
    """

    number: int | None
    failure: Failure


class Status(msgspec.Struct, frozen=True, tag=True):
    """The state of the engine, sent every second: who is silent for long hangs.

    Attributes:
        is_usable: as in `EngineInfo`.
    """

    is_usable: bool


class Logged(msgspec.Struct, frozen=True, tag=True):
    """A line for the log.

    Attributes:
        logger: name of the logger.
        level: a number of `logging`.
        text: the message, with a traceback if there is one.
    """

    logger: str
    level: int
    text: str


Command = Start | Decode | Cancel | Forget
"""What the gateway sends."""

Report = Started | Answered | Failed | Status | Logged
"""What the engine's process sends."""

_Message = TypeVar("_Message")


def encode(message: Command | Report) -> list[bytes | memoryview]:
    """Return the pieces of a message's frame, in order; audio is not copied where it is contiguous."""
    audio: list[memoryview] = []

    def describe(value: object) -> object:
        match value:
            case np.ndarray():
                if len(value):  # a view of nothing cannot be cast
                    audio.append(np.ascontiguousarray(value, np.float32).data.cast("B"))
                return len(value)
            case np.generic():
                return value.item()
            case Path():
                return str(value)
        raise NotImplementedError(f"a {type(value).__name__} in a message")

    fields = msgspec.msgpack.encode(message, enc_hook=describe)
    return [_HEAD.pack(len(fields), sum(map(len, audio))), fields, *audio]


def lengths(head: bytearray) -> tuple[int, int]:
    """Return the lengths in bytes of the fields and of the audio that follow a frame's head.

    Raises:
        ValueError: it is no head of a frame.
    """
    fields, audio = _HEAD.unpack(head)
    if fields > _MOST_FIELDS_BYTES:
        raise ValueError(f"a message with fields of {fields} bytes: expected at most {_MOST_FIELDS_BYTES}")
    return fields, audio


def decode_command(fields: bytearray, audio: bytearray) -> Command:
    """Return the command of a frame; its audio uses the memory of the argument.

    Raises:
        msgspec.DecodeError, ValueError: the frame is no command.
    """
    return _decode(fields, audio, Command)  # type: ignore[arg-type]  # a union of types is a type to msgspec


def decode_report(fields: bytearray, audio: bytearray) -> Report:
    """Return the report of a frame.

    Raises:
        msgspec.DecodeError, ValueError: the frame is no report.
    """
    return _decode(fields, audio, Report)  # type: ignore[arg-type]  # a union of types is a type to msgspec


def _decode(fields: bytearray, audio: bytearray, kind: type[_Message]) -> _Message:
    samples = np.frombuffer(audio, np.float32)
    taken = 0

    def read(wanted: type, value: object) -> object:
        nonlocal taken
        if wanted is Path:
            return Path(str(value))
        if not isinstance(value, int) or not 0 <= value <= len(samples) - taken:
            raise ValueError(f"{value} samples: expected at most {len(samples) - taken}")
        part: Float32 = samples[taken : taken + value]
        taken += value
        return part

    return msgspec.msgpack.decode(fields, type=kind, dec_hook=read)
