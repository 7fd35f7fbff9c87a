"""Conditions of a session that its client should know of, each announced when it begins. PURE."""

from collections.abc import Callable, Iterator, Sequence

from decoder.scheduler import Answer
from decoder.types import EngineError, RequestCancelled, RequestKind, RequestReplaced
from gateway.errors import Lagging
from gateway.settings import SessionSettings
from gateway.wire import Warning

__all__ = ["SessionWarnings"]


class SessionWarnings:
    """Which conditions hold. One is announced again only after it has passed, at half of what made it begin.

    Args:
        settings: what counts as lagging.
        next_seq: gives each event its number.
        ignored: what is said of wishes that are left out.
    """

    def __init__(self, settings: SessionSettings, next_seq: Callable[[], int], ignored: Sequence[str] = ()) -> None:
        self._settings = settings
        self._ignored = ignored
        self._next_seq = next_seq
        self._codes: set[str] = set()

    @property
    def is_behind(self) -> bool:
        """Whether partials pause so that finals catch up."""
        return "partials_paused" in self._codes

    def heard(self, lag_s: float, repaired_samples: int, refused_language: str | None = None) -> Iterator[Warning]:
        """Note how far the session is behind, how many samples were mended, and why its language cannot be had.

        Raises:
            Lagging: too far, the last step of the overload ladder.
        """
        settings = self._settings
        if self._ignored:
            yield from self._begin("hint_ignored", "; ".join(self._ignored))
        if refused_language is not None:
            yield from self._begin("language_ignored", f"{refused_language}; it is detected instead")
        if lag_s >= settings.lag_limit_s:
            raise Lagging(f"{lag_s:.1f} s of sound wait for their words: at most {settings.lag_limit_s:g} s may")
        if lag_s >= settings.lag_shed_s:
            yield from self._begin("partials_paused", f"{lag_s:.1f} s behind: only finals until that has passed")
        elif lag_s <= settings.lag_shed_s / 2:
            self._codes.discard("partials_paused")
        if lag_s >= settings.lag_limit_s / 2:
            yield from self._begin("lagging", f"{lag_s:.1f} s behind: at {settings.lag_limit_s:g} s this ends")
        elif lag_s <= settings.lag_limit_s / 4:
            self._codes.discard("lagging")
        if repaired_samples:
            yield from self._begin("repaired_samples", "samples that are no number or beyond ±1 were mended")

    def ended(self, leftover_bytes: int, whole_bytes: int) -> Iterator[Warning]:
        """Note how many bytes the audio ended into a sample frame, and how many a whole one has."""
        if leftover_bytes:
            message = f"the sound ended {leftover_bytes} bytes into a sample frame: a whole one has {whole_bytes}"
            yield from self._begin("incomplete_sample", message)

    def answered(self, answer: Answer) -> Iterator[Warning]:
        """Note whether partials fail; a failed final says so itself."""
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
