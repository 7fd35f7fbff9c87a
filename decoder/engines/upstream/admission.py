"""Decides which upstream a request is sent to next, and how long it waits for an available one."""

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import inf

import anyio

from decoder.engines.upstream.circuit_breaker import CircuitState, RetryBudget
from decoder.engines.upstream.client import UpstreamRequest
from decoder.engines.upstream.pool_member import Member
from decoder.engines.upstream.retry_policy import (
    Action,
    AttemptFailed,
    Failure,
    PartialSkipped,
    UpstreamFailed,
    backoff_s,
    error_of,
)
from decoder.types import EngineError, RequestKind

__all__ = ["Admission", "RequestState", "Surroundings"]

_PROBE_INTERVAL_S = 5.0
"""Between two attempts of a request while its only upstream recovers."""


async def _wait(event: anyio.Event, limit_s: float) -> None:
    with anyio.move_on_after(limit_s):
        await event.wait()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Clock and randomness of the pool, replaceable in tests.

    Attributes:
        clock: seconds, monotonic.
        wait: returns when the event is set, or after a timeout in seconds.
        draw: returns a random number, 0..1.
    """

    clock: Callable[[], float] = time.monotonic
    wait: Callable[[anyio.Event, float], Awaitable[None]] = _wait
    draw: Callable[[], float] = random.random


@dataclass(slots=True)
class RequestState:
    """The attempts of one request so far.

    Attributes:
        deadline_s: on the pool's clock.
        wait_until_s: from then on it no longer waits for an upstream to become available, only for responses.
        attempts: number of attempts at each upstream.
        not_before_s: upstream → earliest next attempt; +∞: never.
        last_failure: of the latest attempt; None before the first failure.
        probing: upstreams that failed the request so often that they are only probed every few seconds.
        on_new_connection: whether the next attempt needs a new connection.
        reconnect_to: the upstream to retry at once, because it only closed an idle connection.
    """

    deadline_s: float
    wait_until_s: float
    attempts: Counter[Member] = field(default_factory=Counter)
    not_before_s: dict[Member, float] = field(default_factory=dict)
    last_failure: AttemptFailed | None = None
    probing: set[Member] = field(default_factory=set)
    on_new_connection: bool = False
    reconnect_to: Member | None = None


class Admission:
    """Assigns requests to upstreams by health, preference and free capacity.

    Args:
        members: the upstreams, the preferred one first.
        retries: budget for repeated attempts.
        surroundings: clock and randomness.
    """

    def __init__(self, members: Sequence[Member], retries: RetryBudget, surroundings: Surroundings) -> None:
        self._members = tuple(members)
        self._retries = retries
        self._surroundings = surroundings
        self._changed = anyio.Event()
        """Set, and replaced, when an attempt ends: there may be free capacity now, or a circuit closed."""

    def notify(self) -> None:
        """Wake the waiting requests: an attempt has ended."""
        self._changed.set()
        self._changed = anyio.Event()

    def schedule_retry(self, member: Member, error: AttemptFailed, action: Action, state: RequestState) -> None:
        """Record when this request may be sent to the upstream again, if ever."""
        now_s = self._surroundings.clock()
        is_stale = error.failure is Failure.DISCONNECTED and action is Action.RETRY_AT_ONCE
        state.on_new_connection, state.reconnect_to = is_stale, member if is_stale else None
        if action in (Action.FAIL_OVER, Action.SPLIT):
            state.not_before_s[member] = inf
        elif action is Action.RETRY_LATER:
            pause_s = backoff_s(state.attempts[member], self._surroundings.draw())
            state.not_before_s[member] = now_s + max(pause_s, error.retry_after_s or 0.0)
        elif action is Action.WAIT:
            state.probing.add(member)
            state.not_before_s[member] = now_s + _PROBE_INTERVAL_S

    async def admit(self, request: UpstreamRequest, state: RequestState) -> Member:
        """Return the upstream to send the request to, once one is available.

        Upstreams that have not failed the request come first. A retry must be covered by the retry budget, except
        probes: every few seconds, behind a circuit breaker, they add no load.

        Raises:
            EngineError: no upstream becomes available in time; a partial does not wait at all.
        """
        offering = [member for member in self._members if member.supports(request.task)]
        while True:
            now_s = self._surroundings.clock()
            due_s = {member: max(member.available_s, state.not_before_s.get(member, -inf)) for member in offering}
            free = [member for member in offering if due_s[member] <= now_s and not member.is_full]
            if now_s >= state.deadline_s:
                raise self._unavailable(offering, state)
            if free:
                best = min(free, key=lambda member: self._rank(member, request, state, now_s))
                if not state.attempts[best] or best in state.probing or self._retries.take():
                    return best
                # no retry budget: only untried upstreams remain, if they get free capacity in time
                state.not_before_s |= dict.fromkeys(state.attempts, inf)
            elif request.kind is RequestKind.PARTIAL:
                raise self._partial_rejected(offering, state)
            else:
                await self._until_change(offering, due_s, state)

    async def _until_change(self, offering: Sequence[Member], due_s: dict[Member, float], state: RequestState) -> None:
        """Wait until an upstream may be due, or an attempt of any request ends.

        Raises:
            EngineError: no upstream becomes available in time, or a local engine is faster.
        """
        now_s = self._surroundings.clock()
        candidates = [member for member in offering if state.not_before_s.get(member, -inf) < inf]
        # a full or probed upstream may become free when an attempt ends
        is_blocked = any(due_s[m] <= now_s or m.circuit.state is CircuitState.PROBING for m in candidates)
        later_s = [due_s[m] for m in candidates if now_s < due_s[m] < state.wait_until_s]
        if now_s >= state.wait_until_s or not (later_s or is_blocked):
            raise self._unavailable(offering, state)
        await self._surroundings.wait(self._changed, min([*later_s, state.wait_until_s]) - now_s)

    def _rank(
        self, member: Member, request: UpstreamRequest, state: RequestState, now_s: float
    ) -> tuple[bool, bool, bool, bool, int]:
        """Return the sort key of a free upstream: untried ones first, then healthy ones, then preferred ones.

        An upstream whose circuit is due for its probe gets the first final, however healthy the others are: otherwise
        its recovery would never be noticed. The final loses little, because it fails over.
        """
        is_due = member.circuit.state is CircuitState.OPEN
        is_partial = request.kind is RequestKind.PARTIAL
        return (
            member is not state.reconnect_to,
            state.attempts[member] > 0,
            is_partial or not is_due,
            is_due or member.has_failed_lately(now_s),
            self._members.index(member),
        )

    def _unavailable(self, offering: Sequence[Member], state: RequestState) -> EngineError:
        """Return the error of the request: its latest failure, or else the state of the upstreams."""
        if not offering:
            return UpstreamFailed("no upstream supports this task: set translates for an upstream that does")
        if state.last_failure is not None:
            return error_of(state.last_failure)
        failures = [m.circuit.failure or Failure.RATE_LIMITED for m in offering if m.available_s > -inf]
        names = ", ".join(f"{member.client.name} {member.circuit.failure or 'busy'}" for member in offering)
        return error_of(
            AttemptFailed(failures[0] if failures else Failure.TIMED_OUT, f"no upstream is available: {names}")
        )

    def _partial_rejected(self, offering: Sequence[Member], state: RequestState) -> EngineError:
        if any(member.circuit.state is not CircuitState.OPEN for member in offering):
            return PartialSkipped("partial skipped: the upstreams are busy with finals")
        return self._unavailable(offering, state)
