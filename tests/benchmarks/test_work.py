"""The deterministic part of the work benchmark, with the smallest model; and how its figures are counted."""

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.following import WORD_SAMPLES, first_word_sample
from benchmarks.virtual import TimedEvents, VirtualGateway
from benchmarks.work import COMPARED, MODES, Model, Work, engine_of, measure_work, rotated
from decoder.engines.scripted import CostModel, ScriptedEngine
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind, Word
from gateway.settings import Settings
from gateway.wire import SAMPLE_RATE_HZ, Final, Start
from tests.audio import silence, speechlike
from tests.contracts.engines import write_micro_whisper
from tests.requests import request
from vad.audio import Float32


def pcm(*parts: Float32) -> bytes:
    return (np.concatenate(parts) * 32_767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("models")
    tokenizer = write_micro_whisper(folder / "micro") / "tokenizer.json"
    return Model.write("micro", folder / "following", tokenizer)


def words_of(answer: Hypothesis | EngineError) -> tuple[Word, ...]:
    assert isinstance(answer, Hypothesis), answer
    return answer.words


def texts(words: Sequence[Word]) -> list[str]:
    return [word.text for word in words]


@pytest.mark.slow
@pytest.mark.parametrize(
    "mode",
    [mode if mode == "livecue" else pytest.param(mode, marks=pytest.mark.slow) for mode in MODES],
)
async def test_words_follow_the_audio_whatever_was_committed(mode: str, model: Model) -> None:
    engine = engine_of(mode, model)
    await engine.warm_up()

    def of(seconds: float, kind: RequestKind, prefix: Sequence[Word] = ()) -> DecodeRequest:
        samples = request(kind=kind, seconds=seconds).samples
        return DecodeRequest("a", 0, 1, kind, samples, 0, 0.0, language="en", prefix=tuple(prefix))

    for kind in RequestKind:
        [whole] = await engine.decode([of(25.0, kind)])
        spoken = words_of(whole)
        engine.forget("a")
        batch = [of(0.1, kind), of(3.0, kind, spoken[:4]), of(3.0, kind, spoken[:10]), of(12.0, kind)]
        answers = [texts(words_of(answer)) for answer in await engine.decode(batch)]
        assert answers == [texts(spoken[:count]) for count in (0, 10, 10, 40)]
        assert len(spoken) == 84
    await engine.aclose()


@pytest.mark.slow
async def test_work_is_the_same_in_every_run_and_less_than_that_of_peers(model: Model) -> None:
    speech = pcm(silence(0.5), speechlike(3.0), silence(1.0), speechlike(2.0))

    async def counts() -> list[Work]:
        engines = {mode: engine_of(mode, model) for mode in COMPARED}
        for engine in engines.values():
            await engine.warm_up()
        measured = await measure_work(model, engines, rotated(speech, count=2, seconds=6.0), interval_s=0.5)
        for engine in engines.values():
            await engine.aclose()
        return [work.counts() for work in measured]

    naive, livecue = first = await counts()

    assert first == await counts()
    assert naive.partials_per_s > 0.5
    assert livecue.encoder_s_per_s < naive.encoder_s_per_s
    assert livecue.steps_per_final_token < naive.steps_per_final_token


async def test_a_decode_on_the_virtual_clock_takes_the_cost_of_the_model() -> None:
    audio = pcm(silence(0.5), speechlike(2.0), silence(1.0))

    async def finals(cost_s: float) -> list[tuple[float, Final]]:
        cost = CostModel(batch_s=cost_s)
        [moments] = await VirtualGateway(ScriptedEngine(), Settings(), Start(), [audio], cost=cost).run()
        return [(moment.at_s, event) for moment in moments for event in moment.events if isinstance(event, Final)]

    [(free_s, free)], [(slow_s, slow)] = await finals(0.0), await finals(2.0)

    assert free.text == slow.text != ""
    assert free_s + 1.0 < slow_s < free_s + 4.0


async def test_sessions_on_the_virtual_clock_receive_their_own_audio() -> None:
    streams = [pcm(speechlike(2.0), silence(1.0)), pcm(silence(3.0))]

    spoken, still = await VirtualGateway(ScriptedEngine(), Settings(), Start(), streams).run()

    def finals(moments: list[TimedEvents]) -> int:
        return sum(isinstance(event, Final) for moment in moments for event in moment.events)

    assert (finals(spoken), finals(still)) == (1, 0)


def test_streams_start_at_different_positions_of_the_recording() -> None:
    audio = np.arange(SAMPLE_RATE_HZ, dtype="<i2").tobytes()

    first, second = rotated(audio, count=2, seconds=0.75)

    assert len(first) == len(second) == len(audio) * 3 // 4
    assert first == audio[: len(first)]
    assert second == audio[len(audio) // 2 :] + audio[: len(audio) // 4]


def test_the_first_word_begins_on_the_grid() -> None:
    assert first_word_sample(0) == 0
    assert first_word_sample(1) == WORD_SAMPLES
    assert first_word_sample(WORD_SAMPLES) == WORD_SAMPLES
