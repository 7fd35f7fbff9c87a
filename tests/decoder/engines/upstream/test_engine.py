"""The engine over failing upstreams: which is tried next, when a request is given up, and what it costs.

Upstreams are scripted, and the clock is the test's own: it advances when a request waits.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import numpy as np
import pytest

from decoder.engines.scripted import ScriptedEngine
from decoder.engines.upstream.admission import Surroundings
from decoder.engines.upstream.client import UpstreamRequest
from decoder.engines.upstream.engine import UpstreamEngine, create
from decoder.engines.upstream.response_parsing import Transcription
from decoder.engines.upstream.retry_policy import AttemptFailed, Failure, PartialSkipped
from decoder.settings import EngineSettings, PoolSettings, UpstreamSettings
from decoder.types import DecodeRequest, EngineBusy, EngineError, Hypothesis, ModelError, RequestKind, Task
from tests.audio import silence, tone
from tests.requests import hypothesis, sentence_words, text
from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

PARTIAL, EAGER, FINAL = RequestKind.PARTIAL, RequestKind.EAGER, RequestKind.FINAL

Outcome = str | Failure | AttemptFailed


@dataclass
class Clock:
    """A clock that advances only while all tasks wait."""

    now_s: float = 1_000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    async def wait(self, event: anyio.Event, limit_s: float) -> None:
        await anyio.wait_all_tasks_blocked()  # every task that could set it has run
        if not event.is_set():
            self.waits.append(limit_s)
            self.now_s += limit_s


@dataclass
class Scripted:
    """An upstream that returns its outcomes in order, and repeats the last one."""

    name: str
    outcomes: deque[Outcome]
    settings: UpstreamSettings
    asked: list[UpstreamRequest] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    connects: Outcome = "ok"
    blocked: anyio.Event | None = None

    async def connect(self) -> None:
        if isinstance(self.connects, Failure | AttemptFailed):
            raise _refusal(self.connects)

    async def post(self, ask: UpstreamRequest, *, on_new_connection: bool) -> Transcription:
        self.asked.append(ask)
        self.fresh.append(on_new_connection)
        outcome = self.outcomes.popleft() if len(self.outcomes) > 1 else self.outcomes[0]
        if self.blocked is not None:
            await self.blocked.wait()
        if isinstance(outcome, Failure | AttemptFailed):
            raise _refusal(outcome)
        return Transcription(outcome)

    async def aclose(self) -> None:
        """Do nothing."""


def _refusal(outcome: Failure | AttemptFailed) -> AttemptFailed:
    return outcome if isinstance(outcome, AttemptFailed) else AttemptFailed(outcome, outcome.value)


def upstream(*outcomes: Outcome, name: str = "first", **fields: object) -> Scripted:
    build: Callable[..., UpstreamSettings] = UpstreamSettings
    settings = build(**{"base_url": f"http://{name}.test/v1", "model": "m", **fields})
    return Scripted(name, deque(outcomes or ("hello",)), settings)


class World:
    """An engine, its upstreams and its clock."""

    def __init__(self, *upstreams: Scripted, local: ScriptedEngine | None = None, **pool: object) -> None:
        build: Callable[..., PoolSettings] = PoolSettings
        self.clock = Clock()
        surroundings = Surroundings(self.clock, self.clock.wait, lambda: 0.5)
        self.engine = UpstreamEngine(upstreams, build(**pool), local, surroundings)

    async def answer(self, made: DecodeRequest) -> Hypothesis | EngineError:
        [outcome] = await self.engine.decode([made])
        return outcome

    async def words(self, made: DecodeRequest | None = None) -> str:
        outcome = await self.answer(made or request())
        assert isinstance(outcome, Hypothesis), outcome
        return text(outcome.words)

    async def code(self, made: DecodeRequest | None = None) -> str:
        outcome = await self.answer(made or request())
        assert isinstance(outcome, EngineError), outcome
        return outcome.code


def request(kind: RequestKind = FINAL, audio: Float32 | None = None, **fields: object) -> DecodeRequest:
    build: Callable[..., DecodeRequest] = DecodeRequest
    defaults = {"session_id": "a", "utterance_id": 0, "revision": 1, "start_sample": 0, "deadline_s": 0.0}
    samples = tone(2.0) if audio is None else audio
    return build(**{**defaults, "kind": kind, "samples": samples, **fields})


def circuits(world: World) -> list[str]:
    return [each.circuit for each in world.engine.report().upstreams]


# --- one upstream -----------------------------------------------------------------------------------------------------


async def test_a_final_is_sent_once_and_answered() -> None:
    only = upstream("hello there")
    assert await World(only).words() == "hello there"
    assert len(only.asked) == 1
    assert only.asked[0].name == "a-0-1"


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure.UNAUTHORIZED, "unauthorized"),
        (Failure.WITHOUT_CREDITS, "insufficient_credits"),
        (Failure.NOT_FOUND, "upstream_failed"),
    ],
)
async def test_a_permanent_failure_is_probed_once_a_minute(failure: Failure, code: str) -> None:
    only = upstream(failure, failure, "hello")
    world = World(only)
    assert [await world.code() for _ in range(3)] == [code] * 3
    assert len(only.asked) == 1
    assert not world.engine.report().is_usable

    world.clock.now_s += 60
    assert world.engine.report().is_usable
    assert [await world.code() for _ in range(3)] == [code] * 3
    assert len(only.asked) == 2

    world.clock.now_s += 60
    assert await world.words() == "hello"
    assert circuits(world) == ["closed"]


async def test_a_server_error_is_retried_after_a_random_delay() -> None:
    world = World(upstream(Failure.SERVER, Failure.GARBAGE, "hello"))
    assert await world.words() == "hello"
    assert world.clock.waits == pytest.approx([0.15, 0.25])
    assert world.engine.report().upstreams[0].retries == 2


async def test_a_broken_server_is_tried_three_times_and_then_probed() -> None:
    only = upstream(Failure.SERVER)
    world = World(only)
    assert await world.code() == "upstream_failed"
    assert world.clock.now_s == pytest.approx(1_025, abs=5)
    assert len(only.asked) <= 3 + 4
    assert circuits(world) == ["open"]


async def test_a_final_waits_for_a_broken_server_until_its_deadline() -> None:
    only = upstream(*[Failure.SERVER] * 4, "hello")
    world = World(only)
    assert await world.words() == "hello"
    assert world.clock.now_s < 1_020


async def test_a_final_outlasts_a_restart() -> None:
    world = World(upstream(Failure.DISCONNECTED, *[Failure.UNREACHABLE] * 4, "hello"))
    assert await world.words() == "hello"
    assert world.clock.waits == pytest.approx([0.25, 1.0, 2.0, 4.0])


async def test_an_unreachable_service_is_given_up_at_the_deadline() -> None:
    only = upstream(Failure.UNREACHABLE)
    world = World(only)
    assert [await world.code(), await world.code()] == ["upstream_failed"] * 2
    assert world.clock.now_s <= 1_050
    assert len(only.asked) <= 10


async def test_a_stale_connection_costs_no_wait() -> None:
    only = upstream(Failure.DISCONNECTED, "hello")
    world = World(only)
    assert await world.words() == "hello"
    assert only.fresh == [False, True]
    assert world.clock.waits == []


async def test_a_timed_out_final_is_retried_once_and_then_probed_but_a_partial_is_not() -> None:
    only = upstream(Failure.TIMED_OUT)
    world = World(only, partials="upstream")
    assert await world.code(request(PARTIAL)) == "upstream_timeout"
    assert len(only.asked) == 1
    assert await world.code() == "upstream_timeout"
    assert 3 <= len(only.asked) <= 3 + 4


async def test_timed_out_partials_do_not_block_finals() -> None:
    only = upstream(*[Failure.TIMED_OUT] * 5, "hello")
    world = World(only, partials="upstream", partial_share=100.0)
    for revision in range(5):
        await world.code(request(PARTIAL, revision=revision))
    assert circuits(world) == ["closed"]
    assert await world.words(request(revision=6)) == "hello"


async def test_retry_after_is_honoured_within_the_deadline() -> None:
    world = World(upstream(AttemptFailed(Failure.RATE_LIMITED, "slowly", 3.0), "hello"))
    assert await world.words() == "hello"
    assert world.clock.waits == [3.0]


async def test_retry_after_beyond_the_deadline_is_an_error_at_once() -> None:
    only = upstream(AttemptFailed(Failure.RATE_LIMITED, "slowly", 30.0), "hello")
    world = World(only)
    assert await world.code() == "rate_limited"
    assert await world.code() == "rate_limited"
    assert (len(only.asked), world.clock.waits) == (1, [])


async def test_a_rate_limit_halves_the_concurrent_requests() -> None:
    world = World(upstream(Failure.RATE_LIMITED, "hello", concurrency=8))
    await world.words()
    assert world.engine.report().upstreams[0].limit == 4


async def test_invalid_audio_is_not_retried_and_opens_the_circuit_only_when_repeated() -> None:
    only = upstream(Failure.INVALID)
    world = World(only, failures_until_open=3)
    assert [await world.code() for _ in range(3)] == ["upstream_failed"] * 3
    assert len(only.asked) == 3
    assert circuits(world) == ["open"]


async def test_retries_end_with_the_retry_budget() -> None:
    only = upstream(Failure.RATE_LIMITED)
    world = World(only, retry_share=0.0, final_patience_s=10_000.0)
    assert await world.code() == "rate_limited"
    assert len(only.asked) == 11  # the first attempts and the burst


async def test_a_request_too_large_is_sent_in_halves_joined_in_order() -> None:
    audio = np.concatenate([tone(2.0), silence(0.4), tone(2.6)])
    only = upstream(Failure.TOO_LARGE, "one two", "three four")
    world = World(only)

    outcome = await world.answer(request(audio=audio, start_sample=32_000))

    assert isinstance(outcome, Hypothesis)
    assert text(outcome.words) == "one two three four"
    whole, first, second = only.asked
    assert first.start_sample == 32_000
    assert second.start_sample == 32_000 + len(first.samples)
    assert np.array_equal(np.concatenate([first.samples, second.samples]), whole.samples)
    assert 2.0 <= len(first.samples) / SAMPLE_RATE_HZ <= 2.4
    assert outcome.words[1].end_sample <= second.start_sample <= outcome.words[2].start_sample


async def test_halves_that_stay_too_large_are_an_error() -> None:
    only = upstream(Failure.TOO_LARGE)
    assert await World(only).code(request(audio=tone(8.0))) == "upstream_failed"
    assert len(only.asked) < 10


async def test_a_request_too_short_to_split_fails_over() -> None:
    world = World(upstream(Failure.TOO_LARGE), upstream("hello", name="second"))
    assert await world.words(request(audio=tone(1.0))) == "hello"


async def test_a_failing_request_fails_no_other_of_its_batch() -> None:
    world = World(upstream("one", Failure.INVALID, "three"))
    outcomes = await world.engine.decode([request(session_id=name) for name in "abc"])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Hypothesis", "UpstreamFailed", "Hypothesis"]


async def test_concurrent_requests_stay_within_the_limit() -> None:
    only = upstream("hello", concurrency=2)
    only.blocked = anyio.Event()
    engine = UpstreamEngine([only], PoolSettings())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.decode, [request(session_id=name) for name in "abcd"])
        await anyio.wait_all_tasks_blocked()
        assert len(only.asked) == 2
        assert isinstance((await engine.decode([request(PARTIAL, session_id="e")]))[0], PartialSkipped)
        only.blocked.set()
    assert len(only.asked) == 4
    assert engine.report().upstreams[0].in_flight == 0


async def test_a_cancelled_request_frees_its_slot() -> None:
    only = upstream("hello", concurrency=1)
    only.blocked = anyio.Event()
    engine = UpstreamEngine([only], PoolSettings())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.decode, [request()])
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    only.blocked.set()
    [outcome] = await engine.decode([request()])
    assert isinstance(outcome, Hypothesis)


# --- several upstreams, and none --------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [f for f in Failure if f not in (Failure.INVALID, Failure.TOO_LARGE)])
async def test_a_final_goes_to_the_next_upstream_without_waiting(failure: Failure) -> None:
    first, second = upstream(failure), upstream("hello", name="second")
    world = World(first, second)
    assert await world.words() == "hello"
    assert len(second.asked) == 1
    assert world.clock.waits == []


async def test_the_preferred_upstream_is_tried_first_while_healthy() -> None:
    first, second = upstream("hello"), upstream("hello", name="second")
    world = World(first, second)
    for _ in range(3):
        await world.words()
    assert (len(first.asked), len(second.asked)) == (3, 0)


async def test_after_a_failure_the_other_upstream_is_preferred_for_a_while() -> None:
    first, second = upstream(Failure.SERVER, "one"), upstream("two", name="second")
    world = World(first, second)
    assert [await world.words(), await world.words()] == ["two", "two"]
    assert len(first.asked) == 1
    world.clock.now_s += 2
    assert await world.words() == "one"


async def test_a_recovered_upstream_is_detected_by_one_final() -> None:
    first, second = upstream(Failure.UNAUTHORIZED, "one"), upstream("two", name="second")
    world = World(first, second, partials="upstream")
    assert await world.words() == "two"
    world.clock.now_s += 60
    assert await world.words(request(PARTIAL, utterance_id=1)) == "two"  # a partial is no probe
    assert await world.words(request(utterance_id=1)) == "one"


async def test_the_last_failure_is_reported_when_all_upstreams_fail() -> None:
    world = World(upstream(Failure.UNAUTHORIZED), upstream(Failure.WITHOUT_CREDITS, name="second"))
    assert await world.code() == "insufficient_credits"


async def test_translations_are_sent_only_to_upstreams_that_support_them() -> None:
    first, second = upstream("nein"), upstream("no", name="second", translates=True)
    world = World(first, second)
    assert world.engine.info.translates
    assert await world.words(request(task=Task.TRANSLATE)) == "no"
    assert await World(first).code(request(task=Task.TRANSLATE)) == "upstream_failed"


async def test_a_local_engine_decodes_the_finals_that_all_upstreams_failed() -> None:
    local = ScriptedEngine(lambda made: hypothesis(made, "local words"))
    world = World(upstream(Failure.WITHOUT_CREDITS), local=local, fallback=True)
    assert [await world.words(), await world.words()] == ["local words", "local words"]
    assert world.engine.report().fallbacks == 2
    assert world.engine.report().is_usable
    assert world.clock.waits == []


async def test_with_a_local_engine_waits_for_upstreams_are_short() -> None:
    local = ScriptedEngine(lambda made: hypothesis(made, "local words"))
    world = World(upstream(AttemptFailed(Failure.RATE_LIMITED, "slowly", 9.0)), local=local, fallback=True)
    assert await world.words() == "local words"
    assert sum(world.clock.waits) <= 2.0


async def test_with_a_local_engine_waits_for_free_capacity_are_short() -> None:
    local = ScriptedEngine(lambda made: hypothesis(made, "local words"))
    only = upstream("hello", concurrency=1)
    only.blocked = anyio.Event()
    world = World(only, local=local, fallback=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.words)
        await anyio.wait_all_tasks_blocked()
        assert await world.words(request(session_id="b")) == "local words"
        only.blocked.set()
    assert sum(world.clock.waits) <= 2.0


async def test_a_failed_eager_request_has_no_fallback() -> None:
    local = ScriptedEngine(lambda made: hypothesis(made, "local words"))
    world = World(upstream(Failure.WITHOUT_CREDITS), local=local, fallback=True, eager_share=9.0)
    assert await world.code(request(EAGER)) == "insufficient_credits"


async def test_a_late_final_is_hedged() -> None:
    first, second = upstream("first"), upstream("second", name="second")
    world = World(first, second, hedge=True)
    for _ in range(20):
        await world.words()
    first.blocked = anyio.Event()

    assert await world.words() == "second"

    assert world.engine.report().hedges == 1
    assert world.engine.report().upstreams[0].answers["cancelled"] == 1
    assert world.clock.waits[-1] == 0.4


async def test_no_final_is_hedged_while_an_upstream_is_rate_limited() -> None:
    first, second = upstream("first"), upstream(Failure.RATE_LIMITED, "second", name="second")
    world = World(first, second, hedge=True)
    for _ in range(20):
        await world.words()
    first.outcomes = deque([Failure.SERVER, "first"])
    await world.words()  # the second is rate limited once
    world.clock.now_s += 2
    asked = len(second.asked)
    first.blocked = anyio.Event()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.words)
        await anyio.wait_all_tasks_blocked()
        assert (world.engine.report().hedges, len(second.asked)) == (0, asked)
        first.blocked.set()


async def test_a_refusal_while_connecting_does_not_stop_the_engine() -> None:
    first, second = upstream("one"), upstream("two", name="second")
    first.connects, second.connects = Failure.UNAUTHORIZED, Failure.UNREACHABLE
    world = World(first, second)
    await world.engine.warm_up()
    assert circuits(world) == ["open", "closed"]
    assert await world.words() == "two"


# --- partials ---------------------------------------------------------------------------------------------------------


def test_the_engine_reports_its_partial_interval() -> None:
    assert World(upstream()).engine.info.partial_interval_s is None
    assert World(upstream(), partials="upstream").engine.info.partial_interval_s == 1.0
    assert World(upstream(), local=ScriptedEngine(), partials="local").engine.info.partial_interval_s == 0.0


def test_without_an_eager_share_eager_finals_are_off() -> None:
    assert World(upstream()).engine.info.eager_is_final
    assert not World(upstream(), eager_share=0.0).engine.info.eager_is_final


async def test_local_partials_leave_the_finals_to_the_upstream() -> None:
    only = upstream("from afar")
    local = ScriptedEngine(lambda made: hypothesis(made, "from here"))
    world = World(only, local=local, partials="local")
    assert await world.words(request(PARTIAL)) == "from here"
    assert await world.words(request(FINAL)) == "from afar"
    assert [ask.kind for ask in only.asked] == [FINAL]


async def test_a_partial_sends_the_newest_seconds() -> None:
    only = upstream("nine ten")
    world = World(only, partials="upstream")
    await world.words(request(PARTIAL, tone(20.0), start_sample=16_000))
    assert only.asked[0].start_sample == 16_000 + s_to_samples(12.0)
    assert len(only.asked[0].samples) == s_to_samples(8.0)


async def test_a_partial_continues_the_committed_words() -> None:
    only = upstream("three four five")
    world = World(only, partials="upstream")
    committed = sentence_words("one two three four")  # in the first second

    assert await world.words(request(PARTIAL, tone(3.0), prefix=committed)) == "one two three four five"

    assert only.asked[0].start_sample == committed[2].start_sample
    assert only.asked[0].prompt == "one two"


async def test_uncommitted_words_before_the_window_are_kept() -> None:
    only = upstream("one two three four", "three four five six")
    world = World(only, partials="upstream", partial_window_s=2.0, partial_share=9.0)
    await world.words(request(PARTIAL, tone(2.0)))
    assert await world.words(request(PARTIAL, tone(3.0), revision=2)) == "one two three four five six"


async def test_a_final_sends_all_of_the_utterance() -> None:
    only = upstream("one two three")
    world = World(only, partials="upstream")
    assert await world.words(request(FINAL, tone(20.0), prefix=sentence_words("one"))) == "one two three"
    assert len(only.asked[0].samples) == s_to_samples(20.0)
    assert only.asked[0].prompt == ""


async def test_a_partial_beyond_its_share_is_skipped() -> None:
    only = upstream("hello")
    world = World(only, partials="upstream")
    outcomes = [await world.answer(request(PARTIAL, tone(1.0 + n / 10), revision=n)) for n in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Hypothesis, PartialSkipped, PartialSkipped]
    assert len(only.asked) == 1


# --- budget -----------------------------------------------------------------------------------------------------------


async def test_speech_audio_and_cost_are_counted() -> None:
    first, second = upstream(Failure.SERVER), upstream("hello", name="second", price_per_minute=0.6)
    world = World(first, second)
    await world.words(request(audio=tone(6.0)))
    report = world.engine.report()
    assert report.speech_s == 6.0
    assert [each.audio_s for each in report.upstreams] == [6.0, 6.0]
    assert [each.cost for each in report.upstreams] == pytest.approx([0.0, 0.06])
    assert report.cost_last_hour == pytest.approx(0.06)
    assert report.audio_per_speech == 2.0
    assert [dict(each.answers) for each in report.upstreams] == [{"server_error": 1}, {"ok": 1}]


async def test_a_cap_turns_partials_off_and_then_finals_until_the_hour_is_over() -> None:
    only = upstream("hello", price_per_minute=6.0)
    world = World(only, partials="upstream", partial_share=9.0, max_cost_per_hour=1.0)
    await world.words(request(audio=tone(8.5)))
    busy = await world.answer(request(PARTIAL, utterance_id=1))
    assert isinstance(busy, EngineBusy)
    await world.words(request(utterance_id=1))
    assert await world.code(request(utterance_id=2)) == "insufficient_credits"
    assert not world.engine.report().is_usable
    assert world.engine.report().allowance == "nothing"
    world.clock.now_s += 3_600
    assert await world.words(request(utterance_id=3)) == "hello"


async def test_empty_audio_is_sent_nowhere() -> None:
    only = upstream()
    assert await World(only).words(request(PARTIAL, audio=tone(0.0), prefix=sentence_words("one"))) == "one"
    assert only.asked == []


async def test_a_forgotten_session_leaves_nothing_behind() -> None:
    world = World(upstream("hello"), partials="upstream")
    await world.words(request(PARTIAL))
    world.engine.forget("a")
    assert not world.engine._partials
    assert not world.engine._ledger.has_session("a")


# --- settings ---------------------------------------------------------------------------------------------------------


def test_an_engine_without_upstreams_is_refused() -> None:
    with pytest.raises(ModelError, match=r"engine\.upstreams"):
        create(EngineSettings(name="upstream"))


async def test_concurrency_is_the_sum_over_all_upstreams() -> None:
    settings = [UpstreamSettings(f"http://127.0.0.1:{port}", "m", concurrency=3) for port in (1, 2)]
    engine = create(EngineSettings(name="upstream", upstreams=tuple(settings)))
    assert isinstance(engine, UpstreamEngine)
    assert (engine.max_batch, engine.parallel) == (1, 6)
    await engine.aclose()


async def test_a_local_engine_is_made_where_the_settings_need_one() -> None:
    upstreams = (UpstreamSettings("http://127.0.0.1:1", "m"),)
    pool = PoolSettings(partials="local", local_engine="dragon")
    with pytest.raises(ModelError, match="dragon"):
        create(EngineSettings(name="upstream", upstreams=upstreams, pool=pool))


@pytest.mark.parametrize(
    "fields",
    [
        {"local_engine": "upstream"},
        {"final_patience_s": 0.0},
        {"partial_share": -1.0},
        {"failures_until_open": 0},
        {"max_audio_per_speech": 1.0},
        {"max_cost_per_hour": 0.0},
    ],
)
def test_pool_settings_that_are_not_allowed_are_named(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        PoolSettings(**fields)  # type: ignore[arg-type]  # by name
