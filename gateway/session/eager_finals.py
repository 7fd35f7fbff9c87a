"""Eager finals: decoded at a pause, before it is known whether the utterance ends there. PURE."""

from decoder.types import DecodeRequest
from gateway.session.pause_statistics import PauseStatistics

__all__ = ["EagerFinals"]


class EagerFinals:
    """The eager request of the current pause, and whether the next pause is worth one.

    Args:
        is_enabled: whether the settings allow it, and the engine's answer at a pause is as good as at the end.
    """

    def __init__(self, *, is_enabled: bool) -> None:
        self.dropped = 0
        """Requests discarded because speech resumed."""
        self._is_enabled = is_enabled
        self._statistics = PauseStatistics()
        self._request: DecodeRequest | None = None

    def are_wanted(self, *, is_behind: bool, is_requested: bool, is_stretched: bool) -> bool:
        """Return whether a pause that has just begun gets an eager final.

        Args:
            is_behind: whether partials are paused.
            is_requested: whether the client wants `eager` events, and so one at every pause.
            is_stretched: whether partials come less often than set.
        """
        if not self._is_enabled or is_behind:
            return False
        return is_requested or (self._statistics.is_end_likely and not is_stretched)

    def begin(self, request: DecodeRequest) -> DecodeRequest:
        """Make a request the eager one of the current pause, and return it."""
        self._request = request
        return request

    def is_current(self, request: DecodeRequest) -> bool:
        """Return whether a request is the eager one of the current pause."""
        return request is self._request

    def resume(self) -> None:
        """Discard the request, since speech has resumed after the pause."""
        self._statistics.record(was_end=False)
        self.dropped += self._request is not None
        self._request = None

    def end(self, end_sample: int, *, is_silence: bool) -> bool:
        """End the utterance; return whether the eager request covers all of its audio.

        Args:
            end_sample: of the utterance, at 16 kHz.
            is_silence: whether it ended at a pause.
        """
        request, self._request = self._request, None
        if is_silence:
            self._statistics.record(was_end=True)
        is_complete = request is not None and request.end_sample == end_sample
        self.dropped += request is not None and not is_complete
        return is_complete

    def fail(self, request: DecodeRequest) -> None:
        """Forget a failed request, if it is the eager one of the current pause."""
        if request is self._request:
            self._request = None
