"""The engine without a model."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.scripted import CostModel, ScriptedEngine, create, spoken_count
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis
from tests.requests import hypothesis, request, text


def at(asked: DecodeRequest, start_sample: int) -> DecodeRequest:
    return replace(asked, start_sample=start_sample)


class Sleeper:
    """Records the durations of its sleeps."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def sleep(self, duration_s: float) -> None:
        self.slept_s.append(duration_s)


def test_a_word_is_counted_for_each_two_fifths_of_a_second() -> None:
    assert text(spoken_count(request(seconds=2.0)).words) == "one two three four five"
    assert spoken_count(request(seconds=0.3)).words == ()


def test_the_count_goes_on_where_the_utterance_begins() -> None:
    later = at(request(seconds=1.0), start_sample=16_000)
    assert text(spoken_count(later).words) == "four five"
    assert spoken_count(later).words[0].start_sample == 19_200


@given(
    seconds=st.floats(0, 20), more_s=st.floats(0, 10), start_sample=st.integers(0, 16_000 * 60), revision=st.integers(1)
)
def test_a_longer_request_repeats_the_words_of_a_shorter_one(
    seconds: float, more_s: float, start_sample: int, revision: int
) -> None:
    shorter = at(request(revision=revision, seconds=seconds), start_sample)
    longer = at(request(revision=revision + 1, seconds=seconds + more_s), start_sample)
    before, after = spoken_count(shorter), spoken_count(longer)
    assert after.words[: len(before.words)] == before.words
    assert all(start_sample <= word.start_sample < word.end_sample <= longer.end_sample for word in after.words)
    assert all(earlier.end_sample == later.start_sample for earlier, later in pairwise(after.words))
    assert (before.session_id, before.utterance_id, before.revision) == ("a", 0, revision)


def test_the_requested_language_is_the_language_of_the_answer() -> None:
    assert spoken_count(replace(request(), language="de")).language == "de"
    assert spoken_count(request()).language == "en"


async def test_answers_keep_order_and_length_and_errors_their_place() -> None:
    def script(asked: DecodeRequest) -> Hypothesis | EngineError:
        return EngineFailed("no") if asked.session_id == "b" else hypothesis(asked, asked.session_id)

    engine = ScriptedEngine(script)
    batch = [request(session) for session in "abc"]
    first, second, third = await engine.decode(batch)
    assert isinstance(second, EngineFailed)
    assert isinstance(first, Hypothesis)
    assert isinstance(third, Hypothesis)
    assert (first.session_id, third.session_id) == ("a", "c")
    assert engine.batches == [3]


async def test_a_batch_of_two_equals_two_batches_of_one() -> None:
    engine = ScriptedEngine()
    one, other = request("a", seconds=1.0), request("b", seconds=3.0)
    assert await engine.decode([one, other]) == [*await engine.decode([one]), *await engine.decode([other])]


async def test_a_batch_takes_the_time_of_the_cost_model() -> None:
    sleeper = Sleeper()
    engine = ScriptedEngine(cost=CostModel(batch_s=1.0, request_s=0.1, audio_second_s=0.01), sleep=sleeper.sleep)
    await engine.decode([request(seconds=4.0), request(seconds=6.0)])
    assert sleeper.slept_s == [pytest.approx(1.0 + 0.2 + 0.1)]


async def test_the_factory_takes_the_batch_size_from_the_settings() -> None:
    engine = create(EngineSettings(max_batch=5))
    await engine.warm_up()
    assert engine.max_batch == 5
    await engine.aclose()
