"""Warns the client of conditions such as lag, once when each begins. PURE."""

from collections.abc import Callable, Iterator, Sequence

from decoder.scheduler import Answer
from decoder.types import EngineError, RequestCancelled, RequestKind, RequestReplaced
from gateway.errors import Lagging
from gateway.settings import SessionSettings
from gateway.wire import Warning

__all__ = ["SessionWarnings"]


class SessionWarnings:
    """The conditions that hold. A warning of lag is repeated only after the lag has fallen to half of its limit.

    Args:
        settings: limits of the lag.
        next_seq: numbers events.
        ignored: messages about ignored options.
    """

    def __init__(self, settings: SessionSettings, next_seq: Callable[[], int], ignored: Sequence[str] = ()) -> None:
        self._settings = settings
        self._ignored = ignored
        self._next_seq = next_seq
        self._codes: set[str] = set()

    @property
    def is_behind(self) -> bool:
        """Whether partials are paused so that finals catch up."""
        return "partials_paused" in self._codes

    def check(self, lag_s: float, repaired_samples: int, refused_language: str | None = None) -> Iterator[Warning]:
        """Check the state of the audio input, and yield the warnings due.

        Args:
            lag_s: how far transcription is behind.
            repaired_samples: samples that were replaced or clipped.
            refused_language: why the requested language is not used.

        Raises:
            Lagging: transcription is too far behind, the last step of the overload ladder.
        """
        settings = self._settings
        if self._ignored:
            yield from self._begin("hint_ignored", "; ".join(self._ignored))
        if refused_language is not None:
            yield from self._begin("language_ignored", f"{refused_language}; the language is detected instead")
        if lag_s >= settings.lag_limit_s:
            raise Lagging(f"{_behind(lag_s)} (limit {settings.lag_limit_s:g} s)")
        if lag_s >= settings.lag_shed_s:
            yield from self._begin("partials_paused", f"{_behind(lag_s)}: partials are paused until it catches up")
        elif lag_s <= settings.lag_shed_s / 2:
            self._codes.discard("partials_paused")
        if lag_s >= settings.lag_limit_s / 2:
            yield from self._begin("lagging", f"{_behind(lag_s)}: the session ends at {settings.lag_limit_s:g} s")
        elif lag_s <= settings.lag_limit_s / 4:
            self._codes.discard("lagging")
        if repaired_samples:
            yield from self._begin("repaired_samples", "replaced samples that are NaN, infinite or outside -1 to 1")

    def ended(self, leftover_bytes: int, whole_bytes: int) -> Iterator[Warning]:
        """Check whether the audio ended with an incomplete sample frame.

        Args:
            leftover_bytes: of the incomplete frame; 0: the last frame is complete.
            whole_bytes: of a complete frame.
        """
        if leftover_bytes:
            message = f"the audio ended {leftover_bytes} bytes into a sample frame of {whole_bytes} bytes"
            yield from self._begin("incomplete_sample", message)

    def answered(self, answer: Answer) -> Iterator[Warning]:
        """Check whether partials fail; a failed final has its own error."""
        outcome = answer.outcome
        if answer.request.kind is not RequestKind.PARTIAL or isinstance(outcome, RequestReplaced | RequestCancelled):
            return
        if isinstance(outcome, EngineError):
            yield from self._begin("partials_failing", f"{outcome.code}: {outcome}")
        else:
            self._codes.discard("partials_failing")

    def _begin(self, code: str, message: str) -> Iterator[Warning]:
        if code not in self._codes:
            self._codes.add(code)
            yield Warning(self._next_seq(), code, message)


def _behind(lag_s: float) -> str:
    return f"transcription is {lag_s:.1f} s behind"
