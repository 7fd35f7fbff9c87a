"""The dialect of the self-test's server: as little as a streaming dialect can be. PURE.

The client sends `start`, audio as binary messages, and `finish`; the server sends JSON objects.
"""

from collections.abc import Sequence
from typing import assert_never

import msgspec

from clients.dialects.driver import (
    AudioEncoding,
    DriverEvent,
    DriverOptions,
    Failed,
    Finished,
    Ready,
    Target,
    Transcript,
)
from gateway.wire import ProtocolError

__all__ = ["FINISH", "SAMPLE_RATE_HZ", "START", "SelfTestDriver", "encode"]

SAMPLE_RATE_HZ = 16_000

START = "start"
FINISH = "finish"


class _Message(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One event of the server.

    Attributes:
        type: `ready`, `transcript`, `finished` or `failed`.
        segment, text, final, committed_chars: of a transcript.
        code, message: of a failure.
    """

    type: str
    segment: str = ""
    text: str = ""
    final: bool = False
    committed_chars: int | None = None
    code: str = ""
    message: str = ""


def encode(event: DriverEvent) -> str:
    """Return an event as a message of the server."""
    match event:
        case Ready():
            message = _Message("ready")
        case Transcript():
            message = _Message("transcript", event.segment, event.text, event.is_final, event.committed_chars)
        case Finished():
            message = _Message("finished")
        case Failed():
            message = _Message("failed", code=event.code, message=event.message)
        case _:
            assert_never(event)
    return msgspec.json.encode(message).decode()


class SelfTestDriver:
    """A session, as of `clients.dialects.driver.Driver`; it cannot be resumed.

    Args:
        options: ignored.
    """

    sample_rate_hz: int = SAMPLE_RATE_HZ
    encoding: AudioEncoding = AudioEncoding.PCM_S16LE

    def __init__(self, options: DriverOptions | None = None) -> None:
        self._outgoing: list[str | bytes] = []

    def target(self, url: str) -> Target:
        """Return the URL as it is."""
        return Target(url)

    def open(self) -> None:
        """Queue the start."""
        self._outgoing.append(START)

    def send_audio(self, pcm: bytes) -> None:
        """Queue audio."""
        self._outgoing.append(pcm)

    def finish(self) -> None:
        """Queue the end of the audio."""
        self._outgoing.append(FINISH)

    def receive(self, message: str | bytes) -> Sequence[DriverEvent]:
        """Return the event of a message.

        Raises:
            ProtocolError: it is not of the dialect.
        """
        try:
            decoded = msgspec.json.decode(message, type=_Message)
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"not a message of the self-test: {error}") from error
        match decoded.type:
            case "ready":
                return [Ready()]
            case "transcript":
                return [Transcript(decoded.segment, decoded.text, decoded.final, decoded.committed_chars)]
            case "finished":
                return [Finished()]
            case "failed":
                return [Failed(decoded.code, decoded.message)]
            case other:
                raise ProtocolError(f"message type {other!r}: expected ready, transcript, finished or failed")

    def closed(self, code: int | None, reason: str) -> Sequence[DriverEvent]:
        """Return a failure with the code of the close frame or refusal, if there is one."""
        return [] if code is None else [Failed(str(code), reason)]

    def lose(self) -> bool:
        """Return False: the session is lost."""
        return False

    def take_outgoing(self) -> Sequence[str | bytes]:
        """Return the messages to send now."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing
