"""Wyoming, Home Assistant's protocol over TCP: one transcript for the whole audio. PURE.

A server may send its text in pieces, which it cannot take back, so they are committed. Most send nothing before the end
of the audio: the dialect is for commands that the client has cut out.
"""

from collections.abc import Sequence

import msgspec

from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Target, Transport
from clients.dialects.json_messages import with_options
from clients.dialects.single_connection import SingleConnectionDriver
from gateway.wire import ProtocolError
from gateway.wire.wyoming.framing import Framer, frame, parse_frame

__all__ = ["WyomingDriver"]

_SEGMENT = "0"

_CHUNK_BYTES = 2**16
"""Two seconds; a gateway accepts 1 MiB, other servers may buffer less."""


class _Text(msgspec.Struct):
    text: str = ""
    code: str | None = None


class WyomingDriver(SingleConnectionDriver):
    """One transcription.

    Args:
        options: the user's; `extra` sets fields of `transcribe`.
    """

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._framer = Framer()
        self._format: dict[str, object] = {"rate": self.sample_rate_hz, "width": 2, "channels": 1}

    def target(self, url: str) -> Target:
        """Return the address; `HOST:PORT` means TCP."""
        return Target(url if "://" in url else f"tcp://{url}", Transport.TCP)

    def _first_messages(self) -> Sequence[bytes]:
        options = self._options
        terms: dict[str, object] = {"transcript_terms": options.terms} if options.terms else {}
        named = {"name": options.model, "language": options.language}
        request = {**{name: value for name, value in named.items() if value is not None}, **terms}
        return [frame("transcribe", with_options(request, options.extra)), frame("audio-start", self._format)]

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        pieces = (pcm[start : start + _CHUNK_BYTES] for start in range(0, len(pcm), _CHUNK_BYTES))
        return [frame("audio-chunk", self._format, piece) for piece in pieces]

    def _last_messages(self) -> Sequence[bytes]:
        return [frame("audio-stop", {})]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        if isinstance(message, str):
            raise ProtocolError("got text: expected Wyoming's frames as bytes")
        self._framer.push(message)
        events: list[DriverEvent] = []
        while (received := self._framer.pop()) is not None:
            events += [*self._ready(), *self._frame_events(received)]
        return events

    def _frame_events(self, received: bytes) -> Sequence[DriverEvent]:
        kind, fields, _ = parse_frame(received)
        if kind not in {"transcript-chunk", "transcript", "error"}:
            return []
        try:
            content = msgspec.convert(fields, _Text)
        except msgspec.ValidationError as error:
            raise ProtocolError(f"{kind}: {error}") from error
        if kind == "error":
            return [Failed(content.code or "error", content.text)]
        if kind == "transcript":
            text = content.text.strip()
            final = self._segments.update(_SEGMENT, text, is_final=True, committed_chars=len(text))
            return [*final, Finished()]
        text = self._segments.text(_SEGMENT) + content.text
        return self._segments.update(_SEGMENT, text, committed_chars=len(text))
