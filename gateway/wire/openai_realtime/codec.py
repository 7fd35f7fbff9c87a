"""The dialect of OpenAI's Realtime transcription sessions, as they are since the beta. PURE; `docs/realtime.md`.

Sound is decoded here, so that its format may change at any time and each item ends at the very sample where it was
committed.
"""

from typing import assert_never

from gateway.wire import Audio, AudioFormat, ClientEvent, DialectReply, Flush, ServerEvent, Update
from gateway.wire.openai_realtime.items import (
    COMMIT_EMPTY,
    ClearNote,
    CommitNote,
    Items,
    RefusalNote,
    SessionNote,
    note,
)
from gateway.wire.openai_realtime.messages import (
    AppendMessage,
    BetaUpdateMessage,
    ClearMessage,
    ClientMessage,
    CommitMessage,
    ErrorObject,
    SessionObject,
    UpdateMessage,
)
from gateway.wire.openai_realtime.session_config import Defaults, Wishes
from gateway.wire.openai_realtime.validation_errors import Refusal, event_id_of, read_message
from vad.audio import PcmDecoder
from vad.errors import AudioError

__all__ = ["OpenAIRealtimeCodec"]

MIN_COMMIT_MS = 100
"""OpenAI's: no word is shorter."""

MAX_UNCOMMITTED_MS = 900_000
"""Sound that a client may append before it commits: longer than anybody speaks, and an end to what must be kept."""

_MS_PER_S = 1000


class OpenAIRealtimeCodec:
    """The gateway's end. The session starts with the connection; whatever the client says later changes it.

    Args:
        wishes: what holds at first.
        with_cues: whether the session's cues are sent too, as `livecue.cue`.
    """

    def __init__(self, wishes: Wishes | None = None, *, with_cues: bool = False) -> None:
        self._wishes = wishes or Wishes.of(Defaults())
        self._items = Items(with_cues=with_cues)
        self._decoder = PcmDecoder(self._wishes.audio)
        self._odd = b""
        """Bytes at the end of the sound so far that make no whole sample."""
        self._uncommitted_ms = 0.0
        """Sound since the last commit or clear, where the client says where items end."""

    def open(self) -> list[ClientEvent]:
        """Return the start, and `session.created`."""
        return [self._wishes.start(), self._told(is_first=True)]

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Read one message of the client; one that is not allowed is answered by an error, and changes nothing."""
        try:
            return self._obey(AppendMessage(audio=message) if isinstance(message, bytes) else read_message(message))
        except Refusal as refusal:
            event_id = None if isinstance(message, bytes) else event_id_of(message)
            error = ErrorObject("invalid_request_error", refusal.reason, str(refusal), refusal.field, event_id)
            return [note(RefusalNote(error))]

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Write one event."""
        return self._items.send(event)

    def _obey(self, message: ClientMessage) -> list[ClientEvent]:
        match message:
            case AppendMessage(audio=audio):
                return self._hear(audio)
            case UpdateMessage(session=session) | BetaUpdateMessage(session=session):
                return self._update(session)
            case CommitMessage(event_id=event_id):
                return self._commit(event_id)
            case ClearMessage():
                self._uncommitted_ms = 0.0
                return [*self._rest(), Flush("clear"), note(ClearNote())]
        assert_never(message)

    def _update(self, patch: SessionObject) -> list[ClientEvent]:
        wishes = self._wishes.patched(patch)
        rest: list[ClientEvent] = []
        if wishes.audio != self._wishes.audio:
            rest, self._odd = self._rest(wishes.audio), b""
        if not wishes.is_manual:
            self._uncommitted_ms = 0.0
        self._wishes = wishes
        return [*rest, Update(wishes.start()), self._told(is_first=False)]

    def _told(self, *, is_first: bool) -> DialectReply:
        return note(SessionNote(self._wishes.told, self._wishes.include, is_first))

    # --- sound ---------------------------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> list[ClientEvent]:
        if self._uncommitted_ms > MAX_UNCOMMITTED_MS:
            message = f"more than {MAX_UNCOMMITTED_MS} ms of audio: commit or clear the buffer first"
            raise Refusal(message, "input_audio_buffer_overflow", "audio")
        audio = self._wishes.audio
        data = self._odd + data
        whole = len(data) - len(data) % audio.bytes_per_sample_frame
        try:
            samples = self._decoder.push(data[:whole]).samples
        except AudioError as error:
            raise Refusal(str(error), field="audio") from error
        self._odd = data[whole:]
        if self._wishes.is_manual:
            self._uncommitted_ms += whole / audio.bytes_per_sample_frame / audio.sample_rate_hz * _MS_PER_S
        return [Audio(samples.tobytes())]

    def _commit(self, event_id: str | None) -> list[ClientEvent]:
        if self._wishes.is_manual and self._uncommitted_ms < MIN_COMMIT_MS:
            raise Refusal(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {self._uncommitted_ms:.2f}ms of audio.",
                COMMIT_EMPTY,
            )
        self._uncommitted_ms = 0.0
        return [*self._rest(), Flush("commit"), note(CommitNote(event_id))]

    def _rest(self, audio: AudioFormat | None = None) -> list[ClientEvent]:
        """Return the sound that the resampler still holds, and begin anew."""
        decoder, self._decoder = self._decoder, PcmDecoder(audio or self._wishes.audio)
        try:
            return [Audio(decoder.finish().samples.tobytes())]
        except AudioError as error:
            raise Refusal(str(error), field="audio") from error
