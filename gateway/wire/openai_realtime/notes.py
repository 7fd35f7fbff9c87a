"""Notes from the receiving half of the Realtime codec to the half that sends, and the error codes they share. PURE."""

from dataclasses import dataclass

import msgspec

from gateway.wire import Note
from gateway.wire.openai_realtime.messages import AudioObject, ErrorObject, Include

__all__ = ["COMMIT_EMPTY", "ClearNote", "CommitNote", "RefusalNote", "SessionNote"]

COMMIT_EMPTY = "input_audio_buffer_commit_empty"
"""Code of the error that answers a commit without audio: some clients wait for this code together with their own id."""


@dataclass(frozen=True, slots=True)
class SessionNote(Note):
    """The session is configured like this from here on; the client gets `session.created` or `session.updated`."""

    audio: AudioObject
    include: Include | None
    is_first: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of the configuration as JSON."""
        return len(msgspec.json.encode(self.audio)) + len(msgspec.json.encode(self.include))


@dataclass(frozen=True, slots=True)
class RefusalNote(Note):
    """A message was refused."""

    error: ErrorObject

    @property
    def size_bytes(self) -> int:
        """Bytes of the error as JSON."""
        return len(msgspec.json.encode(self.error))


@dataclass(frozen=True, slots=True)
class CommitNote(Note):
    """The audio up to here is an item; the open utterance has ended.

    Attributes:
        event_id: of the client's commit, if it has one.
    """

    event_id: str | None

    @property
    def size_bytes(self) -> int:
        """Bytes of the id."""
        return len((self.event_id or "").encode())


@dataclass(frozen=True, slots=True)
class ClearNote(Note):
    """The audio up to here is discarded unless it already belongs to an item; the open utterance has ended."""
