"""The Whisper engine in torch on a GPU: whether it is right, how fast its parts are, and how many streams it serves.

    python -m benchmarks.gpu [--budget 480] [--sections machine correct …] [--json FILE]
    python -m benchmarks.gpu --cpu       # the same code with small shapes, to try it out

Sections, each of which is skipped where the rest of the budget is not enough for it, and whose results are written as
soon as they are there: *machine*, *correct* (`benchmarks.gpu_correctness`), *encoder* and *pass*
(`benchmarks.gpu_kernels`), *streams* (`benchmarks.gpu_streams`). Weights are random (`benchmarks.gpu_models`) but where
what is decoded matters: there Whisper base and tiny.en, where their packages are installed. Of what livecue depends on,
it needs torch, faster-whisper, anyio, msgspec, soxr and rich. The marks are for one NVIDIA H100.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import anyio
import torch

from benchmarks.gpu_correctness import Case, measure_correctness
from benchmarks.gpu_engines import ctranslate2_engine, has_ctranslate2_gpu, loaded_model
from benchmarks.gpu_kernels import graph_memory_bytes, measure_encoder, measure_pass, pass_slots
from benchmarks.gpu_models import SIZES, speaking_checkpoint, speaking_vocabulary
from benchmarks.gpu_run import Run, Scale, scale_of
from benchmarks.gpu_streams import Load, StreamFigures, measure_streams, most_streams
from benchmarks.report import print_table
from decoder.engine import Engine
from decoder.engines.torch_whisper.checkpoint import read_checkpoint
from decoder.engines.torch_whisper.engine import read_vocabulary
from decoder.engines.torch_whisper.model import Weights
from decoder.engines.torch_whisper.passes import GRAPHS, Pass
from decoder.engines.torch_whisper.silence import Silence
from tools.real_models import ModelsError, model_directory, write_model

MARKS = {
    "float32 error": "≤ 1e-3",
    "half error": "≤ 3e-2",
    "encoder 192 × 16": "≤ 14 ms",
    "pass 64 × 1, 352": "≤ 0.8 ms",
}

STREAM_MARKS = {"large-v3-turbo": "200 / 400 / 600", "large-v3": "60 / 150 / 250", "micro": "–"}
"""The least, the goal, and the most that anybody has shown."""

REAL_MODELS = ("whisper-tiny.en", "whisper-base")


def machine(run: Run) -> None:
    """Measure what the device does at best."""
    is_gpu = run.scale.device.type == "cuda"
    name = torch.cuda.get_device_name(run.scale.device) if is_gpu else "cpu"
    ceilings = run.ceilings
    columns = ("torch", "device", "copy TB/s", f"{run.scale.dtype} TFLOP/s".removeprefix("torch."))
    print_table(
        "machine", columns, [(torch.__version__, name, ceilings.bytes_per_s / 1e12, ceilings.flops_per_s / 1e12)]
    )
    run.keep("machine", {"torch": torch.__version__, "device": name, **asdict(ceilings)})


def correct(run: Run) -> None:
    """Compare the device to the CPU, and texts with and without drafts, graphs and neighbours."""
    device = run.scale.device
    is_gpu = device.type == "cuda"
    # Convolutions of float32 would be of TensorFloat-32, which has float16's precision.
    torch.backends.cudnn.allow_tf32 = False
    dtypes = (torch.float32, torch.float16, torch.bfloat16) if is_gpu else (torch.float32,)
    figures, agreements = [], []
    for case in _cases(run.scale):
        if not run.has_time(f"correct, {case.name}", 40 if is_gpu else 20):
            break
        near, same = measure_correctness(case, device, dtypes)
        figures += near
        agreements += same
    rows = [
        (
            each.model,
            each.dtype,
            f"{each.encoder_error:.1e}",
            MARKS["float32 error" if each.dtype == "torch.float32" else "half error"],
            f"{each.same} of {each.texts}",
        )
        for each in figures
    ]
    print_table("against float32 on the CPU", ("model", "weights", "encoder error", "mark", "same texts"), rows)
    columns = ("model", "what must change no text", "graphs", "texts", "changed", "first at token")
    kept = [(a.model, a.what, a.graphs, a.texts, a.changed, "–" if a.first is None else a.first) for a in agreements]
    print_table("float32 on the device, against no draft, eager, all rows together", columns, kept)
    run.keep("correct", {"near": [asdict(each) for each in figures], "changes": [asdict(each) for each in agreements]})


def _cases(scale: Scale) -> list[Case]:
    """Return the models to be compared: real ones, one in a rehearsal, and a random one where there are none."""
    cases = []
    for name in REAL_MODELS if scale.device.type == "cuda" else REAL_MODELS[:1]:
        directory = model_directory(name)
        if directory is None:
            try:
                directory = write_model(name, Path(tempfile.gettempdir()) / "livecue-models")
            except ModelsError as error:
                print(f"correct, {name}: skipped, {error}", flush=True)
                continue
        checkpoint = read_checkpoint(directory)
        cases.append(Case(name, checkpoint, read_vocabulary(directory, checkpoint), scale.texts, scale.text_tokens))
    if not cases:
        vocabulary = speaking_vocabulary(SIZES["micro"])
        cases.append(
            Case("micro", speaking_checkpoint(SIZES["micro"], vocabulary), vocabulary, scale.texts, scale.text_tokens)
        )
    return cases


def encoder(run: Run) -> None:
    """Time batches of the encoder."""
    weights = _weights(run.scale)
    silence = Silence(weights)
    silence.prepare_all()
    figures = measure_encoder(weights, silence, run.scale.encoder, run.ceilings)
    rows = [
        (
            f"{each.positions} × {each.batch}",
            each.ms,
            each.ms / each.batch,
            f"{each.roofline:.0%}",
            MARKS.get(f"encoder {each.positions} × {each.batch}", ""),
        )
        for each in figures
    ]
    title = f"encoder of {run.scale.kernels}, silence grafted but at 1500"
    print_table(title, ("positions × windows", "ms", "ms a window", "of the roofline", "mark"), rows)
    run.keep("encoder", [asdict(each) for each in figures])


def decoder_pass(run: Run) -> None:
    """Time passes of the decoder, with and without graphs."""
    scale = run.scale
    weights = _weights(scale)
    vocabulary = speaking_vocabulary(weights.dims)
    heads = tuple((weights.dims.decoder_layers - 1, head) for head in range(min(10, weights.dims.heads)))
    slots = pass_slots(weights, vocabulary, heads, max(scale.rows))
    most = max(scale.rows) * max(scale.widths) // 4
    shapes = [
        Pass(0, rows, width, 1 if width == 1 else max(1, width - 7), 64 if width <= 32 else 128, cross, width == 1)
        for rows in scale.rows
        for width in scale.widths
        for cross in scale.cross
        if rows * width <= most or scale.device.type == "cpu"  # more are never taken in at once
    ]
    figures = measure_pass(slots, shapes, run.ceilings)
    rows = [
        (
            f"{each.rows} × {each.width}, {each.cross}",
            each.eager_ms,
            "–" if each.graph_ms is None else each.graph_ms,
            f"{each.roofline:.0%}",
            MARKS.get(f"pass {each.rows} × {each.width}, {each.cross}", ""),
        )
        for each in figures
    ]
    columns = ("rows × tokens, positions", "eager ms", "graph ms", "of the roofline", "mark")
    print_table(f"pass of the decoder of {scale.kernels}", columns, rows)
    run.keep("pass", [asdict(each) for each in figures])


def _weights(scale: Scale) -> Weights:
    dims = SIZES[scale.kernels]
    return Weights.of(speaking_checkpoint(dims, speaking_vocabulary(dims)), scale.device, scale.dtype)


def streams(run: Run) -> None:
    """Search for the most streams that each model keeps up with."""
    scale = run.scale
    found: list[dict[str, object]] = []
    search_s = scale.probes * (scale.seconds + 4)
    for size in dict.fromkeys(size for size, *_ in scale.searches):
        if not run.has_time(f"streams of {size}", search_s + 40 if scale.device.type == "cuda" else search_s):
            continue
        _print_memory(scale, size)
        with loaded_model(SIZES[size], scale.device, scale.dtype, scale.slots) as model:
            for of_size, window, cadence_s, count in scale.searches:
                if of_size == size and run.has_time(f"streams of {size}, every {cadence_s} s", search_s):
                    first = Load(count, cadence_s, scale.seconds)
                    tried = anyio.run(_searched, model.engine(window), first, scale.probes)
                    found.append(_streams_found(f"torch, {size}, finals {window}", size, tried))
                    run.keep("streams", found)
        _print_peak(scale)
    _beside(run, found)


async def _searched(engine: Engine, first: Load, probes: int) -> list[StreamFigures]:
    await engine.warm_up()
    await measure_streams(engine, Load(max(1, first.streams // 4), first.cadence_s, min(2.0, first.seconds)))
    return await most_streams(engine, first, probes)


def _beside(run: Run, found: list[dict[str, object]]) -> None:
    """Search for the most streams of CTranslate2's engine with a model of the same shape."""
    scale = run.scale
    size, _, cadence_s, count = scale.searches[0]
    is_gpu = scale.device.type == "cuda"
    if is_gpu and not has_ctranslate2_gpu():
        print("streams of CTranslate2: skipped, it finds no GPU", flush=True)
        return
    writing_s = 90 if is_gpu else 5
    if not run.has_time("streams of CTranslate2", writing_s + scale.probes * (scale.seconds + 4)):
        return
    with tempfile.TemporaryDirectory() as folder:
        write = partial(ctranslate2_engine, size, SIZES[size], Path(folder))
        engine = write("cuda", "float16") if is_gpu else write("cpu", None)
        tried = anyio.run(_searched, engine, Load(max(1, count // 4), cadence_s, scale.seconds), scale.probes)
        anyio.run(engine.aclose)
    found.append(_streams_found(f"CTranslate2, {size}", size, tried))
    run.keep("streams", found)


def _streams_found(name: str, size: str, tried: Sequence[StreamFigures]) -> dict[str, object]:
    most = max((each.streams for each in tried if each.keeps_up), default=0)
    rows = [
        (
            each.streams,
            _pair(each.shown_p50_s, each.shown_p95_s),
            _pair(each.final_p50_s, each.final_p95_s),
            f"{each.superseded:.0%}",
            each.failed,
            "–" if each.late_p95_s is None else each.late_p95_s,
            each.host_share,
            "–" if each.gpu_busy is None else f"{each.gpu_busy:.0%}",
            "yes" if each.keeps_up else "no",
        )
        for each in tried
    ]
    columns = ("streams", "shown s", "final s", "superseded", "failed", "late s", "host", "GPU busy", "keeps up")
    title = f"{name}, a partial every {tried[0].cadence_s} s: {most} streams keep up (marks: {STREAM_MARKS[size]})"
    print_table(title, columns, rows)
    return {"engine": name, "cadence_s": tried[0].cadence_s, "most": most, "tried": [asdict(each) for each in tried]}


def _pair(p50_s: float | None, p95_s: float | None) -> str:
    return "–" if p50_s is None or p95_s is None else f"{p50_s:.2f} / {p95_s:.2f}"


def _print_memory(scale: Scale, size: str) -> None:
    shapes = GRAPHS.all_passes(scale.slots)
    gigabytes = graph_memory_bytes(SIZES[size], shapes) / 1e9
    print(f"{size}: {len(shapes)} graphs, which share about {gigabytes:.1f} GB on a GPU", flush=True)


def _print_peak(scale: Scale) -> None:
    if scale.device.type == "cuda":
        reserved, allocated = torch.cuda.max_memory_reserved(), torch.cuda.max_memory_allocated()
        print(f"peak memory {allocated / 1e9:.1f} GB, reserved {reserved / 1e9:.1f} GB", flush=True)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


SECTIONS: dict[str, tuple[Callable[[Run], None], float, float]] = {
    "machine": (machine, 15, 1),
    "correct": (correct, 60, 20),
    "encoder": (encoder, 60, 5),
    "pass": (decoder_pass, 60, 5),
    "streams": (streams, 60, 30),
}
"""Section → how it is measured, and what it needs at most on a GPU and on a CPU, seconds."""


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=480.0, help="seconds")
    parser.add_argument("--cpu", action="store_true", help="rehearse on the CPU, with small shapes")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    if not options.cpu and not torch.cuda.is_available():
        parser.error("torch finds no GPU: --cpu rehearses without one")
    run = Run(scale_of(is_gpu=not options.cpu), options.budget, options.json)
    for name in options.sections:
        measure, gpu_s, cpu_s = SECTIONS[name]
        if run.has_time(name, cpu_s if options.cpu else gpu_s):
            print(f"\n{name}, {run.left_s:.0f} s left", flush=True)
            with torch.inference_mode():
                measure(run)


if __name__ == "__main__":
    main()
