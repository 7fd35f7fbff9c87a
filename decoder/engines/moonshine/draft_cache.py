"""Keeps the latest text of growing utterances as drafts, with their cuts, one per session."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from decoder.truncation import Cut
from decoder.types import DecodeRequest

__all__ = ["EMPTY", "Draft", "DraftStore"]

MAX_SESSIONS = 4096
"""More than a machine transcribes concurrently; a draft is some hundred bytes. Beyond that, the oldest session loses
its draft."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The latest text of an utterance.

    Attributes:
        before: tokens of the words before the cut.
        tokens: tokens after the cut; without a cut, all tokens.
        cut: where the next partial begins; None: at the start of the utterance.
    """

    before: tuple[int, ...] = ()
    tokens: tuple[int, ...] = ()
    cut: Cut | None = None


EMPTY = Draft()


class DraftStore:
    """Keeps a draft per session, which its next hypothesis verifies, and the cut of a long utterance.

    The tokens of a draft change no answer; its cut does. Thread-safe.
    """

    def __init__(self) -> None:
        """Begin without sessions."""
        self._drafts: dict[str, tuple[int, Draft] | None] = {}  # keys: admitted sessions; values: utterance and draft
        self._lock = threading.Lock()  # sessions begin and end on the event loop, drafts are made in threads

    def __len__(self) -> int:
        """Return the number of drafts."""
        with self._lock:
            return sum(draft is not None for draft in self._drafts.values())

    def admit(self, session_ids: Iterable[str]) -> None:
        """Accept drafts of these sessions from now on."""
        with self._lock:
            for session_id in session_ids:
                self._drafts.setdefault(session_id, None)
            while len(self._drafts) > MAX_SESSIONS:
                del self._drafts[next(iter(self._drafts))]

    def of(self, request: DecodeRequest) -> Draft:
        """Return the draft of the request's utterance; empty if there is none."""
        with self._lock:
            utterance_id, draft = self._drafts.get(request.session_id) or (None, EMPTY)
        return draft if utterance_id == request.utterance_id else EMPTY

    def keep(self, request: DecodeRequest, draft: Draft) -> None:
        """Keep a draft, replacing that of the session; discard it if the utterance has ended."""
        with self._lock:
            if request.session_id in self._drafts:  # else the session ended in the meantime
                ended = request.kind.ends_utterance
                self._drafts[request.session_id] = None if ended else (request.utterance_id, draft)

    def forget(self, session_id: str) -> None:
        """Discard the draft of a session that has ended, and accept no more."""
        with self._lock:
            self._drafts.pop(session_id, None)
