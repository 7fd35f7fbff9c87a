"""The benchmark for a GPU, rehearsed on a CPU: its arithmetic, its load, and that texts are as long as their audio."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from benchmarks.gpu import MARKS, encoder
from benchmarks.gpu_correctness import differences, spoiled
from benchmarks.gpu_engines import loaded_model
from benchmarks.gpu_kernels import Ceilings, Work, encoder_work, graph_memory_bytes, pass_work
from benchmarks.gpu_models import SIZES, TOKENS_PER_S, WORDS, as_spoken, speaking_vocabulary, spoken_tokens
from benchmarks.gpu_run import Run, scale_of
from benchmarks.gpu_streams import Arrival, Lags, Load, arrivals, measure_streams
from decoder.engines.torch_whisper.passes import GRAPHS, Pass
from decoder.engines.torch_whisper.slots import Start
from decoder.types import Hypothesis, RequestKind
from tests.requests import request

TURBO = SIZES["large-v3-turbo"]


def arrival(revision: int, at_s: float, *, is_final: bool = False) -> Arrival:
    return Arrival(at_s, 0, 0, revision, revision * 0.5, is_final)


def test_a_full_window_of_large_v3_turbo_takes_its_weights_times_its_positions() -> None:
    work = encoder_work(TURBO, positions=1500, batch=1, silent=0, bytes_each=2)

    assert work.flops == pytest.approx(2 * 635e6 * 1500 + 32 * 4 * 1500**2 * 1280, rel=0.02)
    assert work.bytes == pytest.approx(2 * 635e6, rel=0.02)
    assert encoder_work(TURBO, 1500, 4, 0, 2).flops == 4 * work.flops


def test_a_step_of_one_row_reads_the_decoder_once_and_its_stores() -> None:
    step = Pass(0, 1, 1, 1, 64, 352, is_step=True)

    work = pass_work(TURBO, step, bytes_each=2)

    weights = 4 * 14 * 1280**2 + 1280 * TURBO.vocabulary
    assert work.bytes == 2 * (weights + 4 * 2 * (64 + 352) * 1280)
    assert work.flops > 2 * weights


def test_the_roofline_is_the_slower_of_arithmetic_and_reading() -> None:
    ceilings = Ceilings(bytes_per_s=1e12, flops_per_s=1e14)

    assert Work(flops=1e12, bytes=1e9).least_ms(ceilings) == pytest.approx(10.0)
    assert Work(flops=1e10, bytes=1e9).least_ms(ceilings) == pytest.approx(1.0)


def test_graphs_share_the_memory_of_the_largest() -> None:
    shapes = GRAPHS.all_passes(64)

    assert graph_memory_bytes(TURBO, shapes) == graph_memory_bytes(
        TURBO, [max(shapes, key=lambda s: s.count * s.chosen)]
    )
    assert graph_memory_bytes(TURBO, []) == 0


def test_every_stream_asks_at_its_cadence_and_no_two_at_once() -> None:
    due = arrivals(Load(streams=5, cadence_s=0.5, seconds=16.0))

    assert [each.at_s for each in due] == sorted(each.at_s for each in due)
    assert len({round(each.at_s, 3) for each in due}) == len(due)
    for stream in range(5):
        own = [each for each in due if each.stream == stream]
        assert len(own) in (31, 32)
        assert {each.audio_s for each in own if each.is_final} == {8.0}


def test_a_superseded_partial_is_shown_by_the_one_that_replaced_it() -> None:
    lags = Lags(cadence_s=0.5)
    for each in (arrival(1, 0.5), arrival(2, 1.0), arrival(3, 1.5, is_final=True)):
        lags.submitted(each)

    lags.answered(arrival(2, 1.0), 1.25)

    assert lags.shown_s == pytest.approx([1.0, 0.5])
    assert lags.waiting == 1
    lags.answered(arrival(3, 1.5, is_final=True), 1.75)
    assert lags.finals_s == pytest.approx([0.25])
    assert lags.waiting == 0


def test_what_is_never_answered_counts_as_late_and_failed() -> None:
    lags = Lags(cadence_s=1.0)
    lags.submitted(arrival(1, 1.0))

    lags.end(4.0)

    assert lags.failed == 1
    assert lags.shown_s == pytest.approx([3.5])


def test_texts_are_as_long_as_their_audio_and_drafts_wrong_at_their_end() -> None:
    draft = tuple(range(300, 312))
    start = Start((1, 2, 3), 0, (), draft, 100, is_timed=False, temperature=0.0, content=200)

    changed = as_spoken(start)

    assert changed.limit == round(4.0 * TOKENS_PER_S)
    assert changed.draft[:-2] == draft[:-2]
    assert changed.draft[-2:] != draft[-2:]


def test_every_word_is_one_token() -> None:
    tokens = spoken_tokens(speaking_vocabulary(SIZES["micro"]))

    assert len(tokens) == len(set(tokens)) == len(WORDS)


def test_texts_that_differ_are_found_with_their_first_difference() -> None:
    assert differences([(1, 2), (3,), (4, 5)], [(1, 2), (3, 4), (4, 6)]) == [1, 1]
    assert spoiled((1, 2, 3, 4, 5, 6)) == (1, 10, 3, 4, 5, 10)


async def test_streams_are_decoded_by_the_real_engine() -> None:
    with loaded_model(SIZES["micro"], torch.device("cpu"), torch.float32, slots=2) as model:
        engine = model.engine("trimmed")
        await engine.warm_up()
        figures = await measure_streams(engine, Load(streams=1, cadence_s=4.0, seconds=9.0 / 8))
        [partial] = await engine.decode([request(kind=RequestKind.PARTIAL, seconds=4.0)])
        [final] = await engine.decode([request(kind=RequestKind.FINAL, seconds=4.0)])

    assert isinstance(partial, Hypothesis)
    assert isinstance(final, Hypothesis)
    assert [word.text.strip() for word in partial.words] == WORDS[: round(4.0 * TOKENS_PER_S)]
    assert [word.text for word in final.words] == [word.text for word in partial.words]
    assert figures.failed == 0


def test_results_are_written_after_each_section_and_skipped_ones_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(scale_of(is_gpu=False), budget_s=60.0, json=tmp_path / "gpu.json")

    encoder(run)

    assert not run.has_time("streams", 1000.0)
    assert "streams: skipped" in capsys.readouterr().out
    written = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    assert len(written["results"]["encoder"]) == len(run.scale.encoder)


def test_marks_are_of_sizes_that_are_measured() -> None:
    scale = scale_of(is_gpu=True)

    assert (192, 16) in scale.encoder
    assert {"encoder 192 × 16", "pass 64 × 1, 352"} <= MARKS.keys()
    assert 64 in scale.rows
    assert 352 in scale.cross
