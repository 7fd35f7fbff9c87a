"""The scheduler answers every request of all sessions exactly once."""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint

from decoder.engines.scripted import CostModel, Script, ScriptedEngine, spoken_count
from decoder.scheduler import Answer, Scheduler
from decoder.settings import PlannerSettings, SchedulerSettings
from decoder.types import (
    DecodeRequest,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineTimeout,
    Hypothesis,
    RequestCancelled,
    RequestKind,
    RequestReplaced,
)
from tests.requests import hypothesis, request, text

FILE, FINAL = RequestKind.FILE, RequestKind.FINAL
SETTINGS = SchedulerSettings(failures_until_unready=3)


class Clock:
    """A clock that advances when a task sleeps on it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s
        await checkpoint()


class Gate:
    """Blocks an engine until the gate is opened."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self._opened = anyio.Event()

    def open(self) -> None:
        self._opened.set()

    async def sleep(self, _duration_s: float) -> None:
        self.reached.set()
        await self._opened.wait()


class Inbox:
    """Collects the answers to a session."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._arrived = anyio.Event()

    def deliver(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._arrived.set()

    async def receive(self, number: int) -> list[Answer]:
        """Return all answers once there are `number` of them."""
        while len(self.answers) < number:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self.answers


class GatedEngine(ScriptedEngine):
    """Blocks each batch until the gate of its first request's session is opened."""

    def __init__(self, parallel: int = 2, script: Script = spoken_count, max_batch: int = 1) -> None:
        super().__init__(script, max_batch=max_batch, parallel=parallel)
        self.gates: defaultdict[str, Gate] = defaultdict(Gate)
        self.at_work: list[Sequence[DecodeRequest]] = []

    @property
    def sessions(self) -> str:
        """Sessions of the requests in flight, oldest batch first."""
        return "".join(asked.session_id for batch in self.at_work for asked in batch)

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        self.at_work.append(batch)
        try:
            await self.gates[batch[0].session_id].sleep(0.0)
            return await super().decode(batch)
        finally:
            self.at_work.remove(batch)


