"""Which requests that failed are made again. PURE."""

from collections import Counter

from decoder.types import DecodeRequest, EngineError, RequestCancelled, RequestKind

__all__ = ["RetryPolicy"]

_FILE_ATTEMPTS = 3
"""At the final of an utterance of a file. What fails three times at the same audio fails a fourth time."""


class RetryPolicy:
    """Counts the failures of one session's requests."""

    def __init__(self) -> None:
        self._failures: Counter[int] = Counter()
        """Of a file: utterance → how often its final has failed."""
        self._is_in_vain = False
        """Whether an utterance has failed for good: then the next ones are tried once, until one has words."""

    def is_due(self, request: DecodeRequest, outcome: object) -> bool:
        """Return whether a request is to be made again: an eager one is never the last word, and a file has time."""
        if not isinstance(outcome, EngineError):
            self._is_in_vain = False
            return False
        if request.kind is not RequestKind.FILE or isinstance(outcome, RequestCancelled):
            return request.kind is RequestKind.EAGER
        self._failures[request.utterance_id] += 1
        self._is_in_vain |= self._failures[request.utterance_id] >= _FILE_ATTEMPTS
        return not self._is_in_vain
