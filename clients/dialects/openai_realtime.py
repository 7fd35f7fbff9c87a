"""OpenAI's Realtime API with the intent of transcription. PURE.

One segment is one item. Deltas only append, so they are committed; the completed transcript may correct them. There is
no message for the end of the audio: the driver commits what is open, clears the buffer, and has finished once that is
confirmed and every committed item is settled.
"""

from base64 import b64encode
from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Target
from clients.dialects.json_messages import encode, parse, type_of, with_options
from clients.dialects.single_connection import SingleConnectionDriver, bearer

__all__ = ["OpenAiRealtimeDriver"]

_PATH = "/v1/realtime"

_TRANSCRIPTION = "conversation.item.input_audio_transcription"

_COMMIT_EMPTY = "input_audio_buffer_commit_empty"
"""The error that answers the last commit where nothing is open."""


class _Item(msgspec.Struct):
    item_id: str


class _Delta(_Item):
    delta: str = ""


class _Completed(_Item):
    transcript: str = ""


class _Error(msgspec.Struct):
    code: str | None = None
    type: str | None = None
    message: str = ""


class _ErrorMessage(msgspec.Struct):
    error: _Error


class OpenAiRealtimeDriver(SingleConnectionDriver):
    """A transcription session, by default with the server's voice activity detection.

    Args:
        options: the user's; `extra` sets fields of `session.audio.input`: `turn_detection.silence_duration_ms`,
            `transcription.delay` …
    """

    sample_rate_hz = 24_000
    """The only rate of the service."""

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._committed: set[str] = set()
        """Items that are committed and not settled."""
        self._settled: set[str] = set()
        self._texts: dict[str, str] = {}
        """Deltas of each item that is not settled."""
        self._is_cleared = False

    def target(self, url: str) -> Target:
        """Return the address with the intent; the model is part of the session."""
        return Target(address(url, _PATH, [("intent", "transcription")]), headers=bearer(self._options.api_key))

    def _first_messages(self) -> Sequence[str]:
        options = self._options
        wanted = {"model": options.model, "language": options.language, "prompt": ", ".join(options.terms) or None}
        audio_input: dict[str, object] = {
            "format": {"type": "audio/pcm", "rate": self.sample_rate_hz},
            "transcription": {name: value for name, value in wanted.items() if value is not None},
            "turn_detection": {"type": "server_vad"},
        }
        session = {"type": "transcription", "audio": {"input": with_options(audio_input, options.extra)}}
        return [encode({"type": "session.update", "session": session})]

    def _audio_messages(self, pcm: bytes) -> Sequence[str]:
        return [encode({"type": "input_audio_buffer.append", "audio": b64encode(pcm).decode()})]

    def _last_messages(self) -> Sequence[str]:
        return [encode({"type": f"input_audio_buffer.{action}"}) for action in ("commit", "clear")]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        events: list[DriverEvent] = []
        match type_of(message):
            case "session.updated":
                events += self._ready()
            case "input_audio_buffer.committed":
                self._committed.add(parse(message, _Item).item_id)
            case "input_audio_buffer.cleared":
                self._is_cleared = True
            case kind if kind == f"{_TRANSCRIPTION}.delta":
                events += self._delta(parse(message, _Delta))
            case kind if kind == f"{_TRANSCRIPTION}.completed":
                events += self._settle(parse(message, _Completed))
            case kind if kind == f"{_TRANSCRIPTION}.failed":
                events += self._settle(_Completed(parse(message, _Item).item_id))
            case "error":
                events += self._error(parse(message, _ErrorMessage).error)
        if self._is_finishing and self._is_cleared and not self._committed - self._settled:
            events.append(Finished())
        return events

    def _delta(self, delta: _Delta) -> Sequence[DriverEvent]:
        text = self._texts.get(delta.item_id, "") + delta.delta
        self._texts[delta.item_id] = text
        shown = text.strip()
        return self._segments.update(delta.item_id, shown, committed_chars=len(shown))

    def _settle(self, completed: _Completed) -> Sequence[DriverEvent]:
        """Return the final of an item; a failed one has no text."""
        self._texts.pop(completed.item_id, None)
        self._settled.add(completed.item_id)
        text = completed.transcript.strip()
        return self._segments.update(completed.item_id, text, is_final=True, committed_chars=len(text))

    def _error(self, error: _Error) -> Sequence[DriverEvent]:
        if self._is_finishing and error.code == _COMMIT_EMPTY:
            return []
        return [Failed(error.code or error.type or "error", error.message)]
