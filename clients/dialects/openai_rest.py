"""OpenAI's `POST /v1/audio/transcriptions`: the whole audio in one request after its end, one final text back. PURE."""

import struct
from collections.abc import Sequence

import msgspec

from clients.dialects.addresses import address
from clients.dialects.driver import DriverEvent, DriverOptions, Finished, Target, TimedText, Transport
from clients.dialects.json_messages import parse
from clients.dialects.single_connection import SingleConnectionDriver, bearer

__all__ = ["OpenAiRestDriver"]

_PATH = "/v1/audio/transcriptions"

_MODEL = "whisper-1"
"""The field is required; servers with one model accept this name."""

_BOUNDARY = "livecue-9f6c1b0d4e7a45c28d13"
"""Between the parts of the body; its 27 bytes do not occur in audio."""

_SEGMENT = "0"


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float


class _Response(msgspec.Struct):
    text: str
    words: tuple[_Word, ...] | None = None


class OpenAiRestDriver(SingleConnectionDriver):
    """One request.

    Args:
        options: the user's; `extra` becomes fields of the form. `response_format=verbose_json` with
            `timestamp_granularities[]=word` gives word times where the server has them.
    """

    def __init__(self, options: DriverOptions) -> None:
        super().__init__(options)
        self._pcm = bytearray()

    def target(self, url: str) -> Target:
        """Return the address of the request; `ws` means `http`."""
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}", **bearer(self._options.api_key)}
        return Target(address(url, _PATH, http=True), Transport.HTTP_POST, headers)

    def _audio_messages(self, pcm: bytes) -> Sequence[bytes]:
        self._pcm += pcm
        return []

    def _last_messages(self) -> Sequence[bytes]:
        options = self._options
        fields = {
            "model": options.model or _MODEL,
            "response_format": "json",
            "language": options.language,
            "prompt": ", ".join(options.terms) or None,
            **options.extra,
        }
        parts = [_part(f'name="{name}"', value.encode()) for name, value in fields.items() if value is not None]
        file = _part('name="file"; filename="audio.wav"', _wav(bytes(self._pcm), self.sample_rate_hz), "audio/wav")
        return [b"".join([*parts, file, f"--{_BOUNDARY}--\r\n".encode()])]

    def _events(self, message: str | bytes) -> Sequence[DriverEvent]:
        response = parse(message, _Response)
        words = tuple(TimedText(word.word, word.start, word.end) for word in response.words or ())
        final = self._segments.update(_SEGMENT, response.text.strip(), is_final=True, words=words)
        return [*self._ready(), *final, Finished()]


def _part(disposition: str, content: bytes, content_type: str | None = None) -> bytes:
    """Return one part of the body, RFC 7578."""
    lines = [f"--{_BOUNDARY}", f"Content-Disposition: form-data; {disposition}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"


def _wav(pcm: bytes, rate_hz: int) -> bytes:
    """Return a WAV file, mono in 16 bits."""
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", len(body)) + body
