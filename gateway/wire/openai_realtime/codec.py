"""The dialect of OpenAI's Realtime transcription sessions, the beta's included. PURE; `docs/realtime.md`.

Audio is decoded here, so that its format may change at any time and each item ends at the exact sample where it was
committed.
"""

from typing import assert_never

from gateway.wire import Audio, AudioFormat, ClientEvent, DialectReply, Flush, ServerEvent, Update
from gateway.wire.openai_realtime.items import Items
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
from gateway.wire.openai_realtime.notes import COMMIT_EMPTY, ClearNote, CommitNote, RefusalNote, SessionNote
from gateway.wire.openai_realtime.session_config import Defaults, SessionConfig
from gateway.wire.openai_realtime.validation_errors import Refusal, event_id_of, read_message
from vad.audio import PcmDecoder
from vad.errors import AudioError

__all__ = ["OpenAIRealtimeCodec"]

MIN_COMMIT_MS = 100
"""OpenAI's minimum: no word is shorter."""

MAX_UNCOMMITTED_MS = 900_000
"""Audio that a client may append without a commit: longer than any utterance, and a bound on what must be kept."""

_MS_PER_S = 1000


class OpenAIRealtimeCodec:
    """The gateway's end. The session starts with the connection; later updates change its configuration.

    Args:
        config: the initial configuration.
        with_cues: whether the session's cues are sent too, as `livecue.cue`.
    """

    def __init__(self, config: SessionConfig | None = None, *, with_cues: bool = False) -> None:
        self._config = config or SessionConfig.of(Defaults())
        self._items = Items(with_cues=with_cues)
        self._decoder = PcmDecoder(self._config.audio)
        self._remainder = b""
        """Trailing bytes of the audio that do not make a whole sample yet."""
        self._uncommitted_ms = 0.0
        """Audio since the last commit or clear, if the client decides where items end."""

    def open(self) -> list[ClientEvent]:
        """Return the start, and `session.created`."""
        return [self._config.start(), self._configured(is_first=True)]

    def receive(self, message: str | bytes) -> list[ClientEvent]:
        """Parse one message of the client; an invalid one is answered by an error and changes nothing."""
        try:
            return self._handle(AppendMessage(audio=message) if isinstance(message, bytes) else read_message(message))
        except Refusal as refusal:
            event_id = None if isinstance(message, bytes) else event_id_of(message)
            error = ErrorObject("invalid_request_error", refusal.reason, str(refusal), refusal.field, event_id)
            return [DialectReply(RefusalNote(error))]

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Return an event as messages."""
        return self._items.send(event)

    def _handle(self, message: ClientMessage) -> list[ClientEvent]:
        match message:
            case AppendMessage(audio=audio):
                return self._append(audio)
            case UpdateMessage(session=session) | BetaUpdateMessage(session=session):
                return self._update(session)
            case CommitMessage(event_id=event_id):
                return self._commit(event_id)
            case ClearMessage():
                self._uncommitted_ms = 0.0
                return [*self._drain_resampler(), Flush("clear"), DialectReply(ClearNote())]
        assert_never(message)

    def _update(self, patch: SessionObject) -> list[ClientEvent]:
        config = self._config.patched(patch)
        drained: list[ClientEvent] = []
        if config.audio != self._config.audio:
            drained, self._remainder = self._drain_resampler(config.audio), b""
        if not config.is_manual:
            self._uncommitted_ms = 0.0
        self._config = config
        return [*drained, Update(config.start()), self._configured(is_first=False)]

    def _configured(self, *, is_first: bool) -> DialectReply:
        return DialectReply(SessionNote(self._config.effective, self._config.include, is_first))

    # --- audio ---------------------------------------------------------------------------------------------------

    def _append(self, data: bytes) -> list[ClientEvent]:
        if self._uncommitted_ms > MAX_UNCOMMITTED_MS:
            message = f"buffer holds more than {MAX_UNCOMMITTED_MS} ms of audio: commit or clear it first"
            raise Refusal(message, "input_audio_buffer_overflow", "audio")
        audio = self._config.audio
        data = self._remainder + data
        whole = len(data) - len(data) % audio.bytes_per_sample_frame
        try:
            samples = self._decoder.push(data[:whole]).samples
        except AudioError as error:
            raise Refusal(str(error), field="audio") from error
        self._remainder = data[whole:]
        if self._config.is_manual:
            self._uncommitted_ms += whole / audio.bytes_per_sample_frame / audio.sample_rate_hz * _MS_PER_S
        return [Audio(samples.tobytes())]

    def _commit(self, event_id: str | None) -> list[ClientEvent]:
        if self._config.is_manual and self._uncommitted_ms < MIN_COMMIT_MS:
            raise Refusal(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {self._uncommitted_ms:.2f}ms of audio.",
                COMMIT_EMPTY,
            )
        self._uncommitted_ms = 0.0
        return [*self._drain_resampler(), Flush("commit"), DialectReply(CommitNote(event_id))]

    def _drain_resampler(self, audio: AudioFormat | None = None) -> list[ClientEvent]:
        """Return the audio that the resampler still holds, and start a new decoder."""
        decoder, self._decoder = self._decoder, PcmDecoder(audio or self._config.audio)
        try:
            return [Audio(decoder.finish().samples.tobytes())]
        except AudioError as error:
            raise Refusal(str(error), field="audio") from error
