"""Moonshine beyond the contract: real words, their times, drafts, silence and what cannot be decoded."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from benchmarks.captions import aligned
from benchmarks.recordings import SHARED_AUDIO
from decoder.engines.moonshine.engine import MoonshineEngine
from decoder.engines.moonshine.network import Arrays, Network
from decoder.settings import EngineSettings
from decoder.stabiliser import normalise_word
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, ModelError, RequestKind, Task, Word
from tests.audio import noise, silence, tone
from tests.contracts.engines import request, same
from tests.real_speech import weights
from tests.recordings import recording
from vad.audio import SAMPLE_RATE_HZ, Float32

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAID = " And so my fellow Americans ask not what your country can do for you, ask what you can do for your country."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[MoonshineEngine]:
    made = MoonshineEngine(EngineSettings(model=str(weights("moonshine-tiny-en")), cpu_threads=1))
    await made.warm_up()
    yield made
    await made.aclose()


@pytest.fixture
def jfk() -> Float32:
    return recording("en_jfk.flac")


def final(samples: Float32, **fields: object) -> DecodeRequest:
    return request(samples, kind=RequestKind.FINAL, **fields)


def hypothesis_of(answer: Hypothesis | EngineError) -> Hypothesis:
    assert isinstance(answer, Hypothesis), answer
    return answer


def text(words: tuple[Word, ...]) -> str:
    return "".join(word.text for word in words)


async def decoded(engine: MoonshineEngine, asked: DecodeRequest) -> Hypothesis:
    [answer] = await engine.decode([asked])
    return hypothesis_of(answer)


async def test_speech_is_transcribed(engine: MoonshineEngine, jfk: Float32) -> None:
    answer = await decoded(engine, final(jfk))

    assert text(answer.words) == SAID
    assert answer.avg_logprob is not None
    assert answer.avg_logprob > -0.3
    assert answer.no_speech_probability is not None
    assert answer.no_speech_probability < 0.1


@pytest.mark.parametrize("kind", [RequestKind.FINAL, RequestKind.PARTIAL])
async def test_words_are_timed_where_they_are_spoken(engine: MoonshineEngine, kind: RequestKind) -> None:
    meeting = recording("vad_ami/trn09.flac")
    labels = json.loads((SHARED_AUDIO / "labels" / "ami_words.json").read_text("utf-8"))
    spoken = [word for word in labels["vad_ami/trn09.flac"]["words"] if word["end_s"] < 20]

    answer = await decoded(engine, request(meeting[: 20 * SAMPLE_RATE_HZ], kind=kind, session_id="timed"))

    said = [normalise_word(word["text"]) for word in spoken]
    written = [normalise_word(word.text) for word in answer.words]
    same_words = [
        (spoken[i], answer.words[j])
        for i, j in aligned(said, written)
        if i is not None and j is not None and said[i] == written[j]
    ]
    starts = [abs(word.start_sample / SAMPLE_RATE_HZ - label["start_s"]) for label, word in same_words]
    ends = [abs(word.end_sample / SAMPLE_RATE_HZ - label["end_s"]) for label, word in same_words]
    assert len(same_words) > 20
    assert np.median(starts) < 0.1
    assert np.median(ends) < 0.1


async def test_a_draft_changes_no_answer_and_saves_steps(engine: MoonshineEngine, jfk: Float32) -> None:
    engine.forget("session")
    alone = await decoded(engine, final(jfk))
    steps_alone = engine.work.decoder_steps
    await decoded(engine, request(jfk[:-SAMPLE_RATE_HZ]))
    steps_before = engine.work.decoder_steps

    verified = await decoded(engine, final(jfk, revision=2))

    assert same(replace(alone, revision=2), verified)
    assert engine.work.decoder_steps - steps_before < 10 < steps_alone


async def test_a_draft_is_discarded_with_its_session(engine: MoonshineEngine, jfk: Float32) -> None:
    await decoded(engine, request(jfk))
    engine.forget("session")
    before = engine.work.decoder_steps

    await decoded(engine, request(jfk, revision=2))

    assert engine.work.decoder_steps - before > 20


async def test_a_partial_continues_committed_words(engine: MoonshineEngine, jfk: Float32) -> None:
    first = await decoded(engine, request(jfk[: 4 * SAMPLE_RATE_HZ]))

    later = await decoded(engine, request(jfk, revision=2, prefix=first.words[:4]))

    assert later.words[:4] == first.words[:4]
    assert text(later.words) == SAID


async def test_a_long_partial_is_carried_on_from_a_cut(engine: MoonshineEngine, jfk: Float32) -> None:
    first = await decoded(engine, request(jfk[: 9 * SAMPLE_RATE_HZ], session_id="cut"))
    asked = request(jfk[: 10 * SAMPLE_RATE_HZ], session_id="cut", revision=2, prefix=first.words[:16])
    await decoded(engine, asked)
    before = replace(engine.work)

    later = await decoded(engine, request(jfk, session_id="cut", revision=3, prefix=first.words[:16]))

    assert engine.work.encoder_s - before.encoder_s < 7  # of 11 s
    assert engine.work.decoder_steps - before.decoder_steps < 10  # the rest of the draft is valid after the cut
    assert later.words[:16] == first.words[:16]
    assert [normalise_word(word.text) for word in later.words] == [normalise_word(word) for word in SAID.split()]


async def test_a_final_after_a_cut_decodes_all_audio(engine: MoonshineEngine, jfk: Float32) -> None:
    alone = await decoded(engine, final(jfk, session_id="uncut"))
    first = await decoded(engine, request(jfk[: 9 * SAMPLE_RATE_HZ], session_id="cut", utterance_id=2))
    await decoded(engine, request(jfk, session_id="cut", utterance_id=2, revision=2, prefix=first.words[:16]))
    before = replace(engine.work)

    answer = await decoded(engine, final(jfk, session_id="cut", utterance_id=2, revision=3))

    assert engine.work.encoder_s - before.encoder_s == pytest.approx(len(jfk) / SAMPLE_RATE_HZ)
    assert engine.work.decoder_steps - before.decoder_steps < 10  # the tokens before and after the cut are its draft
    assert same(replace(alone, session_id="cut", utterance_id=2, revision=3), answer)


async def test_texts_of_a_batch_are_generated_together(
    engine: MoonshineEngine, jfk: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = Network.step

    def counted(network: Network, feeds: Arrays) -> dict[str, Float32]:
        steps.append(len(feeds["tokens"]))
        return step(network, feeds)

    monkeypatch.setattr(Network, "step", counted)

    await engine.decode(
        [final(jfk[: seconds * SAMPLE_RATE_HZ], session_id=f"of {seconds} s") for seconds in (2, 5, 11)]
    )

    assert len(steps) == 25  # as many as the longest text takes alone
    assert steps[0] == 3
    assert steps == sorted(steps, reverse=True)


async def test_work_is_counted(engine: MoonshineEngine, jfk: Float32) -> None:
    engine.forget("session")
    before = replace(engine.work)

    await decoded(engine, final(jfk))

    assert engine.work.encoder_s - before.encoder_s == pytest.approx(len(jfk) / SAMPLE_RATE_HZ)
    # One pass for the beginning of the text, and one for each token.
    assert engine.work.decoder_steps - before.decoder_steps == 25


@pytest.mark.parametrize(
    "samples", [silence(3.0), noise(3.0, 0.003), tone(3.0, 50.0, 0.1)], ids=["silence", "noise", "hum"]
)
async def test_words_without_speech_are_reported_as_doubtful(engine: MoonshineEngine, samples: Float32) -> None:
    answer = await decoded(engine, final(samples))

    assert answer.no_speech_probability is not None
    assert answer.no_speech_probability > 0.6
    assert not answer.words or (answer.avg_logprob is not None and answer.avg_logprob < -1.0)


async def test_nan_samples_fail_no_other_request(engine: MoonshineEngine, jfk: Float32) -> None:
    broken = jfk.copy()
    broken[1_000] = np.nan

    bad, good = await engine.decode([final(broken, session_id="broken"), final(jfk)])

    assert isinstance(bad, EngineFailed)
    assert "NaN or infinite" in str(bad)
    assert text(hypothesis_of(good).words) == SAID


async def test_an_invalid_prefix_is_an_error_of_its_request(engine: MoonshineEngine, jfk: Float32) -> None:
    bad, good = await engine.decode([request(jfk, prefix=(Word(" \ud800", 0, 100),)), final(jfk, session_id="other")])

    assert isinstance(bad, EngineFailed)
    assert text(hypothesis_of(good).words) == SAID


async def test_translations_are_refused(engine: MoonshineEngine, jfk: Float32) -> None:
    [answer] = await engine.decode([final(jfk, task=Task.TRANSLATE)])

    assert isinstance(answer, EngineFailed)
    assert "translate" in str(answer)


async def test_the_shortest_audio_is_decoded(engine: MoonshineEngine) -> None:
    for count in (1, 127, 894, 895, 1_279, 1_280):
        answer = await decoded(engine, final(noise(0.1)[:count]))

        assert all(word.end_sample <= count for word in answer.words)


async def test_no_model_or_an_unknown_device_is_refused() -> None:
    with pytest.raises(ModelError, match="needs a model"):
        MoonshineEngine(EngineSettings())
    with pytest.raises(ModelError, match="expected auto or cpu"):
        MoonshineEngine(EngineSettings(model="anything", device="cuda"))


async def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.bin").write_bytes(b"")
    made = MoonshineEngine(EngineSettings(model=str(tmp_path)))

    with pytest.raises(ModelError, match=r"encoder_model\.ort, decoder_model_merged\.ort missing:"):
        await made.warm_up()


@pytest.mark.parametrize("broken", ["encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"])
async def test_broken_files_are_refused(tmp_path: Path, broken: str) -> None:
    for path in weights("moonshine-tiny-en").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 5_000 if path.name == broken else None])
    made = MoonshineEngine(EngineSettings(model=str(tmp_path)))

    with pytest.raises(ModelError, match="contains no usable Moonshine model"):
        await made.warm_up()
