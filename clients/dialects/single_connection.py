"""What the drivers of dialects that cannot resume a session have in common. PURE."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from clients.dialects.driver import (
    AudioEncoding,
    DriverEvent,
    DriverOptions,
    Failed,
    Finished,
    Ready,
    Target,
)
from clients.dialects.failures import failure
from clients.dialects.segments import Segments

__all__ = ["SingleConnectionDriver", "bearer"]

_ENDED = (None, 1000, 1005)
"""Close codes of a server that ends in order: RFC 6455 §7.4.1; a TCP connection has none."""


class SingleConnectionDriver(ABC):
    """A session that ends with its connection; a subclass adds the messages.

    Attributes:
        sample_rate_hz, encoding: as of `Driver`.
        ends_by_closing: whether the server may close the connection once it has answered everything, without a message
            that says so.

    Args:
        options: the user's.
    """

    sample_rate_hz: int = 16_000
    encoding: AudioEncoding = AudioEncoding.PCM_S16LE
    ends_by_closing: bool = False

    def __init__(self, options: DriverOptions) -> None:
        self._options = options
        self._outgoing: list[str | bytes] = []
        self._segments = Segments()
        self._is_ready = False
        self._is_finishing = False
        self._is_over = False

    @abstractmethod
    def target(self, url: str) -> Target:
        """Return where to connect, as of `Driver`."""

    def open(self) -> None:
        """Begin the session."""
        self._outgoing += self._first_messages()

    def send_audio(self, pcm: bytes) -> None:
        """Queue the next audio, whole samples."""
        if pcm:
            self._outgoing += self._audio_messages(pcm)

    def finish(self) -> None:
        """Queue the end of the audio."""
        self._is_finishing = True
        self._outgoing += self._last_messages()

    def receive(self, message: str | bytes) -> Sequence[DriverEvent]:
        """Return the events of a message; none after the end.

        Raises:
            ProtocolError: the message is not of the dialect.
        """
        return [] if self._is_over else self._until_end(self._events(message))

    def closed(self, code: int | None, reason: str) -> Sequence[DriverEvent]:
        """Return what the end of the connection means; nothing if the session was over."""
        if self._is_over:
            return []
        is_end = self.ends_by_closing and self._is_finishing and code in _ENDED
        return self._until_end([Finished()] if is_end else [self._failure(code, reason)])

    def lose(self) -> bool:
        """Return False: the dialect cannot resume."""
        self._is_over = True
        return False

    def take_outgoing(self) -> Sequence[str | bytes]:
        """Return the messages to send now, in order, each once."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _first_messages(self) -> Sequence[str | bytes]:
        return []

    @abstractmethod
    def _audio_messages(self, pcm: bytes) -> Sequence[str | bytes]: ...

    @abstractmethod
    def _last_messages(self) -> Sequence[str | bytes]: ...

    @abstractmethod
    def _events(self, message: str | bytes) -> Sequence[DriverEvent]: ...

    def _failure(self, code: int | None, reason: str) -> Failed:
        return failure(code, reason)

    def _ready(self) -> list[DriverEvent]:
        """Return the event that the server takes audio, the first time."""
        was_ready, self._is_ready = self._is_ready, True
        return [] if was_ready else [Ready()]

    def _until_end(self, events: Sequence[DriverEvent]) -> list[DriverEvent]:
        kept: list[DriverEvent] = []
        for event in events:
            kept.append(event)
            if isinstance(event, Finished | Failed):
                self._is_over = True
                break
        return kept


def bearer(api_key: str | None) -> dict[str, str]:
    """Return the header with a key, if there is one."""
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
