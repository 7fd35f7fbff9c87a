"""Finals that are decoded at a pause, before it is known whether the utterance ends there. PURE."""

from decoder.types import DecodeRequest
from gateway.session.pause_statistics import PauseStatistics

__all__ = ["EagerFinals"]


class EagerFinals:
    """The eager request of the pause that the speaker is in, and whether the next pause is worth one.

    Args:
        is_enabled: by the settings, and by an engine whose answer before the end is as good as after it.
    """

    def __init__(self, *, is_enabled: bool) -> None:
        self.dropped = 0
        """Requests that were discarded because the speaker went on."""
        self._is_enabled = is_enabled
        self._statistics = PauseStatistics()
        self._request: DecodeRequest | None = None

    def are_wanted(self, *, is_behind: bool, is_asked_for: bool, is_stretched: bool) -> bool:
        """Return whether a pause that has just begun gets a final.

        Args:
            is_behind: whether partials are paused.
            is_asked_for: whether the client wants `eager` events, and so one at every pause.
            is_stretched: whether partials come less often than they should.
        """
        if not self._is_enabled or is_behind:
            return False
        return is_asked_for or (self._statistics.pays and not is_stretched)

    def begin(self, request: DecodeRequest) -> DecodeRequest:
        """Note the eager request of a pause, and return it."""
        self._request = request
        return request

    def is_current(self, request: DecodeRequest) -> bool:
        """Return whether that is the eager request of the pause that the speaker is in."""
        return request is self._request

    def resume(self) -> None:
        """Note that speech goes on: the pause was no end."""
        self._statistics.paused(was_end=False)
        self.dropped += self._request is not None
        self._request = None

    def end(self, end_sample: int, *, is_silence: bool) -> bool:
        """Note the end of the utterance; return whether the eager request has all of its audio.

        Args:
            end_sample: of the utterance.
            is_silence: whether it ended at a pause.
        """
        request, self._request = self._request, None
        if is_silence:
            self._statistics.paused(was_end=True)
        is_whole = request is not None and request.end_sample == end_sample
        self.dropped += request is not None and not is_whole
        return is_whole

    def fail(self, request: DecodeRequest) -> None:
        """Note that a request has failed."""
        if request is self._request:
            self._request = None
