"""The engine as a whole, beyond its contract: settings, slots that come free, windows, work and real recordings."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import anyio
import pytest
import pytest_asyncio
import torch
from jiwer import wer

from decoder.engines.torch_whisper import engine as torch_engine
from decoder.engines.torch_whisper.checkpoint import Checkpoint
from decoder.engines.torch_whisper.device import Device
from decoder.engines.torch_whisper.engine import create
from decoder.engines.whisper import engine as ctranslate2_engine
from decoder.settings import EngineSettings
from decoder.types import EngineError, EngineFailed, Hypothesis, ModelError, RequestKind, Word
from decoder.whisper.batch_plan import POSITION_SAMPLES, Plan, Window
from decoder.whisper.engine import WhisperEngine
from decoder.whisper.vocabulary import Vocabulary
from tests.audio import noise, silence, speechlike
from tests.contracts.engines import SENTENCE, digits_model, request, same, write_micro_whisper
from tests.recordings import recording, recording_path
from tools.real_models import model_directory
from vad.audio import SAMPLE_RATE_HZ

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_whisper(tmp_path_factory.mktemp("torch") / "micro")


PLAIN = EngineSettings(name="torch", device="cpu", cpu_threads=1)


def made(model: Path, settings: EngineSettings = PLAIN) -> WhisperEngine:
    return create(replace(settings, model=str(model)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(micro: Path) -> AsyncIterator[WhisperEngine]:
    loaded = made(micro)
    await loaded.warm_up()
    yield loaded
    await loaded.aclose()


def text(answer: Hypothesis | EngineError) -> str:
    assert isinstance(answer, Hypothesis), answer
    return "".join(word.text for word in answer.words)


@pytest.mark.parametrize("kind", list(RequestKind))
async def test_every_kind_of_request_has_its_words(engine: WhisperEngine, kind: RequestKind) -> None:
    [answer] = await engine.decode([request(noise(5.0), kind=kind)])
    assert text(answer) == SENTENCE


async def test_requests_of_one_batch_are_answered_in_their_order(engine: WhisperEngine) -> None:
    batch = [
        request(noise(seconds), session_id=f"{place}", kind=kind)
        for place, (seconds, kind) in enumerate(
            [(2.0, RequestKind.FINAL), (29.0, RequestKind.PARTIAL), (0.0, RequestKind.FINAL), (1.0, RequestKind.FILE)]
        )
    ]
    together = await engine.decode(batch)
    assert [text(answer) for answer in together] == [SENTENCE, SENTENCE, "", SENTENCE]
    alone = [(await engine.decode([item]))[0] for item in batch]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


async def test_many_sessions_at_once_are_answered_as_one_after_the_other(engine: WhisperEngine) -> None:
    batch = [request(noise(1.0 + place / 3, seed=place), session_id=f"{place}", language=None) for place in range(9)]
    together = [answer for [answer] in await asyncio.gather(*(engine.decode([item]) for item in batch))]
    for item in batch:
        engine.forget(item.session_id)
    alone = [(await engine.decode([item]))[0] for item in batch]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


async def test_a_cancelled_decode_leaves_its_slot_to_others(micro: Path) -> None:
    loaded = made(micro, replace(PLAIN, slots=1))
    await loaded.warm_up()
    for _ in range(3):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(loaded.decode, [request(noise(28.0), kind=RequestKind.FINAL)])
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        [answer] = await loaded.decode([request(noise(2.0))])
        assert text(answer) == SENTENCE
    await loaded.aclose()


async def test_closing_ends_the_threads_and_later_requests_are_refused(micro: Path) -> None:
    loaded = made(micro)
    await loaded.warm_up()
    assert [thread for thread in threading.enumerate() if thread.name == "livecue-torch"]
    before = threading.active_count()

    await loaded.aclose()
    await loaded.aclose()

    assert threading.active_count() < before
    [answer] = await loaded.decode([request(noise(1.0))])
    assert isinstance(answer, EngineFailed)


async def test_two_engines_at_once_keep_their_own_words(micro: Path, tmp_path: Path) -> None:
    loaded = [made(micro), made(write_micro_whisper(tmp_path, " nine, eight seven."))]
    answers = await asyncio.gather(
        *(one.decode([request(noise(3.0), session_id=f"{n}")]) for n in range(3) for one in loaded)
    )
    assert [text(answer) for [answer] in answers] == [SENTENCE, " nine, eight seven."] * 3
    for one in loaded:
        await one.aclose()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (replace(PLAIN, device="tpu"), "'tpu': allowed are auto, cpu, cuda"),
        (replace(PLAIN, compute_type="int8"), "'int8' of torch: allowed are auto, float32, float16, bfloat16"),
    ],
)
async def test_settings_that_are_wrong_are_named(micro: Path, settings: EngineSettings, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        made(micro, settings)


async def test_without_a_model_the_engine_says_so() -> None:
    with pytest.raises(ModelError, match="torch needs a model"):
        create(PLAIN)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
async def test_a_gpu_that_is_not_there_is_named(micro: Path) -> None:
    with pytest.raises(ModelError, match="torch finds no usable GPU; allowed are auto, cpu"):
        made(micro, replace(PLAIN, device="cuda"))


@pytest.mark.parametrize("kind", [RequestKind.PARTIAL, RequestKind.FINAL])
async def test_words_are_spelled_once_for_the_answer_and_the_next_draft(
    engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch, kind: RequestKind
) -> None:
    spelled: list[Sequence[int]] = []
    split_words = Vocabulary.split_words

    def counted(
        self: Vocabulary, tokens: Sequence[int], plan: Plan, language: str
    ) -> tuple[list[str], list[list[int]]]:
        spelled.append(tokens)
        return split_words(self, tokens, plan, language)

    monkeypatch.setattr(Vocabulary, "split_words", counted)
    [answer] = await engine.decode([request(noise(5.0), kind=kind, session_id="spelled")])

    assert text(answer) == SENTENCE
    assert len(spelled) == 1


REPEATED = " one" * 300


@pytest.mark.parametrize(
    ("window", "passes"),
    [
        # <|0.00|> and 6 words are a loop; it is decoded again in the full window, where it takes 96 to be certain
        ("trimmed", 1 + 6 + 1 + 96),
        ("full", 1 + 96),
    ],
)
async def test_loops_end_early(tmp_path: Path, window: Window, passes: int) -> None:
    loaded = made(
        write_micro_whisper(tmp_path, REPEATED), replace(PLAIN, final_window=window, final_temperatures=(0.0,))
    )
    await loaded.warm_up()
    before = replace(loaded.work)

    [answer] = await loaded.decode([request(noise(14.0), kind=RequestKind.FINAL)])

    assert text(answer) == " one" * 96
    assert loaded.work.decoder_steps - before.decoder_steps == passes
    await loaded.aclose()


async def test_a_device_that_fails_to_start_ends_the_loops_of_the_others(
    micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu, made_on = torch.device("cpu"), []

    def make(
        checkpoint: Checkpoint, vocabulary: Vocabulary, device: torch.device, dtype: torch.dtype, slots: int
    ) -> Device:
        made_on.append(device)
        if len(made_on) == 2:
            raise torch.OutOfMemoryError("out of memory")
        return Device(checkpoint, vocabulary, device, dtype, slots)

    monkeypatch.setattr(torch_engine, "_devices", lambda _name: [cpu, cpu])
    monkeypatch.setattr(torch_engine, "Device", make)
    before = loops()
    with pytest.raises(ModelError, match="cannot be put on cpu: out of memory"):
        await made(micro).warm_up()
    assert len(made_on) == 2
    assert loops() == before


def loops() -> int:
    return sum(thread.name == "livecue-torch" for thread in threading.enumerate())


async def test_readiness_follows_the_loops_of_all_devices(micro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "_devices", lambda _name: [torch.device("cpu")] * 2)
    loaded = made(micro)
    assert loaded.info.is_usable is not None
    await loaded.warm_up()
    usable = [loaded.info.is_usable()]
    loaded._networks[1].close()
    usable.append(loaded.info.is_usable())
    await loaded.aclose()
    assert usable == [True, False]


@pytest.mark.parametrize("broken", ["tokenizer.json", "model.bin"])
async def test_broken_model_files_are_a_model_error(micro: Path, tmp_path: Path, broken: str) -> None:
    copytree(micro, tmp_path, dirs_exist_ok=True)
    (tmp_path / broken).write_bytes(b'{"')
    with pytest.raises(ModelError, match="model"):
        await made(tmp_path).warm_up()


async def test_a_prompt_and_a_prefix_that_leave_room_for_a_word_only_are_answered(engine: WhisperEngine) -> None:
    for count in (215, 219, 222, 223):
        prefix = tuple(Word(" one", place * 200, place * 200 + 100) for place in range(count))
        asked = request(noise(28.0), session_id=f"{count}", prefix=prefix, prompt=" seven" * 300)
        [answer] = await engine.decode([asked])
        assert text(answer).startswith(" one" * count)


async def test_the_last_hypothesis_is_verified_in_one_pass(micro: Path) -> None:
    loaded = made(micro)
    growing = [request(noise(4.0)[: round(end * SAMPLE_RATE_HZ)], revision=n) for n, end in enumerate((3.0, 3.5, 4.0))]

    steps = []
    for item in growing:
        before = loaded.work.decoder_steps
        await loaded.decode([item])
        steps.append(loaded.work.decoder_steps - before)
    before = loaded.work.decoder_steps
    await loaded.decode([replace(growing[-1], kind=RequestKind.FINAL)])

    assert steps[0] > 10
    assert steps[1:] == [1, 1]
    assert loaded.work.decoder_steps - before <= 4  # it may have timestamps
    await loaded.aclose()


async def test_partials_encode_their_audio_and_a_margin_and_finals_the_full_window(micro: Path) -> None:
    loaded = made(micro)
    await loaded.decode([request(noise(2.0))])
    assert loaded.work.encoder_s == pytest.approx(192 * 0.02)  # 100 + 64 positions, rounded up

    await loaded.decode([request(noise(2.0), kind=RequestKind.FINAL)])
    assert loaded.work.encoder_s == pytest.approx(192 * 0.02 + 30.0)
    await loaded.aclose()


@pytest.mark.parametrize("samples", [1, 100, 319, 320, 640, 480_000])
@pytest.mark.parametrize("kind", [RequestKind.PARTIAL, RequestKind.FINAL])
async def test_audio_of_any_length_is_answered_and_its_words_lie_in_it(
    engine: WhisperEngine, kind: RequestKind, samples: int
) -> None:
    [answer] = await engine.decode([request(noise(30.0)[:samples], kind=kind, session_id=f"{kind} {samples}")])
    assert isinstance(answer, Hypothesis)
    for word in answer.words:
        assert 0 <= word.start_sample <= word.end_sample <= samples


async def test_digital_silence_is_answered(engine: WhisperEngine) -> None:
    answers = await engine.decode([request(silence(2.0)), request(silence(2.0), kind=RequestKind.FINAL)])
    assert all(isinstance(answer, Hypothesis) for answer in answers)


async def test_half_precision_is_close_to_full(micro: Path, engine: WhisperEngine) -> None:
    loaded = made(micro, replace(PLAIN, compute_type="bfloat16"))
    [answer], [full] = [await each.decode([request(speechlike(2.0))]) for each in (loaded, engine)]
    assert text(answer) == text(full)
    await loaded.aclose()


def assert_alike(ours: Hypothesis | EngineError, theirs: Hypothesis | EngineError) -> None:
    """Compare two answers, whose times may differ by a position where rounding decides."""
    assert isinstance(ours, Hypothesis)
    assert isinstance(theirs, Hypothesis)
    assert text(ours) == text(theirs)
    assert ours.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-3)
    assert ours.no_speech_probability == pytest.approx(theirs.no_speech_probability, abs=1e-3)
    for mine, other in zip(ours.words, theirs.words, strict=True):
        assert mine.start_sample == pytest.approx(other.start_sample, abs=POSITION_SAMPLES)
        assert mine.end_sample == pytest.approx(other.end_sample, abs=POSITION_SAMPLES)
        assert mine.probability == pytest.approx(other.probability, abs=1e-3)


async def test_grafted_windows_have_the_words_of_full_ones_on_real_digits() -> None:
    """The bare minimum: a window that lacks the silence behind it makes such a model repeat itself."""
    directory = digits_model()
    if directory is None:
        pytest.skip("no model of digits")
    listed = json.loads(recording_path("manifest.json").read_text(encoding="utf-8"))
    spoken = [(recording(entry["file"]), entry["text"]) for entry in listed if entry["file"].startswith("digits/")][:4]
    errors = {}
    windows: tuple[Window, ...] = ("trimmed", "full")
    for window in windows:
        loaded = made(directory, replace(PLAIN, partial_window=window))
        answers = [(await loaded.decode([request(audio, session_id=f"{n}")]))[0] for n, (audio, _) in enumerate(spoken)]
        errors[window] = wer([words for _, words in spoken], [text(answer).strip() for answer in answers])
        assert loaded.work.redecoded == 0  # none repeats itself
        await loaded.aclose()
    assert errors["trimmed"] <= errors["full"] + 0.01


async def test_real_speech_has_the_words_and_times_of_ctranslate2() -> None:
    directory = model_directory("whisper-tiny.en")
    if directory is None:
        pytest.skip("no weights of tiny.en")
    settings = EngineSettings(
        model=str(directory), device="cpu", compute_type="float32", cpu_threads=1, workers=1, final_temperatures=(0.0,)
    )
    settings = replace(settings, final_beam_size=1)
    engines = [create(replace(settings, name="torch")), ctranslate2_engine.create(settings)]
    for name in ("en_beckett.flac", "en_arctic_a0024.flac"):
        audio = recording(name)[: 4 * SAMPLE_RATE_HZ]
        final = request(audio, kind=RequestKind.FINAL, session_id=name)
        [ours], [theirs] = [await each.decode([final]) for each in engines]
        assert_alike(ours, theirs)
        [grafted] = await engines[0].decode([request(audio, session_id=name)])
        assert wer(text(theirs).lower(), text(grafted).lower()) <= 0.2
    for each in engines:
        await each.aclose()
