"""The root of livecue's error tree, and the audio errors.

    LivecueError
    ├── AudioError            the audio cannot be decoded
    │   └── AudioFormatError  the declared format is not supported
    └── DetectorUnavailable   the library or model of a speech detector is missing

The decoder's errors (`decoder.types`) and the gateway's (`gateway.errors`) branch off the same root.
"""

from typing import ClassVar

__all__ = ["AudioError", "AudioFormatError", "DetectorUnavailable", "LivecueError"]


class LivecueError(Exception):
    """Any error that livecue raises deliberately; the message gives what is wrong, what was got and what is allowed."""

    code: ClassVar[str] = "internal_error"


class AudioError(LivecueError):
    """The audio cannot be decoded in its declared format."""

    code = "invalid_audio"


class AudioFormatError(AudioError):
    """The declared format is not supported."""

    code = "invalid_audio_format"


class DetectorUnavailable(LivecueError):
    """The library or model of a speech detector is missing."""

    code = "detector_unavailable"
