"""Wyoming's frames: a line of JSON, then as many bytes of JSON data and of payload as that line announces. PURE."""

from collections.abc import Mapping
from reprlib import repr as shortened

import msgspec

from gateway.wire import ProtocolError
from gateway.wire.bounds import Name, OpenObject, Whole

__all__ = ["ANSWER_FRAMES", "Framer", "Header", "frame", "frame_type", "parse_frame"]

MAX_LINE_BYTES = 65_536
"""Length of the header, and of the data; the `wyoming` package's own limit of a line."""

MAX_PAYLOAD_BYTES = 2**20
"""Length of one chunk of audio: 33 s at 16 kHz in 16 bits, the same as for a WebSocket message."""

ANSWER_FRAMES = frozenset({"transcribe", "audio-start", "audio-chunk", "audio-stop"})
"""Types of the frames that belong to one transcription; others may arrive at any time."""


class Header(msgspec.Struct):
    """The first line of a frame."""

    type: Name
    data: OpenObject | None = None
    data_length: Whole | None = None
    payload_length: Whole | None = None


class Framer:
    """Splits a stream of bytes into frames. It buffers at most one frame and the bytes received together with it."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def push(self, data: bytes) -> None:
        """Append the next bytes, cut anywhere. Call `pop` until it returns None before the next push."""
        self._bytes += data

    def pop(self) -> bytes | None:
        """Return the next complete frame, or None if it is incomplete.

        Raises:
            ProtocolError: the bytes are not a frame, or it is too large; the stream cannot be split any further.
        """
        end = self._bytes.find(b"\n", 0, MAX_LINE_BYTES)
        if end < 0:
            if len(self._bytes) >= MAX_LINE_BYTES:
                raise ProtocolError(f"header of more than {MAX_LINE_BYTES} bytes: expected a line of JSON")
            return None
        header = _header(self._bytes[:end])
        size = end + 1 + (header.data_length or 0) + (header.payload_length or 0)
        if len(self._bytes) < size:
            return None
        frame = bytes(self._bytes[:size])
        del self._bytes[:size]
        return frame


def frame_type(data: bytes) -> str:
    """Return the type of a complete frame.

    Raises:
        ProtocolError: it is not a frame.
    """
    return _header(data.partition(b"\n")[0]).type


def _header(line: bytes | bytearray) -> Header:
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError("invalid header: expected a line of JSON with a type") from error
    for name, length, limit in (
        ("data", header.data_length, MAX_LINE_BYTES),
        ("payload", header.payload_length, MAX_PAYLOAD_BYTES),
    ):
        if not 0 <= (length or 0) <= limit:
            raise ProtocolError(f"{name}_length {length} out of range: expected 0 to {limit}", f"{name}_length")
    return header


def parse_frame(data: bytes) -> tuple[str, Mapping[str, object], bytes]:
    """Return the type, data and payload of a frame.

    Raises:
        ProtocolError: it is not a frame.
    """
    line, _, body = data.partition(b"\n")
    header = _header(line)
    split = header.data_length or 0
    if len(body) != split + (header.payload_length or 0):
        raise ProtocolError(f"frame body of {len(body)} bytes: its header announces another length")
    try:
        fields = msgspec.json.decode(body[:split], type=dict[str, object]) if split else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"data of {shortened(header.type)} is not a JSON object") from error
    return header.type, {**(header.data or {}), **fields}, body[split:]


def frame(kind: str, data: Mapping[str, object], payload: bytes = b"") -> bytes:
    """Return a frame.

    Args:
        kind: its type.
        data: its JSON data.
        payload: audio, at most 1 MiB.
    """
    body = msgspec.json.encode(data) if data else b""
    lengths = {"data_length": len(body), "payload_length": len(payload)}
    header = {"type": kind, **{name: length for name, length in lengths.items() if length}}
    return msgspec.json.encode(header) + b"\n" + body + payload
