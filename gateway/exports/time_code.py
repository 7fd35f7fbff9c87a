"""Drop-frame time codes of 29.97 Hz video, SMPTE ST 12-1. PURE.

Frame numbers 0 and 1 are left out in each minute but every tenth, so that the time code follows the clock.
"""

import re

__all__ = ["frame_of", "frame_of_time_code", "ms_of_frame", "time_code"]

_MS_PER_S = 1000
_RATE_NUMERATOR, _RATE_DENOMINATOR = 30_000, 1001
_NOMINAL_HZ = 30
_DROPPED = 2
_FRAMES_PER_MINUTE = 60 * _NOMINAL_HZ - _DROPPED
_FRAMES_PER_TEN_MINUTES = 10 * _FRAMES_PER_MINUTE + _DROPPED
_MINUTES_PER_HOUR = 60

_TIME_CODE = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)([:;.,])([0-2]\d)")


def frame_of(time_ms: int) -> int:
    """Return the number of the frame nearest to a time.

    Args:
        time_ms: ≥ 0.
    """
    return (time_ms * _RATE_NUMERATOR * 2 // (_MS_PER_S * _RATE_DENOMINATOR) + 1) // 2


def ms_of_frame(frame: int) -> int:
    """Return when a frame begins, rounded to milliseconds."""
    return (frame * _RATE_DENOMINATOR * _MS_PER_S * 2 // _RATE_NUMERATOR + 1) // 2


def time_code(frame: int) -> str:
    """Return the drop-frame time code of a frame: `HH:MM:SS;FF`."""
    tens, rest = divmod(frame, _FRAMES_PER_TEN_MINUTES)
    minutes_after = max(0, rest - _DROPPED) // _FRAMES_PER_MINUTE
    number = frame + _DROPPED * (9 * tens + minutes_after)
    seconds, frames = divmod(number, _NOMINAL_HZ)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, _MINUTES_PER_HOUR)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d};{frames:02d}"


def frame_of_time_code(text: str) -> int:
    """Return the frame of a time code: drop-frame with a semicolon, point or comma before the frames, else not.

    Raises:
        ValueError: the text is no time code, or one that drop-frame counting leaves out.
    """
    found = _TIME_CODE.fullmatch(text)
    if found is None:
        raise ValueError(f"time code {text!r}: expected HH:MM:SS;FF")
    hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5))
    whole_minutes = hours * _MINUTES_PER_HOUR + minutes
    number = (whole_minutes * 60 + seconds) * _NOMINAL_HZ + frames
    if found[4] == ":":
        return number
    if frames < _DROPPED and seconds == 0 and minutes % 10:
        raise ValueError(f"time code {text!r}: drop-frame counting has no such frame")
    return number - _DROPPED * (whole_minutes - whole_minutes // 10)
