"""The seam of the dialect drivers: one session with a transcription server, without I/O. PURE.

A driver turns audio into messages and messages into events. Whoever drives it opens the connection that `target`
describes, and after every call sends what `take_outgoing` returns:

    driver = DRIVERS["vosk"](options)
    connection = connect(driver.target("ws://127.0.0.1:2700"))
    driver.open(); driver.send_audio(pcm); driver.finish(); driver.receive(message)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

__all__ = [
    "AudioEncoding",
    "Driver",
    "DriverEvent",
    "DriverFactory",
    "DriverOptions",
    "Failed",
    "Finished",
    "Ready",
    "SettlingDriver",
    "Target",
    "TimedText",
    "Transcript",
    "Transport",
]


class Transport(StrEnum):
    """How messages travel.

    WEBSOCKET: text and binary messages. TCP: bytes, received in pieces of any size. HTTP_POST: all outgoing bytes are
    the body of one request, one message that the driver gives out once it has finished; the response body is received
    as one message.
    """

    WEBSOCKET = "websocket"
    TCP = "tcp"
    HTTP_POST = "http_post"


class AudioEncoding(StrEnum):
    """Encoding of the audio that a driver takes, mono."""

    PCM_S16LE = "pcm_s16le"


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """What a user asks of any server; a driver ignores what its dialect cannot express.

    Attributes:
        model: the server's name of it; None: the server's default.
        language: ISO-639-1; None: the server's default, or detection.
        api_key: None: none is sent.
        terms: names and words to favour.
        extra: dialect-specific parameters, as `--option NAME=VALUE` gives them.
    """

    model: str | None = None
    language: str | None = None
    api_key: str | None = None
    terms: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how to connect.

    Attributes:
        url: complete, with path and query: `ws:`, `wss:`, `tcp:`, `http:` or `https:`.
        transport: of the messages.
        headers: of the upgrade or request.
        subprotocols: offered in the upgrade.
    """

    url: str
    transport: Transport = Transport.WEBSOCKET
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TimedText:
    """A word with the times that the server gives it, in seconds since the first sample of the session."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Ready:
    """The server takes audio.

    In the dialects of `READY_WHEN_CONNECTED` no message says so: the server takes audio once it is connected, and this
    event comes with its first message, if there is any.
    """


@dataclass(frozen=True, slots=True)
class Transcript:
    """The newest text of one segment (utterance, turn, item, line); it replaces the segment's earlier text.

    Attributes:
        segment: the server's id of it, or a count; segments are displayed in the order in which they first appear.
        text: of the whole segment so far; empty: it is withdrawn.
        is_final: the server will not revise it.
        committed_chars: length of the part of `text` that the server promises to keep until the final; None: the
            dialect makes no such promise.
        words: with the server's times; empty: it gives none.
    """

    segment: str
    text: str
    is_final: bool
    committed_chars: int | None = None
    words: tuple[TimedText, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """All audio is answered: no transcript follows."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The server refused or ended the session.

    Attributes:
        code: the server's, or that of its HTTP status or close frame.
        message: for people.
    """

    code: str
    message: str


DriverEvent = Ready | Transcript | Finished | Failed


class Driver(Protocol):
    """One session in one dialect; sans-IO.

    Attributes:
        sample_rate_hz: of the audio that `send_audio` takes.
        encoding: of that audio.
    """

    sample_rate_hz: int
    encoding: AudioEncoding

    def target(self, url: str) -> Target:
        """Return where to connect.

        Args:
            url: of the server as users write it, with or without a path; the driver adds the dialect's path and query.
        """

    def open(self) -> None:
        """Begin the session on a new connection; after a lost one, take the session up again if the dialect can."""

    def send_audio(self, pcm: bytes) -> None:
        """Queue the next audio, whole samples. Called before `Ready` too: the driver holds back what must wait."""

    def finish(self) -> None:
        """Queue the end of the audio; `Finished` or `Failed` follows, in `receive` or `closed`."""

    def receive(self, message: str | bytes) -> Sequence[DriverEvent]:
        """Return the events of a message.

        Raises:
            ProtocolError: the message is not of the dialect.
        """

    def closed(self, code: int | None, reason: str) -> Sequence[DriverEvent]:
        """Return what the end of the connection means: `Finished` where the dialect ends so, else `Failed`, or nothing.

        Args:
            code: of the close frame, or the HTTP status of a refusal (400 and above); None: there was none.
            reason: of the close frame, or the body of the refusal.
        """

    def lose(self) -> bool:
        """Note that the connection is lost; return whether `open` on another one resumes the session.

        If not, the session's audio without an answer is lost, and a new driver is needed.
        """

    def take_outgoing(self) -> Sequence[str | bytes]:
        """Return the messages to send now, in order, each once."""


@runtime_checkable
class SettlingDriver(Driver, Protocol):
    """A driver whose server does not say when it has answered all audio.

    Attributes:
        settle_s: once `finish` was called, `settle` is to be called when no message has arrived for that long.
    """

    settle_s: float

    def settle(self) -> None:
        """Queue the end of the session; `Finished` or `Failed` follows, in `receive` or `closed`."""


DriverFactory = Callable[[DriverOptions], Driver]
"""Makes a driver for one session."""
