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
class _Queued:
    request: DecodeRequest
    arrived_s: float
    turn: int
    order: int


class Planner:
    """The queue of one engine: at most one request per utterance, the newest.

    The next batch is led by the most urgent request and filled with others of its bucket. Finals, eager ones included,
    are bucketed by length; partials form one bucket: in a batch with a final they would wait for its answer, and share
    no work with it. Urgency is, in this order: finals before eager finals before partials before files; the session
    whose turn it is; the earliest deadline; order of arrival. Turns are start-time fair queueing (Goyal et al. 1996): a
    session with many requests gets one served for each one of the others, and an idle session cannot save up turns.

    No request starves: overdue requests, queued for `max_wait_s` or longer, lead every second batch, so that finals
    keep at least half of the engine and wait for at most one batch more. Files use the remaining capacity: they are
    decoded when no live request is queued, a few at a time, in batches of their own, and only if the caller allows it.
    Requests of a session with a batch in flight stay queued and do not block others. A partial that supersedes another
    inherits its queue time.
    """

    def __init__(self, settings: PlannerSettings, max_batch: int) -> None:
        self._max_wait_s = settings.max_wait_s
        self._bucket_edges = [round(edge_s * SAMPLE_RATE_HZ) for edge_s in settings.bucket_edges_s]
        self._max_batch = max_batch
        self._max_file_batch = min(settings.max_file_batch, max_batch)
        self._queue: dict[_UtteranceKey, _Queued] = {}
        self._turns: dict[str, int] = {}
        """The turn of each session's next request."""
        self._current_turn = 0
        self._arrivals = 0
        self._overdue_led_last = False

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, request: DecodeRequest, now_s: float) -> DecodeRequest | None:
        """Queue a request, and return the one it supersedes: an older one of its utterance, or itself.

        A queued final is never superseded.
        """
        key = (request.session_id, request.utterance_id)
        older = self._queue.get(key)
        if older is None:
            turn = max(self._turns.get(request.session_id, 0), self._current_turn)
            self._turns[request.session_id] = turn + 1
            self._arrivals += 1
            self._queue[key] = _Queued(request, now_s, turn, self._arrivals)
            return None
        if older.request.kind.ends_utterance or older.request.revision > request.revision:
            return request
        self._queue[key] = _Queued(request, older.arrived_s, older.turn, older.order)
        return older.request

    def next_batch(
        self, now_s: float, busy_sessions: Set[str] = frozenset(), *, live: bool = True, files: bool = True
    ) -> tuple[DecodeRequest, ...]:
        """Remove the next batch from the queue; empty only if no queued request may be decoded now.

        Args:
            now_s: time on the clock of `add`.
            busy_sessions: sessions with a batch in flight; their requests stay queued.
            live: whether live requests may be taken.
            files: whether requests of files may be taken.
        """
        ready = (
            entry
            for entry in self._queue.values()
            if entry.request.session_id not in busy_sessions and (files if _is_of_file(entry) else live)
        )
        by_urgency = sorted(ready, key=_urgency)
        if not by_urgency:
            return ()
        leader = self._overdue(by_urgency, now_s)
        self._overdue_led_last = leader is not None
        leader = leader or by_urgency[0]
        bucket = self._bucket(leader.request)
        others = (entry for entry in by_urgency if entry is not leader and self._bucket(entry.request) == bucket)
        batch = [leader, *others][: self._max_file_batch if _is_of_file(leader) else self._max_batch]
        self._remove(entry.request for entry in batch)
        self._current_turn = max(self._current_turn, min(entry.turn for entry in batch))
        return tuple(entry.request for entry in batch)

    def cancel(self, session_id: str) -> tuple[DecodeRequest, ...]:
        """Remove all requests of a session from the queue and return them."""
        cancelled = tuple(entry.request for entry in self._queue.values() if entry.request.session_id == session_id)
        self._remove(cancelled)
        self._turns.pop(session_id, None)
        return cancelled

    def _overdue(self, ready: Iterable[_Queued], now_s: float) -> _Queued | None:
        """Return the oldest live request if it is overdue and no overdue request led the last batch."""
        live = (entry for entry in ready if not _is_of_file(entry))
        oldest = min(live, key=lambda entry: (entry.arrived_s, entry.order), default=None)
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
            del self._queue[request.session_id, request.utterance_id]


def _is_of_file(entry: _Queued) -> bool:
    return entry.request.kind is RequestKind.FILE


def _urgency(entry: _Queued) -> tuple[int, int, float, int]:
    request = entry.request
    return _KIND_ORDER[request.kind], entry.turn, request.deadline_s, entry.order
