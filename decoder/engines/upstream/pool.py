"""Several upstreams as one: whom to ask, whom to ask next, and when to give up."""

import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import anyio

from decoder.engines.upstream.audio_encoding import padded_samples
from decoder.engines.upstream.circuit_breaker import CircuitState, RetryBudget
from decoder.engines.upstream.client import Ask, Upstream
from decoder.engines.upstream.pool_member import Member
from decoder.engines.upstream.response_parsing import Heard
from decoder.engines.upstream.retry_policy import (
    MOST_BACKOFF_S,
    Action,
    Failure,
    PartialGivesWay,
    Refusal,
    UpstreamFailed,
    backoff_s,
    decide,
    error_of,
)
from decoder.engines.upstream.word_timing import quietest_sample, words_of
from decoder.settings import PoolSettings
from decoder.types import EngineError, RequestKind, Word
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["JournaledSession", "Pool", "Surroundings"]

logger = logging.getLogger("livecue.upstream")

_RETRY_BURST = 10
"""Retries there are before any request was answered."""

_HEDGE_SHARE, _HEDGE_BURST = 0.05, 2

_WAIT_S = 5.0
"""Between two attempts of a request that waits for its only upstream to come back."""

_LEAST_HEDGE_S = 0.4
"""Sooner, a hedge would race the answer that is on its way."""

_LEAST_SPLIT_SAMPLES = 2 * SAMPLE_RATE_HZ
"""What is refused as too large below that is not."""


async def _wait(event: anyio.Event, limit_s: float) -> None:
    with anyio.move_on_after(limit_s):
        await event.wait()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the pool knows of the world.

    Attributes:
        clock: seconds, monotonic.
        wait: returns when the event is set, or after so many seconds.
        draw: a number by chance, 0..1.
    """

    clock: Callable[[], float] = time.monotonic
    wait: Callable[[anyio.Event, float], Awaitable[None]] = _wait
    draw: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class JournaledSession:
    """What the pool made of one request: words on the session's time line, and what else the upstream said."""

    words: tuple[Word, ...]
    heard: Heard


@dataclass(slots=True)
class _Tries:
    """What one request has been through.

    Attributes:
        give_up_s: when it is too late.
        wait_until_s: from then on nothing is waited for but answers.
        attempts: made at each upstream.
        not_before_s: upstream → when it may be asked once more; +∞: not again.
        last: why the latest attempt failed.
        on_new_connection: whether the next attempt takes no used connection.
        again: the upstream to be asked once more at once, for it only closed a connection that was idle.
    """

    give_up_s: float
    wait_until_s: float
    attempts: Counter[Member] = field(default_factory=Counter)
    not_before_s: dict[Member, float] = field(default_factory=dict)
    last: Refusal | None = None
    waits_for: set[Member] = field(default_factory=set)
    """Upstreams that have failed it so often that they are asked only now and then."""
    on_new_connection: bool = False
    again: Member | None = None


