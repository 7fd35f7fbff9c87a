"""What of a recording has no words, and why. PURE."""

from gateway.wire import SAMPLE_RATE_HZ, Final, Gap, LivecueError, OfChannel, Ready, ServerEvent

__all__ = ["Incomplete", "MissingAudio"]

_MAX_IN_A_ROW = 5
"""Utterances without words, each of them tried several times. An engine that is down makes no more of the rest."""

_MAX_SHOWN = 5
"""Places named in a sentence."""

_AUDIO_LOST = "audio_lost"


class Incomplete(LivecueError):
    """A part of a recording has no words; the message says which."""

    code = "incomplete"


class MissingAudio:
    """Collects the places without words, for one sentence at the end."""

    def __init__(self) -> None:
        self.has_begun = False
        """Whether the session has."""
        self._answered_sample = 0
        self._found: list[tuple[int, int, str]] = []
        self._in_a_row = 0

    @property
    def answered_until(self) -> str:
        """How far there are words, `0:01:02.3`."""
        return _clock(self._answered_sample)

    def add(self, event: ServerEvent) -> None:
        """Take in the next event.

        Raises:
            Incomplete: the engine fails at one utterance after the other.
        """
        inner = event.event if isinstance(event, OfChannel) else event
        match inner:
            case Ready():
                self.has_begun = True
            case Gap():
                self._found.append((inner.start_sample, inner.end_sample, _AUDIO_LOST))
            case Final(error=None):
                self._answered_sample, self._in_a_row = inner.end_sample, 0
            case Final(error=str(code)):
                self._found.append((inner.start_sample, inner.end_sample, code))
                self._in_a_row += 1
                if self._in_a_row >= _MAX_IN_A_ROW:
                    raise Incomplete(f"the engine failed at {self._in_a_row} utterances in a row ({code})")

    def sentence(self, *, is_whole: bool = True) -> str | None:
        """Return what is missing where; None: nothing is.

        Args:
            is_whole: whether all of the recording was tried; else only gaps with words behind them count.
        """
        found = [gap for gap in self._found if is_whole or gap[0] < self._answered_sample]
        if not found:
            return None
        shown = [f"{_clock(start)} to {_clock(end)} ({code})" for start, end, code in found[:_MAX_SHOWN]]
        hidden = len(found) - len(shown)
        missing_s = sum(end - start for start, end, _ in found) / SAMPLE_RATE_HZ
        more = f" and {hidden} more" if hidden else ""
        return f"the words of {missing_s:.1f} s are missing: {', '.join(shown)}{more}"


def _clock(sample: int) -> str:
    minutes, seconds = divmod(sample / SAMPLE_RATE_HZ, 60)
    hours, minutes = divmod(round(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:04.1f}"
