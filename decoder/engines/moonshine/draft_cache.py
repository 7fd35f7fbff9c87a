"""What was last written of utterances that still grow, and where they were cut, one a session."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from decoder.truncation import Cut
from decoder.types import DecodeRequest

__all__ = ["EMPTY", "Draft", "DraftStore"]

MOST_SESSIONS = 4096
"""More than a machine transcribes at once; a draft is some hundred bytes. Beyond, the session longest known
has none."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What was last written of an utterance.

    Attributes:
        before: tokens of the words before the cut.
        tokens: those after it; without a cut, all of them.
        cut: where the next partial begins; None: with the utterance.
    """

    before: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    cut: Cut | None = None


EMPTY = Draft()


class DraftStore:
    """Keeps what was last written of each session, to be verified by its next hypothesis, and where a long one is cut.

    Whether there are tokens changes no answer; a cut does. Threads may use it at the same time.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._drafts: dict[str, tuple[int, Draft] | None] = {}  # utterance and draft; a key: it is admitted
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

    def of(self, request: DecodeRequest) -> Draft:
        """Return what was last written of the request's utterance; an empty draft where nothing is kept."""
        with self._lock:
            utterance_id, draft = self._drafts.get(request.session_id) or (None, EMPTY)
        return draft if utterance_id == request.utterance_id else EMPTY

    def keep(self, request: DecodeRequest, draft: Draft) -> None:
        """Remember what was written; of an utterance that has ended, nothing."""
        with self._lock:
            if request.session_id in self._drafts:  # else it was forgotten meanwhile
                ended = request.kind.ends_utterance
                self._drafts[request.session_id] = None if ended else (request.utterance_id, draft)

    def forget(self, session_id: str) -> None:
        """Keep nothing of the session any longer: it has ended."""
        with self._lock:
            self._drafts.pop(session_id, None)
