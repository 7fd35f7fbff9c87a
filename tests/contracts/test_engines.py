"""The contract of every engine, as documented in `decoder.engine.Engine`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import pairwise

import anyio
import numpy as np
import pytest
import pytest_asyncio

from decoder.engine import Engine
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind, Word
from tests.audio import noise, silence, speechlike
from tests.contracts.engines import ENGINE_CASES, EngineCase, request, same

KINDS = tuple(RequestKind)

SLOW_CASES = ("digits-torch", "ray-micro-whisper", "tiny.en")
"""Engines whose contract takes long, or that are seldom installed; smaller models of most are tested each time."""


pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),  # real models on slow machines
    pytest.mark.filterwarnings("default:Using extra keyword arguments on `Field`:DeprecationWarning"),  # Ray's
]


@pytest.fixture(
    scope="module",
    params=[pytest.param(case, marks=[pytest.mark.slow] * (case.name in SLOW_CASES)) for case in ENGINE_CASES],
    ids=[case.name for case in ENGINE_CASES],
)
def case(request: pytest.FixtureRequest) -> EngineCase:
    chosen: EngineCase = request.param
    return chosen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(case: EngineCase, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    made = case.make(tmp_path_factory.mktemp(case.name))
    if made is None:
        pytest.skip(f"{case.name} is not to be had here")
    await made.warm_up()
    yield made
    await made.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(engine: Engine, case: EngineCase) -> list[Hypothesis | EngineError]:
    """Return the answers to the mixture, each request decoded alone by an engine without state."""
    return [answer for item in mixture(case) for answer in await decode_afresh(engine, [item])]


def mixture(case: EngineCase) -> list[DecodeRequest]:
    """Return requests of different sessions, kinds, lengths, languages, contexts and prefixes."""
    first, second = case.languages
    prefix = (Word(" one", 1_000, 5_000), Word(" two", 5_000, 9_000))
    return [
        request(speechlike(2.0), session_id="a", kind=RequestKind.FINAL, language=first, start_sample=32_000),
        request(noise(4.0), session_id="b", language=second),
        request(speechlike(6.5), session_id="c", prefix=prefix, start_sample=1_000),
        request(noise(1.0), session_id="d", kind=RequestKind.FINAL, prompt=" seven eight nine", language=None),
        request(speechlike(3.0), session_id="e", kind=RequestKind.EAGER, prefix=prefix, start_sample=1_000),
        request(silence(0.5), session_id="f", language=None),
    ]


def hypothesis_of(answer: Hypothesis | EngineError) -> Hypothesis:
    assert isinstance(answer, Hypothesis), answer
    return answer


async def decode_afresh(engine: Engine, batch: Sequence[DecodeRequest]) -> list[Hypothesis | EngineError]:
    """Return the answers of an engine without state of these sessions, which it might otherwise continue from."""
    for item in batch:
        engine.forget(item.session_id)
    return list(await engine.decode(batch))


def all_same(answers: Sequence[Hypothesis | EngineError], others: Sequence[Hypothesis | EngineError]) -> bool:
    return all(same(one, other) for one, other in zip(answers, others, strict=True))


async def test_answers_come_in_the_order_of_the_requests(engine: Engine, case: EngineCase) -> None:
    batch = mixture(case)

    answers = [hypothesis_of(answer) for answer in await engine.decode(batch)]

    assert [answer.session_id for answer in answers] == [item.session_id for item in batch]


async def test_batch_of_many_equals_batches_of_one(
    engine: Engine, case: EngineCase, alone: list[Hypothesis | EngineError]
) -> None:
    assert all_same(await decode_afresh(engine, mixture(case)), alone)


async def test_batches_at_the_same_time_equal_one_after_the_other(
    engine: Engine, case: EngineCase, alone: list[Hypothesis | EngineError]
) -> None:
    requests = mixture(case)
    places = range(engine.parallel)

    together = await asyncio.gather(*(decode_afresh(engine, requests[place :: engine.parallel]) for place in places))

    assert all(all_same(together[place], alone[place :: engine.parallel]) for place in places)


async def test_order_within_a_batch_changes_no_answer(
    engine: Engine, case: EngineCase, alone: list[Hypothesis | EngineError]
) -> None:
    backwards = await decode_afresh(engine, mixture(case)[::-1])

    assert all_same(backwards[::-1], alone)


async def test_bad_request_fails_no_other(
    engine: Engine, case: EngineCase, alone: list[Hypothesis | EngineError]
) -> None:
    first, second, *_ = mixture(case)
    too_long = request(speechlike(40.0), session_id="long")

    answers = await decode_afresh(engine, [first, too_long, second])

    assert all_same([answers[0], answers[2]], alone[:2])
    assert isinstance(answers[1], EngineError) or answers[1].session_id == "long"


async def test_refused_language_is_an_error_of_its_request(engine: Engine, case: EngineCase) -> None:
    if case.refused_language is None:
        pytest.skip("takes any language")

    bad, good = await engine.decode([request(noise(1.0), language=case.refused_language), request(noise(1.0))])

    assert isinstance(bad, EngineError)
    assert case.refused_language in str(bad)
    assert hypothesis_of(good).language == "en"


async def test_language_of_each_request_is_honoured(engine: Engine, case: EngineCase) -> None:
    batch = [request(noise(1.0, seed=seed), language=code) for seed, code in enumerate(case.languages)]

    answers = [hypothesis_of(answer) for answer in await engine.decode(batch)]

    assert [answer.language for answer in answers] == list(case.languages)


@pytest.mark.parametrize("kind", KINDS)
async def test_empty_sound_has_no_words(engine: Engine, kind: RequestKind) -> None:
    [answer] = await engine.decode([request(np.zeros(0, np.float32), kind=kind)])

    assert hypothesis_of(answer).words == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_thirty_seconds_are_accepted(engine: Engine, case: EngineCase, kind: RequestKind) -> None:
    asked = request(speechlike(30.0), kind=kind)

    [answer] = await engine.decode([asked])

    assert hypothesis_of(answer).session_id == asked.session_id


@pytest.mark.parametrize("kind", KINDS)
async def test_a_single_sample_is_accepted(engine: Engine, kind: RequestKind) -> None:
    [answer] = await engine.decode([request(np.zeros(1, np.float32), kind=kind, start_sample=7)])

    assert all(7 <= word.start_sample <= word.end_sample <= 8 for word in hypothesis_of(answer).words)


@pytest.mark.parametrize("kind", KINDS)
async def test_words_stay_in_order_within_the_audio(engine: Engine, kind: RequestKind) -> None:
    asked = request(speechlike(4.0), kind=kind, start_sample=123_456)

    [answer] = await engine.decode([asked])

    words = hypothesis_of(answer).words
    assert all(asked.start_sample <= word.start_sample <= word.end_sample <= asked.end_sample for word in words)
    assert all(before.end_sample <= after.start_sample for before, after in pairwise(words))


async def test_a_partial_begins_with_the_committed_words(engine: Engine) -> None:
    committed = (Word(" three", 0, 4_000), Word(" one", 4_000, 8_000))

    [answer] = await engine.decode([request(speechlike(2.0), prefix=committed)])

    assert [word.text for word in hypothesis_of(answer).words[:2]] == [" three", " one"]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not RequestKind.PARTIAL])
async def test_a_final_is_decoded_as_if_nothing_were_committed(engine: Engine, kind: RequestKind) -> None:
    committed = (Word(" three", 0, 4_000), Word(" one", 4_000, 8_000))
    final = request(speechlike(2.0), kind=kind)

    [free] = await engine.decode([final])
    [promised] = await engine.decode([replace(final, prefix=committed)])

    assert same(free, promised)


async def test_engine_works_after_a_cancelled_decode(
    engine: Engine, case: EngineCase, alone: list[Hypothesis | EngineError]
) -> None:
    batch = mixture(case)

    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.decode, batch)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

    assert all_same(await decode_afresh(engine, batch), alone)


async def test_forgetting_a_session_changes_no_answer_of_others(engine: Engine, case: EngineCase) -> None:
    batch = mixture(case)
    await decode_afresh(engine, batch)
    _, *remembered = await engine.decode(batch)

    await decode_afresh(engine, batch)
    engine.forget("never seen")
    engine.forget(batch[0].session_id)

    _, *others = await engine.decode(batch)
    assert all_same(remembered, others)


async def test_engine_describes_itself(engine: Engine, case: EngineCase) -> None:
    assert engine.max_batch >= 1
    assert engine.parallel >= 1
    assert engine.info.device
    assert not engine.info.languages or set(case.languages) <= set(engine.info.languages)
