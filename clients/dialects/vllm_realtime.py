"""vLLM's `/v1/realtime`, which resembles OpenAI's and is another dialect. PURE.

The server writes one text from the first audio to the end, and takes nothing back, so all of it is committed. One
segment is one generation: if the model ends it early, the next one begins.
"""

from base64 import b64encode
from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address
from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Target
from clients.dialects.json_messages import encode, parse, type_of, with_options
from clients.dialects.single_connection import SingleConnectionDriver, bearer

__all__ = ["VllmRealtimeDriver"]

_PATH = "/v1/realtime"

_COMMIT = {"type": "input_audio_buffer.commit"}
"""Begins a generation; `final` ends the audio."""


class _Delta(msgspec.Struct):
    delta: str


class _Done(msgspec.Struct):
    text: str


class _Error(msgspec.Struct):
    error: str
    code: str | None = None


class VllmRealtimeDriver(SingleConnectionDriver):
    """A stream. Language and terms cannot be expressed.

    Args:
        options: the user's; no model means the one that the server runs. `extra` sets fields of `session.update`.
    """

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._generation = 0
        self._text = ""

    def target(self, url: str) -> Target:
        """Return the address of `/v1/realtime`."""
        return Target(address(url, _PATH), headers=bearer(self._options.api_key))

    def _first_messages(self) -> Sequence[str]:
        update: dict[str, object] = {"type": "session.update", "model": self._options.model or ""}
        return [encode(with_options(update, self._options.extra)), encode(_COMMIT)]

    def _audio_messages(self, pcm: bytes) -> Sequence[str]:
        return [encode({"type": "input_audio_buffer.append", "audio": b64encode(pcm).decode()})]

    def _last_messages(self) -> Sequence[str]:
        return [encode({**_COMMIT, "final": True})]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        match type_of(message):
            case "session.created":
                return self._ready()
            case "transcription.delta":
                self._text += parse(message, _Delta).delta
                text = self._text.strip()
                return self._segments.update(self._generation, text, committed_chars=len(text))
            case "transcription.done":
                return self._done(parse(message, _Done).text.strip())
            case "error":
                error = parse(message, _Error)
                return [Failed(error.code or "error", error.error)]
            case _:
                return []

    def _done(self, text: str) -> Sequence[DriverEvent]:
        final = self._segments.update(self._generation, text, is_final=True, committed_chars=len(text))
        if self._is_finishing:
            return [*final, Finished()]
        self._outgoing.append(encode(_COMMIT))
        self._generation += 1
        self._text = ""
        return final
