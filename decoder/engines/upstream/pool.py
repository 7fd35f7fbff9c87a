"""Combines several upstreams into one: retries, fails over and hedges each request."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from decoder.engines.upstream.admission import Admission, RequestState, Surroundings
from decoder.engines.upstream.audio_encoding import padded_samples
from decoder.engines.upstream.circuit_breaker import RetryBudget
from decoder.engines.upstream.client import Ask, Upstream
from decoder.engines.upstream.pool_member import Member
from decoder.engines.upstream.response_parsing import Transcription
from decoder.engines.upstream.retry_policy import (
    MOST_BACKOFF_S,
    Action,
    Failure,
    Refusal,
    decide,
    error_of,
)
from decoder.engines.upstream.word_timing import quietest_sample, words_of
from decoder.settings import PoolSettings
from decoder.types import RequestKind, Word
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["Pool", "TimedTranscript"]

logger = logging.getLogger("livecue.upstream")

_RETRY_BURST = 10
"""Retries available before any request was answered."""

_HEDGE_SHARE, _HEDGE_BURST = 0.05, 2

_LEAST_HEDGE_S = 0.4
"""An earlier hedge would race the answer that is already on its way."""

_LEAST_SPLIT_SAMPLES = 2 * SAMPLE_RATE_HZ
"""A shorter request cannot really be too large, so it is not split."""


@dataclass(frozen=True, slots=True)
class TimedTranscript:
    """The answer to one request: words on the session's time line, and the response they come from."""

    words: tuple[Word, ...]
    transcription: Transcription


class Pool:
    """Sends each request to upstreams until one answers, within its deadline, the retry budget and their limits.

    Args:
        clients: the preferred one first, one at least.
        settings: of the pool.
        on_spent: called with the audio, in seconds, and the price of each attempt.
        surroundings: clock and randomness.
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
        self._admission = Admission(self.members, self._retries, surroundings)
        self._hedges = RetryBudget(_HEDGE_SHARE, _HEDGE_BURST)

    @property
    def is_usable(self) -> bool:
        """Whether a request submitted now would be attempted."""
        now_s = self._surroundings.clock()
        return any(member.is_usable(now_s) for member in self.members)

    async def connect(self) -> None:
        """Open a connection to each upstream; a refusal is logged, and the upstream asked again when due."""
        async with anyio.create_task_group() as tasks:
            for member in self.members:
                tasks.start_soon(self._connect, member)

    async def transcribe(self, ask: Ask) -> TimedTranscript:
        """Return the transcript of a request.

        Raises:
            EngineError: no upstream answered in time.
        """
        now_s = self._surroundings.clock()
        self._retries.earn()
        self._hedges.earn()
        give_up_s = now_s + self._settings.final_patience_s
        # a local engine is faster than most upstreams recover
        wait_until_s = now_s + MOST_BACKOFF_S if self._settings.fallback else give_up_s
        return await self._try(ask, RequestState(give_up_s, wait_until_s))

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
            logger.warning("upstream refused connection upstream=%s reason=%s", member.client.name, refusal)

    async def _try(self, ask: Ask, state: RequestState) -> TimedTranscript:
        while True:
            member = await self._admission.admit(ask, state)
            if state.attempts[member]:
                member.retries += 1
            state.attempts[member] += 1
            try:
                transcription = await self._hedged(member, ask, state)
                return TimedTranscript(words_of(transcription, ask.samples, ask.start_sample), transcription)
            except Refusal as refusal:
                state.last = refusal
                action = decide(refusal.failure, ask.kind, state.attempts[member])
                if action is Action.GIVE_UP:
                    raise error_of(refusal) from refusal
                if action is Action.SPLIT and len(ask.samples) >= _LEAST_SPLIT_SAMPLES:
                    return await self._in_halves(ask, state)
                self._admission.schedule_retry(member, refusal, action, state)

    async def _hedged(self, member: Member, ask: Ask, state: RequestState) -> Transcription:
        """Send a request, hedged with a second upstream if the answer is late, and return the first answer."""
        delay_s = self._hedge_delay_s(member, ask)
        if delay_s is None:
            return await self._attempt(member, ask, state)
        outcomes: dict[Member, Transcription | Refusal] = {}
        ended = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def run(asked: Member) -> None:
                try:
                    outcomes[asked] = await self._attempt(asked, ask, state)
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
            if isinstance(outcome, Transcription):
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
        """Return another upstream with room; None while any upstream is strained, because a hedge adds load."""
        now_s = self._surroundings.clock()
        if any(member.is_strained(now_s) for member in self.members):
            return None
        others = [m for m in self.members if m is not asked and m.does(ask.task) and not m.is_full]
        return next((m for m in others if m.available_s <= now_s), None)

    async def _attempt(self, member: Member, ask: Ask, state: RequestState) -> Transcription:
        """Send a request to one upstream once, and record the outcome.

        Raises:
            Refusal: it did not answer with a transcript.
        """
        clock = self._surroundings.clock
        began_s = clock()
        self._on_spent(padded_samples(len(ask.samples)) / SAMPLE_RATE_HZ, member.price(ask))
        try:
            with member.serving(ask):
                transcription = await _in_time(member, ask, state.give_up_s - began_s, state.on_new_connection)
        except Refusal as refusal:
            member.refused(ask, refusal, began_s, clock())
            raise
        except BaseException:  # cancelled, which is no evidence about the upstream
            member.abandoned(clock())
            raise
        else:
            member.succeeded(clock() - began_s)
            return transcription
        finally:
            self._admission.notify()

    async def _in_halves(self, ask: Ask, state: RequestState) -> TimedTranscript:
        """Send a request that is too large in two parts, split at the quietest place, one after the other."""
        split = quietest_sample(ask.samples)
        first = replace(ask, name=f"{ask.name}-1", samples=ask.samples[:split])
        second = replace(ask, name=f"{ask.name}-2", samples=ask.samples[split:], start_sample=ask.start_sample + split)
        before = await self._try(first, RequestState(state.give_up_s, state.wait_until_s))
        after = await self._try(second, RequestState(state.give_up_s, state.wait_until_s))
        return TimedTranscript(before.words + after.words, before.transcription)


async def _in_time(member: Member, ask: Ask, limit_s: float, on_new_connection: bool) -> Transcription:
    try:
        with anyio.fail_after(limit_s):
            return await member.client.post(ask, on_new_connection=on_new_connection)
    except TimeoutError as error:
        raise Refusal(
            Failure.TIMED_OUT, f"{member.client.name}: no answer before the deadline of the request"
        ) from error
