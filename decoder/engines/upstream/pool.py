"""Combines several upstreams into one: retries requests, fails over and hedges."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from decoder.engines.upstream.admission import Admission, RequestState, Surroundings
from decoder.engines.upstream.audio_encoding import padded_samples
from decoder.engines.upstream.circuit_breaker import RetryBudget
from decoder.engines.upstream.client import Upstream, UpstreamRequest
from decoder.engines.upstream.pool_member import Member
from decoder.engines.upstream.response_parsing import Transcription
from decoder.engines.upstream.retry_policy import (
    MAX_BACKOFF_S,
    Action,
    AttemptFailed,
    Failure,
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
"""Retries available before any request has earned one."""

_HEDGE_SHARE, _HEDGE_BURST = 0.05, 2

_MIN_HEDGE_S = 0.4
"""An earlier hedge would often race a response that is about to arrive."""

_MIN_SPLIT_SAMPLES = 2 * SAMPLE_RATE_HZ
"""A shorter request cannot really be too large, so it is not split."""


@dataclass(frozen=True, slots=True)
class TimedTranscript:
    """The answer to one request: words on the session's time line, and the response they come from."""

    words: tuple[Word, ...]
    transcription: Transcription


class Pool:
    """Sends each request to upstreams until one answers, within its deadline, the retry budget and their limits.

    Args:
        clients: at least one, the preferred one first.
        settings: of the pool.
        on_spent: called for each attempt with its audio in seconds and its price.
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
        """Open a connection to each upstream; a failure is logged, and the upstream is tried again when a request is
        due."""
        async with anyio.create_task_group() as tasks:
            for member in self.members:
                tasks.start_soon(self._connect, member)

    async def transcribe(self, request: UpstreamRequest) -> TimedTranscript:
        """Return the transcript of a request.

        Raises:
            EngineError: no upstream answered in time.
        """
        now_s = self._surroundings.clock()
        self._retries.earn()
        self._hedges.earn()
        deadline_s = now_s + self._settings.final_patience_s
        # a local engine answers sooner than most upstreams recover
        wait_until_s = now_s + MAX_BACKOFF_S if self._settings.fallback else deadline_s
        return await self._send(request, RequestState(deadline_s, wait_until_s))

    async def aclose(self) -> None:
        """Close all connections."""
        for member in self.members:
            await member.client.aclose()

    async def _connect(self, member: Member) -> None:
        try:
            await member.client.connect()
        except AttemptFailed as error:
            if error.failure.is_permanent:
                now_s = self._surroundings.clock()
                member.circuit.failed(error.failure, now_s, now_s)
            logger.warning("upstream connection failed upstream=%s reason=%s", member.client.name, error)

    async def _send(self, request: UpstreamRequest, state: RequestState) -> TimedTranscript:
        while True:
            member = await self._admission.admit(request, state)
            if state.attempts[member]:
                member.retries += 1
            state.attempts[member] += 1
            try:
                transcription = await self._send_hedged(member, request, state)
                return TimedTranscript(words_of(transcription, request.samples, request.start_sample), transcription)
            except AttemptFailed as error:
                state.last_failure = error
                action = decide(error.failure, request.kind, state.attempts[member])
                if action is Action.GIVE_UP:
                    raise error_of(error) from error
                if action is Action.SPLIT and len(request.samples) >= _MIN_SPLIT_SAMPLES:
                    return await self._send_halves(request, state)
                self._admission.schedule_retry(member, error, action, state)

    async def _send_hedged(self, member: Member, request: UpstreamRequest, state: RequestState) -> Transcription:
        """Send a request, and also to a second upstream if the response is late; return the first response."""
        delay_s = self._hedge_delay_s(member, request)
        if delay_s is None:
            return await self._attempt(member, request, state)
        outcomes: dict[Member, Transcription | AttemptFailed] = {}
        ended = anyio.Event()
        async with anyio.create_task_group() as tasks:

            async def run(target: Member) -> None:
                try:
                    outcomes[target] = await self._attempt(target, request, state)
                    tasks.cancel_scope.cancel()
                except AttemptFailed as error:
                    outcomes[target] = error
                ended.set()

            tasks.start_soon(run, member)
            await self._surroundings.wait(ended, delay_s)
            other = self._hedge_target(member, request)
            if not ended.is_set() and other is not None and self._hedges.take():
                self.hedges += 1
                tasks.start_soon(run, other)
        for outcome in outcomes.values():
            if isinstance(outcome, Transcription):
                return outcome
        error = outcomes[member]
        assert isinstance(error, AttemptFailed), "a transcription would have been returned"
        raise error

    def _hedge_delay_s(self, member: Member, request: UpstreamRequest) -> float | None:
        p95_s = member.latencies.p95_s
        if not self._settings.hedge or request.kind is not RequestKind.FINAL or p95_s is None:
            return None
        return max(p95_s, _MIN_HEDGE_S)

    def _hedge_target(self, first: Member, request: UpstreamRequest) -> Member | None:
        """Return another upstream with free capacity; None while any is strained, because a hedge adds load."""
        now_s = self._surroundings.clock()
        if any(member.is_strained(now_s) for member in self.members):
            return None
        others = [m for m in self.members if m is not first and m.supports(request.task) and not m.is_full]
        return next((m for m in others if m.available_s <= now_s), None)

    async def _attempt(self, member: Member, request: UpstreamRequest, state: RequestState) -> Transcription:
        """Send a request to one upstream once, and record the outcome.

        Raises:
            AttemptFailed: the upstream returned no transcription.
        """
        clock = self._surroundings.clock
        began_s = clock()
        self._on_spent(padded_samples(len(request.samples)) / SAMPLE_RATE_HZ, member.price(request))
        try:
            with member.serving(request):
                timeout_s = state.deadline_s - began_s
                transcription = await _post(member, request, timeout_s, on_new_connection=state.on_new_connection)
        except AttemptFailed as error:
            member.failed(request, error, began_s, clock())
            raise
        except BaseException:  # cancelled, which is no evidence about the upstream
            member.cancelled(clock())
            raise
        else:
            member.succeeded(clock() - began_s)
            return transcription
        finally:
            self._admission.notify()

    async def _send_halves(self, request: UpstreamRequest, state: RequestState) -> TimedTranscript:
        """Send a request that is too large as two sequential requests, split at the quietest place."""
        split = quietest_sample(request.samples)
        halves = (
            replace(request, name=f"{request.name}-1", samples=request.samples[:split]),
            replace(
                request,
                name=f"{request.name}-2",
                samples=request.samples[split:],
                start_sample=request.start_sample + split,
            ),
        )
        first, second = [await self._send(half, RequestState(state.deadline_s, state.wait_until_s)) for half in halves]
        return TimedTranscript(first.words + second.words, first.transcription)


async def _post(
    member: Member, request: UpstreamRequest, timeout_s: float, *, on_new_connection: bool
) -> Transcription:
    try:
        with anyio.fail_after(timeout_s):
            return await member.client.post(request, on_new_connection=on_new_connection)
    except TimeoutError as error:
        raise AttemptFailed(
            Failure.TIMED_OUT, f"{member.client.name}: no response before the deadline of the request"
        ) from error
