"""Frames in pipes, read and written by threads that wait."""

from collections.abc import Iterable
from io import FileIO

from decoder.engine_process.messages import HEAD_BYTES, lengths

__all__ = ["read_frame", "write_frame"]


def read_frame(pipe: FileIO) -> tuple[bytearray, bytearray] | None:
    """Return the fields and the audio of the next frame; None at the end, also amid a frame.

    Args:
        pipe: without a buffer, so that audio is copied once.

    Raises:
        OSError: the pipe was closed meanwhile.
        ValueError: this is no frame.
    """
    head = _read(pipe, HEAD_BYTES)
    if head is None:
        return None
    fields_bytes, audio_bytes = lengths(head)
    fields, audio = _read(pipe, fields_bytes), _read(pipe, audio_bytes)
    return None if fields is None or audio is None else (fields, audio)


def write_frame(pipe: FileIO, pieces: Iterable[bytes | memoryview]) -> None:
    """Write the pieces of a frame.

    Raises:
        OSError: nobody reads any more.
    """
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[pipe.write(rest) :]


def _read(pipe: FileIO, count: int) -> bytearray | None:
    """Return that many bytes; None where the pipe ends before."""
    buffer = bytearray(count)
    rest = memoryview(buffer)
    while rest:
        read = pipe.readinto(rest)
        if not read:
            return None
        rest = rest[read:]
    return buffer
