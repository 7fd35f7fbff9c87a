"""Long talks for clients, made of the recordings of a folder."""

from itertools import cycle, islice
from pathlib import Path

from clients.paced_media import MEDIA_FORMAT, MediaFile
from gateway.wire import SAMPLE_RATE_HZ

__all__ = ["FRAME_S", "read_talk", "talk_from"]

FRAME_S = 0.1
"""Audio in one frame."""

_PAUSE_S = 1.0
"""Silence after each recording."""


def read_talk(folder: Path) -> list[bytes]:
    """Return the FLAC recordings of a folder, one after the other, in frames of `MEDIA_FORMAT`.

    The last frame of a recording is as long as the others, for `paced` sends as many of them in a second.
    """
    silence = bytes(round(SAMPLE_RATE_HZ * FRAME_S) * MEDIA_FORMAT.bytes_per_sample_frame)
    frames: list[bytes] = []
    for path in sorted(folder.glob("*.flac")):
        with MediaFile(str(path)) as media:
            frames += [
                *(frame.ljust(len(silence), b"\0") for frame in media.frames()),
                *[silence] * round(_PAUSE_S / FRAME_S),
            ]
    return frames


def talk_from(frames: list[bytes], first: int, seconds: float) -> list[bytes]:
    """Return so many seconds of a talk from a frame on; it begins again at its end."""
    return list(islice(cycle(frames), first, first + round(seconds / FRAME_S)))