class ForgetfulEngine(ScriptedEngine):
    """Records the sessions that it forgets."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[str] = []

    def forget(self, session_id: str) -> None:
        self.forgotten.append(session_id)


class WrongEngine(ScriptedEngine):
    """Reorders or truncates a batch before answering it."""

    def __init__(self, distort: Callable[[Sequence[DecodeRequest]], Sequence[DecodeRequest]]) -> None:
        super().__init__()
        self._distort = distort

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        return await super().decode(self._distort(batch))


class Faults:
    """A script that raises a list of faults, then answers `words`."""

    def __init__(self, *faults: Exception) -> None:
        self._faults = list(faults)

    def __call__(self, asked: DecodeRequest) -> Hypothesis | EngineError:
        if self._faults:
            raise self._faults.pop(0)
        return hypothesis(asked, "words")


def refuse(asked: DecodeRequest) -> EngineError:
    return EngineFailed(f"not {asked.session_id}")


def scheduler(
    engine: ScriptedEngine, settings: SchedulerSettings = SETTINGS, clock: Callable[[], float] | None = None
) -> Scheduler:
    return Scheduler(engine, PlannerSettings(), settings, clock or Clock())


@asynccontextmanager
async def running(made: Scheduler) -> AsyncIterator[Inbox]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        yield Inbox()
        tasks.cancel_scope.cancel()


async def ask(made: Scheduler, inbox: Inbox, *requests: DecodeRequest) -> list[Answer]:
    """Submit requests together, and return their answers."""
    before = len(inbox.answers)
    for asked in requests:
        made.submit(asked, inbox.deliver)
    return (await inbox.receive(before + len(requests)))[before:]


def codes(answers: Sequence[Answer]) -> list[str]:
    return [answer.outcome.code if isinstance(answer.outcome, EngineError) else "ok" for answer in answers]


async def test_each_request_gets_its_own_words() -> None:
    made = scheduler(ScriptedEngine(lambda asked: hypothesis(asked, f"I am {asked.session_id}")))
    async with running(made) as inbox:
        answers = await ask(made, inbox, *(request(session) for session in "abc"))
    for answer in answers:
        assert isinstance(answer.outcome, Hypothesis)
        assert text(answer.outcome.words) == f"I am {answer.request.session_id}"


async def test_an_idle_engine_starts_at_once_with_a_batch_of_one() -> None:
    gate = Gate()
    engine = ScriptedEngine(sleep=gate.sleep)
    made = scheduler(engine)
    async with running(made) as inbox:
        made.submit(request(), inbox.deliver)
        await gate.reached.wait()
        assert engine.batches == [1]
        assert made.waiting == 0


async def test_batches_form_across_sessions_while_the_engine_is_busy() -> None:
    gate = Gate()
    engine = ScriptedEngine(sleep=gate.sleep, max_batch=3)
    made = scheduler(engine)
    async with running(made) as inbox:
        made.submit(request("first"), inbox.deliver)
        await gate.reached.wait()
        for session in "abcde":
            made.submit(request(session), inbox.deliver)
        assert made.waiting == 5
        gate.open()
        await inbox.receive(6)
    assert engine.batches == [1, 3, 2]


async def test_as_many_batches_are_in_flight_as_the_engine_allows() -> None:
    engine = GatedEngine(parallel=2)
    made = scheduler(engine)
    async with running(made) as inbox:
        for session in "abc":
            made.submit(request(session), inbox.deliver)
        await anyio.wait_all_tasks_blocked()
        assert engine.sessions == "ab"
        engine.gates["b"].open()
        await inbox.receive(1)
        await anyio.wait_all_tasks_blocked()
        assert engine.sessions == "ac"
        engine.gates["a"].open()
        engine.gates["c"].open()
        answers = await inbox.receive(3)
    assert [answer.request.session_id for answer in answers] == ["b", "a", "c"]
    assert codes(answers) == ["ok"] * 3


async def test_an_engine_without_parallelism_gets_one_batch_after_the_other() -> None:
    engine = GatedEngine(parallel=1)
    made = scheduler(engine)
    async with running(made) as inbox:
        for session in "abc":
            made.submit(request(session), inbox.deliver)
        for session in "abc":
            await engine.gates[session].reached.wait()
            assert engine.sessions == session
            engine.gates[session].open()
        assert codes(await inbox.receive(3)) == ["ok"] * 3


async def test_a_free_slot_takes_a_partial_while_a_final_is_in_flight() -> None:
    engine = GatedEngine(max_batch=16)
    made = scheduler(engine)
    async with running(made) as inbox:
        made.submit(request("speaker", kind=FINAL), inbox.deliver)
        await engine.gates["speaker"].reached.wait()
        engine.gates["other"].open()
        [answer] = await ask(made, inbox, request("other"))
    assert answer.request.session_id == "other"


async def test_files_leave_a_slot_free_for_live_requests() -> None:
    engine = GatedEngine(parallel=2)
    made = scheduler(engine)
    async with running(made) as inbox:
        made.submit(request("a", kind=FILE), inbox.deliver)
        made.submit(request("b", kind=FILE), inbox.deliver)
        await anyio.wait_all_tasks_blocked()
        assert engine.sessions == "a"
        made.submit(request("c"), inbox.deliver)
        await anyio.wait_all_tasks_blocked()
        assert engine.sessions == "ac"
        for session in "abc":
            engine.gates[session].open()
        assert codes(await inbox.receive(3)) == ["ok"] * 3


async def test_an_engine_without_parallelism_takes_files_too() -> None:
    engine = GatedEngine(parallel=1)
    made = scheduler(engine)
    async with running(made) as inbox:
        engine.gates["a"].open()
        assert codes(await ask(made, inbox, request("a", kind=FILE))) == ["ok"]


async def test_a_session_is_never_in_two_batches_at_once() -> None:
    engine = GatedEngine()
    made = scheduler(engine)
    async with running(made) as inbox:
        made.submit(request("a"), inbox.deliver)
        await engine.gates["a"].reached.wait()
        made.submit(request("a", revision=2, kind=FINAL), inbox.deliver)
        made.submit(request("b"), inbox.deliver)
        await engine.gates["b"].reached.wait()
        assert engine.sessions == "ab"
        engine.gates["b"].open()
        await inbox.receive(1)
        await anyio.wait_all_tasks_blocked()
        assert engine.sessions == "a"
        engine.gates["a"].open()
        answers = await inbox.receive(3)
    assert [answer.request.kind for answer in answers[1:]] == [RequestKind.PARTIAL, FINAL]


async def test_a_replaced_request_is_answered_at_once() -> None:
    gate = Gate()
    made = scheduler(ScriptedEngine(sleep=gate.sleep))
    older, newer = request(revision=1), request(revision=2)
    async with running(made) as inbox:
        made.submit(request("busy"), inbox.deliver)
        await gate.reached.wait()
        made.submit(older, inbox.deliver)
        made.submit(newer, inbox.deliver)
        assert [answer.request for answer in inbox.answers] == [older]
        assert isinstance(inbox.answers[0].outcome, RequestReplaced)
        gate.open()
        answers = await inbox.receive(3)
    assert answers[-1].request is newer
    assert codes(answers) == ["request_replaced", "ok", "ok"]


async def test_a_request_that_comes_too_late_is_answered_itself() -> None:
    made = scheduler(ScriptedEngine())
    final, late = request(revision=2, kind=FINAL), request(revision=1)
    async with running(made) as inbox:
        answers = await ask(made, inbox, final, late)
    assert [(answer.request, code) for answer, code in zip(answers, codes(answers), strict=True)] == [
        (late, "request_replaced"),
        (final, "ok"),
    ]


async def test_forget_cancels_the_session_s_queued_requests_and_notifies_the_engine() -> None:
    engine = ForgetfulEngine()
    made, inbox = scheduler(engine), Inbox()
    for asked in (request("gone", 0), request("gone", 1, kind=FINAL), request("stays")):
        made.submit(asked, inbox.deliver)
    made.forget("gone")
    assert engine.forgotten == ["gone"]
    assert [type(answer.outcome) for answer in inbox.answers] == [RequestCancelled] * 2
    assert made.waiting == 1


async def test_forget_does_not_cancel_the_batch_in_flight() -> None:
    gate = Gate()
    made = scheduler(ScriptedEngine(sleep=gate.sleep))
    async with running(made) as inbox:
        made.submit(request("gone"), inbox.deliver)
        await gate.reached.wait()
        made.forget("gone")
        gate.open()
        assert codes(await inbox.receive(1)) == ["ok"]


async def test_queued_requests_are_answered_when_the_scheduler_ends() -> None:
    made, inbox = scheduler(ScriptedEngine()), Inbox()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        made.submit(request("a"), inbox.deliver)
        made.submit(request("b", 1), inbox.deliver)
        tasks.cancel_scope.cancel()
    assert [type(answer.outcome) for answer in inbox.answers] == [RequestCancelled] * 2


async def test_requests_in_flight_are_answered_when_the_scheduler_ends() -> None:
    engine = GatedEngine()
    made = scheduler(engine)
    async with running(made) as inbox:
        for session in "abc":
            made.submit(request(session), inbox.deliver)
        await anyio.wait_all_tasks_blocked()
    assert engine.at_work == []
    assert [type(answer.outcome) for answer in inbox.answers] == [RequestCancelled] * 3


async def test_a_receiver_that_raises_ends_the_scheduler_with_its_own_error() -> None:
    def refuse_it(_answer: Answer) -> None:
        raise KeyError("nobody here")

    engine = GatedEngine()
    made, inbox = scheduler(engine), Inbox()
    made.submit(request("a"), inbox.deliver)
    made.submit(request("b"), refuse_it)
    engine.gates["b"].open()
    with pytest.raises(KeyError):
        await made.run()
    assert [type(answer.outcome) for answer in inbox.answers] == [RequestCancelled]


async def test_an_error_of_one_request_leaves_the_others_their_words() -> None:
    def script(asked: DecodeRequest) -> Hypothesis | EngineError:
        return refuse(asked) if asked.session_id == "b" else hypothesis(asked, "words")

    made = scheduler(ScriptedEngine(script))
    async with running(made) as inbox:
        answers = await ask(made, inbox, *(request(session) for session in "abc"))
    assert codes(answers) == ["ok", "engine_failed", "ok"]
    assert made.statistics.failed_in_a_row == 0


async def test_an_engine_that_raises_answers_its_batch_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    made = scheduler(ScriptedEngine(Faults(ValueError("words of a user"))))
    async with running(made) as inbox:
        with caplog.at_level(logging.CRITICAL, "livecue.scheduler"):
            failed = await ask(made, inbox, request("a"), request("b"))
        after = await ask(made, inbox, request("a", revision=2))
    assert [str(answer.outcome) for answer in failed] == ["the engine raised ValueError"] * 2
    assert codes(failed + after) == ["engine_failed", "engine_failed", "ok"]


async def test_an_engine_error_that_is_raised_is_the_answer_of_the_whole_batch() -> None:
    made = scheduler(ScriptedEngine(Faults(EngineBusy("no room"))))
    async with running(made) as inbox:
        failed = await ask(made, inbox, request("a"), request("b"))
        after = await ask(made, inbox, request("a", revision=2))
    assert codes(failed + after) == ["engine_busy", "engine_busy", "ok"]


async def test_a_hanging_engine_times_out_and_goes_on() -> None:
    gate = Gate()
    made = scheduler(ScriptedEngine(sleep=gate.sleep), SchedulerSettings(decode_timeout_s=0.01))
    async with running(made) as inbox:
        hung = await ask(made, inbox, request("a"), request("b"))
        gate.open()
        after = await ask(made, inbox, request("a", revision=2))
    assert [type(answer.outcome) for answer in hung] == [EngineTimeout] * 2
    assert str(hung[0].outcome) == "no answer within 0.01 s"
    assert codes(after) == ["ok"]


async def test_a_hanging_batch_blocks_only_its_own_slot() -> None:
    engine = GatedEngine()
    made = scheduler(engine, SchedulerSettings(decode_timeout_s=0.01))
    engine.gates["quick"].open()
    async with running(made) as inbox:
        answers = await ask(made, inbox, request("hung"), request("quick"))
        again = await ask(made, inbox, request("quick", revision=2))
    assert [(answer.request.session_id, code) for answer, code in zip(answers, codes(answers), strict=True)] == [
        ("quick", "ok"),
        ("hung", "engine_timeout"),
    ]
    assert codes(again) == ["ok"]


async def test_a_batch_that_fails_leaves_the_other_its_words(caplog: pytest.LogCaptureFixture) -> None:
    engine = GatedEngine(script=Faults(ValueError("broken")))
    made = scheduler(engine)
    async with running(made) as inbox:
        for session in ("bad", "good"):
            made.submit(request(session), inbox.deliver)
            await engine.gates[session].reached.wait()
        with caplog.at_level(logging.CRITICAL, "livecue.scheduler"):
            engine.gates["bad"].open()
            await inbox.receive(1)
        assert engine.sessions == "good"
        engine.gates["good"].open()
        answers = await inbox.receive(2)
    assert codes(answers) == ["engine_failed", "ok"]
    assert made.statistics.failed_in_a_row == 0


async def test_too_few_answers_fail_the_whole_batch() -> None:
    made = scheduler(WrongEngine(lambda batch: batch[1:]))
    async with running(made) as inbox:
        answers = await ask(made, inbox, request("a"), request("b"))
    assert [str(answer.outcome) for answer in answers] == ["the engine returned 1 answers to 2 requests"] * 2
    assert codes(answers) == ["engine_failed"] * 2


async def test_answers_in_the_wrong_order_are_refused() -> None:
    made = scheduler(WrongEngine(lambda batch: [batch[1], batch[0], *batch[2:]]))
    async with running(made) as inbox:
        answers = await ask(made, inbox, *(request(session) for session in "abc"))
    assert codes(answers) == ["engine_failed", "engine_failed", "ok"]


@pytest.mark.parametrize("other", [request("b"), request("a", utterance=1), request("a", revision=2)])
async def test_words_of_another_request_are_refused(other: DecodeRequest) -> None:
    made = scheduler(ScriptedEngine(lambda _: hypothesis(other, "words")))
    async with running(made) as inbox:
        assert codes(await ask(made, inbox, request("a"))) == ["engine_failed"]


async def test_a_scheduler_is_ready_while_it_runs() -> None:
    made = scheduler(ScriptedEngine())
    readiness = [made.is_ready]
    async with running(made) as inbox:
        await ask(made, inbox, request())
        readiness.append(made.is_ready)
    assert [*readiness, made.is_ready] == [False, True, False]


async def test_failures_in_a_row_turn_readiness_off_and_one_success_turns_it_on_again() -> None:
    made = scheduler(ScriptedEngine(Faults(*[EngineFailed("broken")] * 3)))
    async with running(made) as inbox:
        readiness: list[bool] = []
        for revision in range(1, 5):
            await ask(made, inbox, request(revision=revision))
            readiness.append(made.is_ready)
    assert readiness == [True, True, False, True]


async def test_an_engine_without_room_for_partials_is_not_broken() -> None:
    made = scheduler(ScriptedEngine(lambda _: EngineBusy("no room")))
    async with running(made) as inbox:
        for revision in range(1, 6):
            await ask(made, inbox, request(revision=revision))
        assert made.is_ready


async def test_a_busy_answer_does_not_hide_that_the_rest_failed() -> None:
    made = scheduler(
        ScriptedEngine(lambda asked: EngineBusy("no room") if asked.session_id == "busy" else refuse(asked))
    )
    async with running(made) as inbox:
        for revision in range(1, 4):
            await ask(made, inbox, request("busy", revision=revision), request(revision=revision))
        assert not made.is_ready


async def test_an_answer_has_its_queue_time_and_decode_time() -> None:
    clock = Clock()
    engine = ScriptedEngine(cost=CostModel(batch_s=0.5), sleep=clock.sleep, max_batch=1)
    made, inbox = scheduler(engine, clock=clock), Inbox()
    made.submit(request("a"), inbox.deliver)
    made.submit(request("b"), inbox.deliver)
    clock.now_s += 2.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        first, second = await inbox.receive(2)
        tasks.cancel_scope.cancel()
    assert (first.queue_s, first.decode_s, first.answered_s) == (2.0, 0.5, 102.5)
    assert (second.queue_s, second.decode_s, second.answered_s) == (2.5, 0.5, 103.0)


async def test_a_replaced_request_has_its_queue_time() -> None:
    clock = Clock()
    made, inbox = scheduler(ScriptedEngine(), clock=clock), Inbox()
    made.submit(request(revision=1), inbox.deliver)
    clock.now_s += 0.5
    made.submit(request(revision=2), inbox.deliver)
    assert [(answer.queue_s, answer.decode_s) for answer in inbox.answers] == [(0.5, 0.0)]


async def test_statistics_count_batches_requests_time_and_outcomes() -> None:
    clock = Clock()

    def script(asked: DecodeRequest) -> Hypothesis | EngineError:
        return refuse(asked) if asked.session_id == "bad" else hypothesis(asked, "words")

    made = scheduler(ScriptedEngine(script, CostModel(request_s=0.25), clock.sleep), clock=clock)
    async with running(made) as inbox:
        await ask(made, inbox, request("a"), request("b", kind=FINAL), request("bad"))
        await ask(made, inbox, request("a", revision=2), request("a", revision=3))
    statistics = made.statistics
    assert (statistics.batches, statistics.requests, statistics.busy_s) == (3, 4, 1.0)
    assert statistics.outcomes == {
        (RequestKind.PARTIAL, "ok"): 2,
        (RequestKind.FINAL, "ok"): 1,
        (RequestKind.PARTIAL, "engine_failed"): 1,
        (RequestKind.PARTIAL, "request_replaced"): 1,
    }


async def test_concurrent_batches_are_counted_with_their_own_times() -> None:
    clock = Clock()
    engine = GatedEngine()
    made = scheduler(engine, clock=clock)
    async with running(made) as inbox:
        for session in "ab":
            made.submit(request(session), inbox.deliver)
            await engine.gates[session].reached.wait()
        for number, session in enumerate("ab", start=1):
            clock.now_s += 1.0
            engine.gates[session].open()
            await inbox.receive(number)
    assert [answer.decode_s for answer in inbox.answers] == [1.0, 2.0]
    assert (made.statistics.batches, made.statistics.busy_s) == (2, 3.0)


@pytest.mark.parametrize("parallel", [1, 2, 3])
async def test_each_of_many_requests_is_answered_once(parallel: int) -> None:
    def script(asked: DecodeRequest) -> Hypothesis | EngineError:
        return refuse(asked) if asked.revision % 3 == 0 else hypothesis(asked, "words")

    clock = Clock()
    engine = ScriptedEngine(script, CostModel(batch_s=0.1), clock.sleep, max_batch=4, parallel=parallel)
    made = scheduler(engine, clock=clock)
    requests = [
        request(f"session {number % 7}", number % 3, number, FINAL if number % 5 == 0 else RequestKind.EAGER)
        for number in range(1, 200)
    ]
    async with running(made) as inbox:
        for number, asked in enumerate(requests):
            made.submit(asked, inbox.deliver)
            if number % 11 == 0:
                await checkpoint()
            if number % 50 == 0:
                made.forget("session 3")
        answers = await inbox.receive(len(requests))
    assert {id(answer.request) for answer in answers} == {id(asked) for asked in requests}
    assert len(answers) == len(requests) == made.statistics.outcomes.total()
