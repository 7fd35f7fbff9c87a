"""Languages of real speech with real weights; without either the tests are skipped."""

from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest
import pytest_asyncio

from decoder.engines.whisper.engine import create
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, Hypothesis, RequestKind, Task
from decoder.whisper.engine import WhisperEngine
from tests.recordings import recording
from tools.real_models import model_directory
from vad.audio import Float32, s_to_samples

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]  # real weights on slow machines

SHORT_S = 1.2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def base() -> AsyncIterator[WhisperEngine]:
    model = model_directory("whisper-base")
    if model is None:
        pytest.skip("no weights of Whisper base")
    settings = EngineSettings(
        model=str(model),
        device="cpu",
        compute_type="int8",
        workers=1,
        final_beam_size=1,
        final_temperatures=(0.0,),
        final_window="trimmed",
    )
    engine = create(settings)
    await engine.warm_up()
    yield engine
    await engine.aclose()


def utterance(number: int, samples: Float32, **fields: object) -> DecodeRequest:
    return DecodeRequest(
        "session",
        number,
        1,
        RequestKind.FINAL,
        samples,
        number * s_to_samples(30),
        0.0,
        **fields,  # type: ignore[arg-type]  # of many types
    )


async def spoken(engine: WhisperEngine, *utterances: DecodeRequest) -> list[Hypothesis]:
    """Return the texts of a session's utterances, decoded one after the other."""
    engine.forget("session")
    answers = [answer for asked in utterances for answer in await engine.decode([asked])]
    assert all(isinstance(answer, Hypothesis) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Hypothesis)]


def text(answer: Hypothesis) -> str:
    return "".join(word.text for word in answer.words)


async def test_german_after_english_is_written_in_german(base: WhisperEngine) -> None:
    english, german = recording("en_home_in_the_stars.flac"), recording("ml_leopard_de.flac")

    answers = await spoken(base, utterance(0, english), utterance(1, german), utterance(2, english))

    assert [answer.language for answer in answers] == ["en", "de", "en"]
    assert "wurde als" in text(answers[1])


async def test_short_utterances_stay_in_the_language_of_the_session(base: WhisperEngine) -> None:
    spanish = recording("ml_mls_es.flac")
    long, short = s_to_samples(5.0), s_to_samples(SHORT_S)
    pieces = [spanish[start : start + short] for start in range(long, len(spanish) - short, short)]

    answers = await spoken(base, *(utterance(n, piece) for n, piece in enumerate([spanish[:long], *pieces[:6]])))

    assert {answer.language for answer in answers} == {"es"}


async def test_detection_is_restricted_to_the_allowed_languages(base: WhisperEngine) -> None:
    german = recording("ml_leopard_de.flac")

    [answer] = await spoken(base, utterance(0, german, languages=("en", "es")))

    assert answer.language in ("en", "es")


async def test_a_batch_uses_the_evidence_of_its_earlier_requests(base: WhisperEngine) -> None:
    spanish = recording("ml_mls_es.flac")
    batch = [utterance(0, spanish[: s_to_samples(4.0)]), utterance(1, spanish[s_to_samples(6.0) : s_to_samples(7.0)])]
    alone = await spoken(base, *batch)

    base.forget("session")
    together = await base.decode(batch)

    assert [answer.language for answer in together if isinstance(answer, Hypothesis)] == [
        answer.language for answer in alone
    ]


async def test_german_is_translated_into_english_with_sane_times(base: WhisperEngine) -> None:
    german = np.concatenate([np.zeros(s_to_samples(0.5), np.float32), recording("ml_light_de.flac")])
    asked = utterance(0, german, language="de", task=Task.TRANSLATE)

    [answer] = await spoken(base, asked)

    assert "living room" in text(answer).lower()
    assert answer.words[0].start_sample >= asked.start_sample + s_to_samples(0.3)
    assert answer.words[-1].end_sample <= asked.end_sample
    assert all(word.start_sample <= word.end_sample for word in answer.words)
    assert all(before.end_sample <= after.start_sample for before, after in pairwise(answer.words))
