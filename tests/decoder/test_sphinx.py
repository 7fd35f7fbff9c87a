"""pocketsphinx beyond the contract: streams, their number, what is fed, words, times and the demo recording."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np
import pocketsphinx
import pytest
import pytest_asyncio

from benchmarks.recordings import read_recording
from decoder.engines import sphinx
from decoder.engines.sphinx import SphinxEngine
from decoder.settings import EngineSettings
from decoder.types import (
    DecodeRequest,
    EngineBusy,
    EngineError,
    EngineFailed,
    Hypothesis,
    ModelError,
    RequestKind,
    Word,
)
from tests.sounds import noise, silence
from vad.audio import SAMPLE_RATE_HZ, Float32, s_to_samples

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEMO = Path(__file__).resolve().parents[2] / "clients" / "demo"
STREAMS = 2
BEGINNING_S = 0.2
"""Enough to open a stream."""

PARTIAL, EAGER, FINAL, FILE = RequestKind.PARTIAL, RequestKind.EAGER, RequestKind.FINAL, RequestKind.FILE


class CountingDecoder(pocketsphinx.Decoder):  # type: ignore[misc]  # pocketsphinx has no types
    """Notes what is fed to the search of all decoders."""

    fed_pcm: list[bytes] = []  # noqa: RUF012  # shared on purpose
    made = 0

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        CountingDecoder.made += "lm" not in options

    def process_raw(self, pcm: bytes, no_search: bool = False, full_utt: bool = False) -> None:
        if not no_search:
            CountingDecoder.fed_pcm.append(pcm)
        super().process_raw(pcm, no_search, full_utt)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loaded() -> AsyncIterator[SphinxEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sphinx, "Decoder", CountingDecoder)
        engine = SphinxEngine(EngineSettings(sphinx_streams=STREAMS))
        await engine.warm_up()
        yield engine
        await engine.aclose()


@pytest.fixture
def engine(loaded: SphinxEngine) -> Iterator[SphinxEngine]:
    CountingDecoder.fed_pcm.clear()
    yield loaded
    for session in "abcd":
        loaded.forget(session)


@pytest.fixture(scope="module")
def demo() -> list[tuple[str, Float32]]:
    """Return the sentences of the demo recording with their sound, cut at the pauses with some silence around."""
    texts = [line.partition("\t")[2] for line in (DEMO / "meeting.txt").read_text(encoding="utf-8").splitlines()]
    recording = read_recording(DEMO / "meeting.flac")
    loud = np.flatnonzero(np.abs(recording) > 0.01)
    gaps = np.flatnonzero(np.diff(loud) > s_to_samples(0.6))
    starts = np.concatenate([loud[:1], loud[gaps + 1]]) - s_to_samples(0.3)
    ends = np.concatenate([loud[gaps], loud[-1:]]) + s_to_samples(0.2)
    return list(zip(texts, (recording[a:b] for a, b in zip(starts, ends, strict=True)), strict=True))


@pytest.fixture(scope="module")
def speech(demo: list[tuple[str, Float32]]) -> Float32:
    return demo[-1][1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_once(loaded: SphinxEngine, speech: Float32) -> tuple[Word, ...]:
    """Return the words of `speech`, decoded by a final alone."""
    return await words(loaded, ask(speech))


def ask(
    samples: Float32,
    kind: RequestKind = FINAL,
    session: str = "a",
    utterance: int = 1,
    start_sample: int = 0,
    language: str | None = None,
    prefix: tuple[Word, ...] = (),
) -> DecodeRequest:
    return DecodeRequest(session, utterance, 1, kind, samples, start_sample, 0.0, language=language, prefix=prefix)


async def words(engine: SphinxEngine, request: DecodeRequest) -> tuple[Word, ...]:
    [answer] = await engine.decode([request])
    assert isinstance(answer, Hypothesis), answer
    return answer.words


async def answered(engine: SphinxEngine, request: DecodeRequest) -> Hypothesis | EngineError:
    [answer] = await engine.decode([request])
    return answer


def text(spoken: Sequence[Word]) -> str:
    return "".join(word.text for word in spoken).strip()


def plain(sentence: str) -> str:
    return " ".join(re.findall(r"[a-z']+", sentence.lower()))


def fed_samples() -> int:
    return sum(map(len, CountingDecoder.fed_pcm)) // 2


async def test_a_file_gives_way_to_what_is_live_and_gets_its_words_all_the_same(
    engine: SphinxEngine, speech: Float32, at_once: tuple[Word, ...]
) -> None:
    ends: list[RequestKind] = []
    heard: dict[RequestKind, tuple[Word, ...]] = {}

    async def decode(request: DecodeRequest) -> None:
        heard[request.kind] = await words(engine, request)
        ends.append(request.kind)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(decode, ask(np.concatenate([speech, silence(0.2), speech]), FILE, "a"))
        await anyio.wait_all_tasks_blocked()
        for kind in (PARTIAL, FINAL):
            await decode(ask(speech, kind, "b"))

    assert ends == [PARTIAL, FINAL, FILE]
    assert heard[FINAL] == at_once
    assert text(heard[FILE]).split()[: len(at_once)] == text(at_once).split()


@pytest.mark.parametrize("step_s", [0.3, 0.5])
async def test_streamed_utterance_ends_in_the_words_of_one_decoded_at_once(
    engine: SphinxEngine, speech: Float32, step_s: float, at_once: tuple[Word, ...]
) -> None:
    for length in range(s_to_samples(step_s), len(speech), s_to_samples(step_s)):
        await words(engine, ask(speech[:length], PARTIAL))

    assert await words(engine, ask(speech)) == at_once


async def test_later_request_costs_its_new_sound_only(engine: SphinxEngine, speech: Float32) -> None:
    for length in range(s_to_samples(1.0), len(speech), s_to_samples(0.25)):
        await words(engine, ask(speech[:length], PARTIAL))
    await words(engine, ask(speech, EAGER))
    await words(engine, ask(speech))

    assert fed_samples() == len(speech)


async def test_partials_grow_into_the_sentence(engine: SphinxEngine, demo: list[tuple[str, Float32]]) -> None:
    sentence, sound = demo[4]

    partials = [text(await words(engine, ask(sound[:end], PARTIAL))) for end in (len(sound) * 2 // 3, len(sound))]

    assert 0 < len(partials[0]) < len(partials[1])
    assert plain(partials[0]).split()[0] == plain(sentence).split()[0]


async def test_demo_sentences_are_understood(engine: SphinxEngine, demo: list[tuple[str, Float32]]) -> None:
    heard = [plain(text(await words(engine, ask(sound, utterance=n)))) for n, (_, sound) in enumerate(demo)]

    assert heard == [plain(sentence) for sentence, _ in demo]


async def test_soft_speech_is_understood_as_well(engine: SphinxEngine, demo: list[tuple[str, Float32]]) -> None:
    sentence, sound = demo[4]

    assert plain(text(await words(engine, ask(sound * np.float32(0.1))))) == plain(sentence)


async def test_what_was_heard_before_changes_nothing(
    engine: SphinxEngine, speech: Float32, at_once: tuple[Word, ...]
) -> None:
    for loud in (noise(0.4, amplitude=0.9), speech[:8_000:-1] * np.float32(0.05)):
        await words(engine, ask(np.ascontiguousarray(loud), session="b"))
        await words(engine, ask(np.ascontiguousarray(loud), PARTIAL, session="b"))
        engine.forget("b")

    assert await words(engine, ask(speech)) == at_once


async def test_streams_side_by_side_do_not_mix(engine: SphinxEngine, demo: list[tuple[str, Float32]]) -> None:
    sounds = {"a": demo[0][1][: s_to_samples(1.6)], "b": demo[-1][1]}
    alone = {session: await words(engine, ask(sound, session=session)) for session, sound in sounds.items()}

    for length in (s_to_samples(1.0), s_to_samples(1.2)):
        await engine.decode([ask(sound[:length], PARTIAL, session) for session, sound in sounds.items()])
    answers = await engine.decode([ask(sound, session=session) for session, sound in sounds.items()])

    assert [answer.words for answer in answers if isinstance(answer, Hypothesis)] == list(alone.values())


async def test_partial_without_a_free_stream_is_refused(engine: SphinxEngine, speech: Float32) -> None:
    beginning = speech[: s_to_samples(BEGINNING_S)]

    answers = await engine.decode([ask(beginning, PARTIAL, session) for session in "abc"])

    assert [type(answer) for answer in answers] == [Hypothesis, Hypothesis, EngineBusy]


async def test_final_without_a_free_stream_is_answered(
    engine: SphinxEngine, speech: Float32, at_once: tuple[Word, ...]
) -> None:
    await engine.decode([ask(speech[: s_to_samples(BEGINNING_S)], PARTIAL, session) for session in "ab"])

    assert await words(engine, ask(speech, session="c")) == at_once
    assert CountingDecoder.made <= STREAMS + 1


async def test_final_frees_its_stream(engine: SphinxEngine, speech: Float32) -> None:
    beginning = speech[: s_to_samples(BEGINNING_S)]
    await engine.decode([ask(beginning, PARTIAL, session) for session in "ab"])

    await words(engine, ask(beginning, session="a"))

    assert isinstance(await answered(engine, ask(beginning, PARTIAL, "c")), Hypothesis)


async def test_forgotten_session_frees_its_streams(engine: SphinxEngine, speech: Float32) -> None:
    beginning = speech[: s_to_samples(BEGINNING_S)]
    await engine.decode([ask(beginning, PARTIAL, session) for session in "ab"])

    engine.forget("b")

    assert isinstance(await answered(engine, ask(beginning, PARTIAL, "c")), Hypothesis)
    assert isinstance(await answered(engine, ask(beginning, PARTIAL, "b")), EngineBusy)


async def test_session_forgotten_while_it_is_decoded_keeps_no_stream(engine: SphinxEngine, speech: Float32) -> None:
    beginning = speech[: s_to_samples(BEGINNING_S)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.decode, [ask(beginning, PARTIAL, "a")])
        await anyio.wait_all_tasks_blocked()
        engine.forget("a")

    answers = await engine.decode([ask(beginning, PARTIAL, session) for session in "bc"])

    assert [type(answer) for answer in answers] == [Hypothesis, Hypothesis]


async def test_paused_utterance_makes_room(engine: SphinxEngine, speech: Float32) -> None:
    beginning = speech[: s_to_samples(BEGINNING_S)]
    await engine.decode([ask(beginning, PARTIAL, "a"), ask(beginning, EAGER, "b")])

    assert isinstance(await answered(engine, ask(beginning, PARTIAL, "c")), Hypothesis)


async def test_next_utterance_of_a_session_takes_the_place_of_the_one_before(
    engine: SphinxEngine, speech: Float32
) -> None:
    beginning = speech[: s_to_samples(BEGINNING_S)]
    await engine.decode([ask(beginning, PARTIAL, session) for session in "ab"])

    assert isinstance(await answered(engine, ask(beginning, PARTIAL, "a", utterance=2)), Hypothesis)


async def test_speech_after_an_eager_request_goes_on(
    engine: SphinxEngine, speech: Float32, at_once: tuple[Word, ...]
) -> None:
    await words(engine, ask(speech[: s_to_samples(1.2)], EAGER))

    assert await words(engine, ask(speech)) == at_once


@pytest.mark.parametrize(("kept_s", "start_sample"), [(1.1, 0), (1.3, 160)], ids=["shorter", "moved"])
async def test_request_that_does_not_extend_the_sound_starts_afresh(
    engine: SphinxEngine, speech: Float32, kept_s: float, start_sample: int
) -> None:
    changed = speech[: s_to_samples(kept_s)]
    expected = await words(engine, ask(changed, session="b", start_sample=start_sample))

    await words(engine, ask(speech[: s_to_samples(1.3)], PARTIAL))

    assert await words(engine, ask(changed, start_sample=start_sample)) == expected


@pytest.mark.parametrize("kind", [PARTIAL, FINAL])
async def test_cancelled_decode_leaves_the_words_of_the_next(
    engine: SphinxEngine, speech: Float32, kind: RequestKind, at_once: tuple[Word, ...]
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.decode, [ask(speech, kind), ask(speech, kind, "b")])
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert await words(engine, ask(speech)) == at_once
    assert await words(engine, ask(speech, session="b")) == at_once
    assert CountingDecoder.made <= STREAMS + 1


@pytest.mark.parametrize("kind", RequestKind)
async def test_words_lie_in_order_inside_the_sound(engine: SphinxEngine, speech: Float32, kind: RequestKind) -> None:
    request = ask(speech, kind, start_sample=48_000)

    spoken = await words(engine, request)

    assert len(spoken) == 4
    assert all(request.start_sample <= word.start_sample < word.end_sample <= request.end_sample for word in spoken)
    assert all(before.end_sample <= after.start_sample for before, after in pairwise(spoken))


async def test_words_are_told_where_they_are_spoken(
    engine: SphinxEngine, speech: Float32, at_once: tuple[Word, ...]
) -> None:
    lead = silence(0.5)
    lead += noise(0.5, amplitude=0.001)

    late = await words(engine, ask(np.concatenate([lead, speech])))

    assert late[-1].end_sample - at_once[-1].end_sample == pytest.approx(len(lead), abs=SAMPLE_RATE_HZ // 20)


async def test_only_finals_have_probabilities(engine: SphinxEngine, speech: Float32, at_once: tuple[Word, ...]) -> None:
    partial = await words(engine, ask(speech, PARTIAL))

    assert {word.probability for word in partial} == {None}
    assert all(word.probability is not None and 0.0 < word.probability <= 1.0 for word in at_once)


async def test_words_are_spelt_for_readers(engine: SphinxEngine, demo: list[tuple[str, Float32]]) -> None:
    spoken = [word.text for _, sound in demo[2:3] for word in await words(engine, ask(sound))]

    assert " I" in spoken
    assert not any(mark in word for word in spoken for mark in "()[]<>+")


async def test_prefix_of_a_partial_stays_where_the_recogniser_has_other_words(
    engine: SphinxEngine, speech: Float32, at_once: tuple[Word, ...]
) -> None:
    committed = (Word(" Kenya", at_once[0].start_sample, at_once[1].end_sample),)

    spoken = await words(engine, ask(speech, kind=RequestKind.PARTIAL, prefix=committed))

    assert spoken[:1] == committed
    assert spoken[1].start_sample >= committed[0].end_sample


async def test_other_language_is_refused_by_name(engine: SphinxEngine, speech: Float32) -> None:
    refused, heard = await engine.decode([ask(speech, language="de"), ask(speech, session="b", language="en")])

    assert isinstance(refused, EngineFailed)
    assert "'de'" in str(refused)
    assert "'en'" in str(refused)
    assert isinstance(heard, Hypothesis)
    assert heard.language == "en"


@pytest.mark.parametrize("length", [0, 1, 159, 410, 3_200])
@pytest.mark.parametrize("kind", RequestKind)
async def test_hardly_any_sound_has_no_words(engine: SphinxEngine, length: int, kind: RequestKind) -> None:
    assert await words(engine, ask(np.full(length, 0.01, np.float32), kind)) == ()


async def test_sound_beyond_full_scale_is_clipped_and_the_rest_rounded(engine: SphinxEngine) -> None:
    step = 1 / (1 << 15)

    await words(engine, ask(np.array([2.0, 1.0, -1.0, -3.0, 1.6 * step, -0.4 * step], np.float32)))

    assert np.frombuffer(b"".join(CountingDecoder.fed_pcm), "<i2").tolist() == [32_767, 32_767, -32_768, -32_768, 2, 0]


async def test_model_that_cannot_be_loaded_is_an_error_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POCKETSPHINX_PATH", str(tmp_path))

    with pytest.raises(ModelError, match="en-us"):
        await SphinxEngine(EngineSettings()).warm_up()
