"""What was last written of utterances that still grow, one a session."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from decoder.types import DecodeRequest

__all__ = ["DraftStore"]

MOST_SESSIONS = 4096
"""More than a machine transcribes at once; a draft is some hundred bytes. Beyond, the session longest known
has none."""


@dataclass(frozen=True, slots=True)
class _Draft:
    utterance_id: int
    tokens: tuple[int, ...]


class DraftStore:
    """Keeps the tokens of each session's newest hypothesis, to be verified by its next one.

    Whether there is a draft changes no answer. Threads may use it at the same time.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._drafts: dict[str, _Draft | None] = {}  # a key: the session is admitted
        self._lock = threading.Lock()  # sessions come and go on the event loop, drafts are made in threads

    def __len__(self) -> int:
        """Return how many drafts are kept."""
        with self._lock:
            return sum(draft is not None for draft in self._drafts.values())

    def admit(self, session_ids: Iterable[str]) -> None:
        """Let drafts of these sessions be kept from now on."""
        with self._lock:
            for session_id in session_ids:
                self._drafts.setdefault(session_id, None)
            while len(self._drafts) > MOST_SESSIONS:
                del self._drafts[next(iter(self._drafts))]

    def of(self, request: DecodeRequest) -> tuple[int, ...]:
        """Return the tokens last written of the request's utterance; none where nothing is kept."""
        with self._lock:
            draft = self._drafts.get(request.session_id)
        fits = draft is not None and draft.utterance_id == request.utterance_id
        return draft.tokens if draft is not None and fits else ()

    def keep(self, request: DecodeRequest, tokens: tuple[int, ...]) -> None:
        """Remember what was written; of an utterance that has ended, nothing."""
        with self._lock:
            if request.session_id in self._drafts:  # else it was forgotten meanwhile
                ended = request.kind.ends_utterance
                self._drafts[request.session_id] = None if ended else _Draft(request.utterance_id, tokens)

    def forget(self, session_id: str) -> None:
        """Keep nothing of the session any longer: it has ended."""
        with self._lock:
            self._drafts.pop(session_id, None)
