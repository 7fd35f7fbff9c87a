"""Which failed requests are retried. PURE."""

from collections import Counter

from decoder.types import DecodeRequest, EngineError, RequestCancelled, RequestKind

__all__ = ["RetryPolicy"]

_FILE_ATTEMPTS = 3
"""At the final of an utterance of a file; a fourth attempt at the same audio fails too."""


class RetryPolicy:
    """Counts the failures of one session's requests.

    An eager request is always followed by a final one. Finals of live audio are not retried; those of a file are, up to
    three attempts. Once an utterance has used them up, the next ones get one attempt each, until one succeeds.
    """

    def __init__(self) -> None:
        self._failures: Counter[int] = Counter()
        """Of a file: utterance → failures of its final."""
        self._has_given_up = False
        """Whether the last utterance decided has failed for good."""

    def should_retry(self, request: DecodeRequest, outcome: object) -> bool:
        """Record the outcome of a request, and return whether to retry it.

        Args:
            request: eager, final or of a file.
            outcome: the hypothesis, or the `EngineError`.
        """
        if not isinstance(outcome, EngineError):
            self._has_given_up = False
            return False
        if request.kind is not RequestKind.FILE or isinstance(outcome, RequestCancelled):
            return request.kind is RequestKind.EAGER
        self._failures[request.utterance_id] += 1
        self._has_given_up |= self._failures[request.utterance_id] >= _FILE_ATTEMPTS
        return not self._has_given_up