class Pool:
    """Asks upstreams until one answers, within the request's patience, the retry budget and everybody's limits.

    Args:
        clients: the preferred one first, one at least.
        settings: how they are used.
        on_spent: called with the sound, in seconds, and the price of each attempt.
        surroundings: clock and chance.
    """

    def __init__(
        self,
        clients: Sequence[Upstream],
        settings: PoolSettings,
        on_spent: Callable[[float, float], None],
        surroundings: Surroundings,
    ) -> None:
        self.members = tuple(Member(client, settings.failures_until_open) for client in clients)
        self.hedges = 0
        self._settings = settings
        self._on_spent = on_spent
        self._surroundings = surroundings
        self._retries = RetryBudget(settings.retry_share, _RETRY_BURST)
        self._hedges = RetryBudget(_HEDGE_SHARE, _HEDGE_BURST)
        self._changed = anyio.Event()
        """Set, and replaced, when an attempt ends: there may be room now, or a circuit closed."""

    @property
    def is_usable(self) -> bool:
        """Whether a request that came now would be tried."""
        now_s = self._surroundings.clock()
        return any(member.is_usable(now_s) for member in self.members)

    async def connect(self) -> None:
        """Open a connection to each upstream; one that refuses is reported, and asked again when it is due."""
        async with anyio.create_task_group() as tasks:
            for member in self.members:
                tasks.start_soon(self._connect, member)

    async def transcribe(self, ask: Ask) -> JournaledSession:
        """Return the words.

        Raises:
            EngineError: no upstream had any in time.
        """
        now_s = self._surroundings.clock()
        self._retries.earn()
        self._hedges.earn()
        give_up_s = now_s + self._settings.final_patience_s
        # a local engine is quicker than most upstreams come back
        wait_until_s = now_s + MOST_BACKOFF_S if self._settings.fallback else give_up_s
        return await self._try(ask, _Tries(give_up_s, wait_until_s))

    async def aclose(self) -> None:
        """Close all connections."""
        for member in self.members:
            await member.client.aclose()

    async def _connect(self, member: Member) -> None:
        try:
            await member.client.connect()
        except Refusal as refusal:
            if refusal.failure.is_permanent:
                now_s = self._surroundings.clock()
                member.circuit.failed(refusal.failure, now_s, now_s)
            logger.warning("upstream refuses upstream=%s reason=%s", member.client.name, refusal)

    async def _try(self, ask: Ask, tries: _Tries) -> JournaledSession:
        while True:
            member = await self._admitted(ask, tries)
            if tries.attempts[member]:
                member.retries += 1
            tries.attempts[member] += 1
            try:
                heard = await self._hedged(member, ask, tries)
                return JournaledSession(words_of(heard, ask.samples, ask.start_sample), heard)
            except Refusal as refusal:
                tries.last = refusal
                action = decide(refusal.failure, ask.kind, tries.attempts[member])
                if action is Action.GIVE_UP:
                    raise error_of(refusal) from refusal
                if action is Action.SPLIT and len(ask.samples) >= _LEAST_SPLIT_SAMPLES:
                    return await self._in_halves(ask, tries)
                self._plan(member, refusal, action, tries)

    def _plan(self, member: Member, refusal: Refusal, action: Action, tries: _Tries) -> None:
        """Note when the upstream may be asked once more by this request, if at all."""
        now_s = self._surroundings.clock()
        is_stale = refusal.failure is Failure.DISCONNECTED and action is Action.RETRY_AT_ONCE
        tries.on_new_connection, tries.again = is_stale, member if is_stale else None
        if action in (Action.FAIL_OVER, Action.SPLIT):
            tries.not_before_s[member] = inf
        elif action is Action.RETRY_LATER:
            pause_s = backoff_s(tries.attempts[member], self._surroundings.draw())
            tries.not_before_s[member] = now_s + max(pause_s, refusal.retry_after_s or 0.0)
        elif action is Action.WAIT:
            tries.waits_for.add(member)
            tries.not_before_s[member] = now_s + _WAIT_S

    async def _admitted(self, ask: Ask, tries: _Tries) -> Member:
        """Return an upstream that may be asked now, once there is one.

        Those the request has not failed at come first. Asking one again is a retry and needs the budget's leave, but
        for what waits: every few seconds, behind a circuit, it burdens nobody.

        Raises:
            EngineError: there will be none in time; a partial does not wait at all.
        """
        offering = [member for member in self.members if member.does(ask.task)]
        while True:
            now_s = self._surroundings.clock()
            due_s = {member: max(member.available_s, tries.not_before_s.get(member, -inf)) for member in offering}
            free = [member for member in offering if due_s[member] <= now_s and not member.is_full]
            if now_s >= tries.give_up_s:
                raise self._given_up(offering, tries)
            if free:
                best = min(free, key=lambda member: self._rank(member, ask, tries, now_s))
                if not tries.attempts[best] or best in tries.waits_for or self._retries.take():
                    return best
                # what is left are upstreams it has not been to, if they get room in time
                tries.not_before_s |= dict.fromkeys(tries.attempts, inf)
            elif ask.kind is RequestKind.PARTIAL:
                raise self._partial_refused(offering, tries)
            else:
                await self._until_change(offering, due_s, tries)

    async def _until_change(self, offering: Sequence[Member], due_s: dict[Member, float], tries: _Tries) -> None:
        """Wait until an upstream may be due, or an attempt of anybody ends.

        Raises:
            EngineError: waiting is in vain, or a local engine is quicker.
        """
        now_s = self._surroundings.clock()
        wanted = [member for member in offering if tries.not_before_s.get(member, -inf) < inf]
        # one that is full, or being probed, is free as soon as an attempt ends
        is_blocked = any(due_s[m] <= now_s or m.circuit.state is CircuitState.PROBING for m in wanted)
        later_s = [due_s[m] for m in wanted if now_s < due_s[m] < tries.wait_until_s]
        if now_s >= tries.wait_until_s or not (later_s or is_blocked):
            raise self._given_up(offering, tries)
        await self._surroundings.wait(self._changed, min([*later_s, tries.wait_until_s]) - now_s)

    def _rank(self, member: Member, ask: Ask, tries: _Tries, now_s: float) -> tuple[bool, bool, bool, bool, int]:
        """Return what comes first of those that are free: untried ones, healthy ones, preferred ones.

        An upstream whose circuit is due for its probe gets the first final, however healthy the others are: else nobody
        would ever know that it is back. The final loses little, for it fails over.
        """
        is_due = member.circuit.state is CircuitState.OPEN
        is_partial = ask.kind is RequestKind.PARTIAL
        return (
            member is not tries.again,
            tries.attempts[member] > 0,
            is_partial or not is_due,
            is_due or member.has_failed_lately(now_s),
            self.members.index(member),
        )

    async def _hedged(self, member: Member, ask: Ask, tries: _Tries) -> Heard:
        """Ask once; where that is set and the answer is late, ask a second upstream too and take the first answer."""
        delay_s = self._hedge_delay_s(member, ask)
        if delay_s is None:
            return await self._attempt(member, ask, tries)
        outcomes: dict[Member, Heard | Refusal] = {}
        ended = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def run(asked: Member) -> None:
                try:
                    outcomes[asked] = await self._attempt(asked, ask, tries)
                    tasks.cancel_scope.cancel()
                except Refusal as refusal:
                    outcomes[asked] = refusal
                ended.set()

            tasks.start_soon(run, member)
            await self._surroundings.wait(ended, delay_s)
            other = self._hedge_target(member, ask)
            if not ended.is_set() and other is not None and self._hedges.take():
                self.hedges += 1
                tasks.start_soon(run, other)
        for outcome in outcomes.values():
            if isinstance(outcome, Heard):
                return outcome
        refusal = outcomes[member]
        assert isinstance(refusal, Refusal), "an answer would have been returned"
        raise refusal

    def _hedge_delay_s(self, member: Member, ask: Ask) -> float | None:
        p95_s = member.latencies.p95_s
        if not self._settings.hedge or ask.kind is not RequestKind.FINAL or p95_s is None:
            return None
        return max(p95_s, _LEAST_HEDGE_S)

    def _hedge_target(self, asked: Member, ask: Ask) -> Member | None:
        """Return another upstream that has room and no trouble, none where any has: they share what is too much."""
        now_s = self._surroundings.clock()
        if any(member.is_strained(now_s) for member in self.members):
            return None
        others = [m for m in self.members if m is not asked and m.does(ask.task) and not m.is_full]
        return next((m for m in others if m.available_s <= now_s), None)

    async def _attempt(self, member: Member, ask: Ask, tries: _Tries) -> Heard:
        """Ask one upstream once, and note how it went.

        Raises:
            Refusal: there is no answer.
        """
        clock = self._surroundings.clock
        began_s = clock()
        self._on_spent(padded_samples(len(ask.samples)) / SAMPLE_RATE_HZ, member.price(ask))
        try:
            with member.serving(ask):
                heard = await _in_time(member, ask, tries.give_up_s - began_s, tries.on_new_connection)
        except Refusal as refusal:
            member.refused(ask, refusal, began_s, clock())
            raise
        except BaseException:  # cancelled: that says nothing about the upstream
            member.abandoned(clock())
            raise
        else:
            member.succeeded(clock() - began_s)
            return heard
        finally:
            self._changed.set()
            self._changed = anyio.Event()

    async def _in_halves(self, ask: Ask, tries: _Tries) -> JournaledSession:
        """Ask for what is too large in two pieces, cut where it is quietest, one after the other."""
        place = quietest_sample(ask.samples)
        first = replace(ask, name=f"{ask.name}-1", samples=ask.samples[:place])
        second = replace(ask, name=f"{ask.name}-2", samples=ask.samples[place:], start_sample=ask.start_sample + place)
        before = await self._try(first, _Tries(tries.give_up_s, tries.wait_until_s))
        after = await self._try(second, _Tries(tries.give_up_s, tries.wait_until_s))
        return JournaledSession(before.words + after.words, before.heard)

    def _given_up(self, offering: Sequence[Member], tries: _Tries) -> EngineError:
        """Return why the request has no words: its last failure, or what is the matter with the upstreams."""
        if not offering:
            return UpstreamFailed("no upstream offers that task: set translates where one does")
        if tries.last is not None:
            return error_of(tries.last)
        failures = [m.circuit.failure or Failure.RATE_LIMITED for m in offering if m.available_s > -inf]
        names = ", ".join(f"{member.client.name} {member.circuit.failure or 'is busy'}" for member in offering)
        return error_of(Refusal(failures[0] if failures else Failure.TIMED_OUT, f"no upstream takes requests: {names}"))

    def _partial_refused(self, offering: Sequence[Member], tries: _Tries) -> EngineError:
        if any(member.circuit.state is not CircuitState.OPEN for member in offering):
            return PartialGivesWay("the upstreams are busy with finals")
        return self._given_up(offering, tries)


async def _in_time(member: Member, ask: Ask, limit_s: float, on_new_connection: bool) -> Heard:
    try:
        with anyio.fail_after(limit_s):
            return await member.client.post(ask, on_new_connection=on_new_connection)
    except TimeoutError as error:
        raise Refusal(Failure.TIMED_OUT, f"{member.client.name}: the request's time is over") from error
