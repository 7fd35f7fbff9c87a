"""The root of livecue's error tree and the errors of sound itself.

    LivecueError
    ├── AudioError            the sound cannot be read
    │   └── AudioFormatError  the declared format is not one livecue reads
    └── DetectorUnavailable   a speech detector lacks its library or its model

The decoder hangs its branch under the same root (`decoder.types`), the gateway its own (`gateway.errors`).
"""

from typing import ClassVar

__all__ = ["AudioError", "AudioFormatError", "DetectorUnavailable", "LivecueError"]


class LivecueError(Exception):
    """Anything livecue raises on purpose; the message says what, what it got and what is allowed."""

    code: ClassVar[str] = "internal_error"


class AudioError(LivecueError):
    """The sound cannot be read as its declared format."""

    code = "invalid_audio"


class AudioFormatError(AudioError):
    """The declared format is not one livecue reads."""

    code = "invalid_audio_format"


class DetectorUnavailable(LivecueError):
    """A speech detector lacks its library or its model."""

    code = "detector_unavailable"
