"""Plans which queued requests are decoded next. PURE: time is an argument."""

from bisect import bisect_left
from collections.abc import Iterable, Set
from dataclasses import dataclass

from decoder.settings import PlannerSettings
from decoder.types import DecodeRequest, RequestKind
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Planner"]

_KIND_ORDER = {RequestKind.FINAL: 0, RequestKind.EAGER: 1, RequestKind.PARTIAL: 2, RequestKind.FILE: 3}

_UtteranceKey = tuple[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    request: DecodeRequest
    arrived_s: float
    turn: int
    order: int


class Planner:
    """The queue of one engine: at most one request per utterance, the newest.

    The next batch is led by the most urgent request and filled with others of its bucket. Finals, eager ones included,
    are bucketed by length; partials form one bucket: beside a final they would wait for its answer, and share nothing
    with it. Most urgent means, in this order: finals before eager finals before partials before files; the session
    whose turn it is; the earliest deadline; first come. Turns are start-time fair queueing (Goyal et al. 1996): a
    session with many requests gets one served for every one of the others, and a session that was idle cannot save up
    turns.

    No request starves: a request that has waited `max_wait_s` leads every second batch, so that finals keep at least
    half of the engine and wait for at most one batch more. Files use the remaining capacity: they are decoded when no
    live request is queued, a few at a time, in batches of their own, and only where the caller allows it. Requests of a
    session with a batch in flight stay queued and do not block others. A partial that supersedes another inherits its
    queue time.
    """

    def __init__(self, settings: PlannerSettings, max_batch: int) -> None:
        self._max_wait_s = settings.max_wait_s
        self._bucket_edges = [round(edge_s * SAMPLE_RATE_HZ) for edge_s in settings.bucket_edges_s]
        self._max_batch = max_batch
        self._max_file_batch = min(settings.max_file_batch, max_batch)
        self._waiting: dict[_UtteranceKey, _Waiting] = {}
        self._turns: dict[str, int] = {}
        """The turn of each session's next request; kept while the session has been served ahead of the others."""
        self._current_turn = 0
        self._arrivals = 0
        self._overdue_led_last = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: DecodeRequest, now_s: float) -> DecodeRequest | None:
        """Queue a request, and return the one it supersedes: an older one of its utterance, or itself.

        A queued final is never superseded.
        """
        key = (request.session_id, request.utterance_id)
        older = self._waiting.get(key)
        if older is None:
            turn = max(self._turns.get(request.session_id, 0), self._current_turn)
            self._turns[request.session_id] = turn + 1
            self._arrivals += 1
            self._waiting[key] = _Waiting(request, now_s, turn, self._arrivals)
            return None
        if older.request.kind.ends_utterance or older.request.revision > request.revision:
            return request
        self._waiting[key] = _Waiting(request, older.arrived_s, older.turn, older.order)
        return older.request

    def next_batch(
        self, now_s: float, busy_sessions: Set[str] = frozenset(), *, live: bool = True, files: bool = True
    ) -> tuple[DecodeRequest, ...]:
        """Remove the next batch from the queue; empty only if no queued request may be decoded now.

        Args:
            now_s: on the clock of `add`.
            busy_sessions: those with a request in a batch that is not answered yet; none of theirs is taken.
            live: whether live requests may be taken.
            files: whether requests of files may be taken.
        """
        ready = (
            w
            for w in self._waiting.values()
            if w.request.session_id not in busy_sessions and (files if _is_of_file(w) else live)
        )
        waiting = sorted(ready, key=_urgency)
        if not waiting:
            return ()
        leader = self._overdue(waiting, now_s)
        self._overdue_led_last = leader is not None
        leader = leader or waiting[0]
        bucket = self._bucket(leader.request)
        others = (w for w in waiting if w is not leader and self._bucket(w.request) == bucket)
        batch = [leader, *others][: self._max_file_batch if _is_of_file(leader) else self._max_batch]
        self._remove(w.request for w in batch)
        self._current_turn = max(self._current_turn, min(w.turn for w in batch))
        return tuple(w.request for w in batch)

    def cancel(self, session_id: str) -> tuple[DecodeRequest, ...]:
        """Remove all requests of a session from the queue and return them."""
        gone = tuple(w.request for w in self._waiting.values() if w.request.session_id == session_id)
        self._remove(gone)
        self._turns.pop(session_id, None)
        return gone

    def _overdue(self, waiting: Iterable[_Waiting], now_s: float) -> _Waiting | None:
        """Return the request that has waited longest, if too long and it is the overdue ones' turn to lead."""
        live = (w for w in waiting if not _is_of_file(w))
        oldest = min(live, key=lambda w: (w.arrived_s, w.order), default=None)
        if oldest is None:
            return None
        is_overdue = now_s - oldest.arrived_s >= self._max_wait_s
        return oldest if is_overdue and not self._overdue_led_last else None

    def _bucket(self, request: DecodeRequest) -> tuple[bool, int | None]:
        if request.kind is RequestKind.PARTIAL:
            return False, None
        length = min(bisect_left(self._bucket_edges, len(request.samples)), len(self._bucket_edges) - 1)
        return request.kind is RequestKind.FILE, length

    def _remove(self, requests: Iterable[DecodeRequest]) -> None:
        for request in requests:
            del self._waiting[request.session_id, request.utterance_id]


def _is_of_file(waiting: _Waiting) -> bool:
    return waiting.request.kind is RequestKind.FILE


def _urgency(waiting: _Waiting) -> tuple[int, int, float, int]:
    request = waiting.request
    return _KIND_ORDER[request.kind], waiting.turn, request.deadline_s, waiting.order
