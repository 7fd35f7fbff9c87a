"""The parts of a recording without a transcript, and the reasons. PURE."""

from gateway.wire import SAMPLE_RATE_HZ, Final, Gap, LivecueError, Ready, ServerEvent
from gateway.wire.server_events import without_channel

__all__ = ["Incomplete", "MissingAudio"]

_MAX_IN_A_ROW = 5
"""Failed utterances after which the rest is given up: each was retried several times, so the engine is down."""

_MAX_LISTED = 5
"""Places that are listed in the summary."""

_AUDIO_LOST = "audio_lost"


class Incomplete(LivecueError):
    """A part of a recording has no transcript; the message says which."""

    code = "incomplete"


class MissingAudio:
    """Collects the places without a transcript, for a summary at the end."""

    def __init__(self) -> None:
        self.has_begun = False
        """Whether the session has begun."""
        self._answered_sample = 0
        self._found: list[tuple[int, int, str]] = []
        self._in_a_row = 0

    @property
    def answered_until(self) -> str:
        """Time up to which there is a transcript, `0:01:02.3`."""
        return _clock(self._answered_sample)

    def add(self, event: ServerEvent) -> None:
        """Handle the next event.

        Raises:
            Incomplete: the engine failed at too many utterances in a row.
        """
        match without_channel(event):
            case Ready():
                self.has_begun = True
            case Gap(start_sample=start, end_sample=end):
                self._found.append((start, end, _AUDIO_LOST))
            case Final(error=None, end_sample=end):
                self._answered_sample, self._in_a_row = end, 0
            case Final(error=str(code), start_sample=start, end_sample=end):
                self._found.append((start, end, code))
                self._in_a_row += 1
                if self._in_a_row >= _MAX_IN_A_ROW:
                    raise Incomplete(f"the engine failed at {self._in_a_row} utterances in a row ({code})")

    def sentence(self, *, is_whole: bool = True) -> str | None:
        """Return a summary of the missing parts; None: nothing is missing.

        Args:
            is_whole: whether the whole recording was sent; if not, only gaps before a transcript count.
        """
        found = [gap for gap in self._found if is_whole or gap[0] < self._answered_sample]
        if not found:
            return None
        listed = [f"{_clock(start)} to {_clock(end)} ({code})" for start, end, code in found[:_MAX_LISTED]]
        unlisted = len(found) - len(listed)
        missing_s = sum(end - start for start, end, _ in found) / SAMPLE_RATE_HZ
        more = f" and {unlisted} more" if unlisted else ""
        return f"the transcript of {missing_s:.1f} s is missing: {', '.join(listed)}{more}"


def _clock(sample: int) -> str:
    minutes, seconds = divmod(sample / SAMPLE_RATE_HZ, 60)
    hours, minutes = divmod(round(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:04.1f}"
