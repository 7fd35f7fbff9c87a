"""A comparison of engines: the same recordings streamed through each, and the resources that each uses.

    python -m benchmarks.engines [--audio DIR] [--engines whisper:DIR moonshine:DIR …] [--sets …] [--streams 1 4 8]

Each engine is measured in its own process. `naive:DIR` is Whisper as open peers use it: for every partial the full
window and the whole text again, without committed words or eager finals.

- Words, stability and lags of each set are those of `benchmarks.words`, arm `shipped`.
- *CPU*: seconds of decoding for a second of audio, with that many concurrent streams: passages of a long recording on
  the virtual clock, a decode taking `--cost-ms`, one thread.
- *Start*: from the creation of the engine to its first answer. *Memory*: peak of the process after those streams; at
  the start, that of Python and the gateway without a model. *Weights*: size of the files.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import msgspec

from benchmarks.arms import Arm, gateway_settings, pcm_of
from benchmarks.recordings import SHARED_AUDIO
from benchmarks.report import print_table, write_json
from benchmarks.sets import SETS, Recording, read_sets
from benchmarks.tally import Figures
from benchmarks.virtual import VirtualGateway
from benchmarks.words import Bench, overrides_of
from clients.paced_media import MEDIA_FORMAT
from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.engines.scripted import CostModel
from decoder.engines.whisper.engine import backend
from decoder.types import DecodeRequest, EngineError, Hypothesis
from decoder.whisper.engine import WhisperEngine
from gateway.settings import Settings
from gateway.wire import SAMPLE_RATE_HZ, Start
from tools.real_models import model_directory

DEFAULT_SETS = tuple(name for name in SETS if name != "languages")

PASSAGE_S = 25.0
"""Of the long recording, for each stream."""

NAIVE = "naive"

NAIVE_SETTINGS = ("engine.partial_window=full", "session.eager_finals=false")

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Costs:
    """The resources that an engine uses.

    Attributes:
        start_s: from its creation to its first answer.
        empty_mib: memory of the process before.
        memory_mib: peak with all streams.
        weights_mib: of the files.
        cpu_s_per_s: streams → CPU seconds for a second of audio.
    """

    start_s: float
    empty_mib: float
    memory_mib: float
    weights_mib: float
    cpu_s_per_s: dict[int, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine.

    Attributes:
        engine: as on the command line.
        costs: of it.
        sets: figures of each.
    """

    engine: str
    costs: Costs
    sets: list[Figures]

    @property
    def named(self) -> str:
        """Its name and that of its weights, for a table."""
        name, weights = engine_of(self.engine)
        return f"{name} {weights.name}"


async def measure(options: argparse.Namespace) -> Measured:
    """Measure one engine in this process."""
    name, weights = engine_of(options.alone)
    settings = settings_of(name, weights, overrides_of(options.settings))
    cost = CostModel(batch_s=options.cost_ms / 1000)
    empty_mib, began_s = peak_mib(), time.perf_counter()
    engine = (
        NaiveWhisper(settings.engine, backend(settings.engine)) if name == NAIVE else create_engine(settings.engine)
    )
    await engine.warm_up()
    start_s = time.perf_counter() - began_s
    sets = read_sets(options.audio, options.sets)
    long = read_sets(options.audio, ["long"]).get("long", [])
    cpu = {streams: await cpu_of(engine, settings, long[0], streams, cost) for streams in options.streams if long}
    weights_mib = sum(path.stat().st_size for path in weights.iterdir() if path.is_file()) / MIB
    costs = Costs(start_s, empty_mib, peak_mib(), weights_mib, cpu)
    bench = Bench(weights, engine, options.times, settings, cost, "")
    figures = [await bench.measure(name, recordings, Arm.SHIPPED) for name, recordings in sets.items()]
    await engine.aclose()
    return Measured(options.alone, costs, figures)


async def cpu_of(engine: Engine, settings: Settings, long: Recording, streams: int, cost: CostModel) -> float:
    """Return the CPU seconds for a second of audio with that many concurrent streams."""
    audio, passage = long.read(), round(PASSAGE_S * SAMPLE_RATE_HZ)
    step = (len(audio) - passage) // max(streams - 1, 1)
    streamed = [pcm_of(audio[number * step : number * step + passage]) for number in range(streams)]
    gateway = VirtualGateway(engine, settings, Start(MEDIA_FORMAT, language="en"), streamed, cost=cost)
    await gateway.run()
    return gateway.cpu_s / (streams * PASSAGE_S)


class NaiveWhisper(WhisperEngine):
    """Whisper on CTranslate2 without committed words: the whole text is generated each time."""

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, in the same order."""
        return await super().decode([replace(request, prefix=()) for request in batch])


def settings_of(name: str, weights: Path, overrides: Mapping[str, Mapping[str, object]]) -> Settings:
    """Return the gateway's settings for an engine, or for `NAIVE`."""
    if name != NAIVE:
        return gateway_settings(weights, overrides, name)
    naive = overrides_of(NAIVE_SETTINGS)
    return gateway_settings(weights, {**overrides, **{key: {**overrides.get(key, {}), **naive[key]} for key in naive}})


def engine_of(text: str) -> tuple[str, Path]:
    """Return an engine's name and the directory of its weights.

    Args:
        text: NAME:DIRECTORY.

    Raises:
        ValueError: it has another form.
    """
    name, colon, directory = text.partition(":")
    if not (colon and name and directory):
        raise ValueError(f"--engines {text}: expected NAME:DIRECTORY")
    return name, Path(directory)


def peak_mib() -> float:
    """Return the peak memory of this process in MiB; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_apart(options: argparse.Namespace, engine: str, folder: Path) -> Measured:
    """Measure one engine in its own process."""
    target = folder / "engine.json"
    command = [sys.executable, "-m", "benchmarks.engines", "--alone", engine, "--json", str(target)]
    command += ["--audio", str(options.audio), "--times", str(options.times), "--cost-ms", str(options.cost_ms)]
    command += ["--sets", *options.sets, "--streams", *map(str, options.streams)]
    command += [argument for setting in options.settings for argument in ("--set", setting)]
    subprocess.run(command, check=True)  # noqa: S603 - our own command
    return msgspec.json.decode(target.read_bytes(), type=Measured)


def print_engines(measured: Sequence[Measured]) -> None:
    """Print what all engines wrote, and what they cost."""
    columns = ["set", "engine", "wrong %", "errors", "withdrawn", "changed %", "shown s", "p95", "final s", "p95"]
    by_set = zip(*(one.sets for one in measured), strict=True)
    rows = [_words_row(one, figures) for same in by_set for one, figures in zip(measured, same, strict=True)]
    print_table("what is written", columns, rows)
    streams = [f"CPU s / s, {number} streams" for number in measured[0].costs.cpu_s_per_s]
    costs = [(one.named, one.costs) for one in measured]
    table = [
        [name, *cost.cpu_s_per_s.values(), cost.memory_mib, cost.empty_mib, cost.weights_mib, cost.start_s]
        for name, cost in costs
    ]
    print_table("what it costs", ["engine", *streams, "MiB", "MiB before", "weights MiB", "start s"], table)


def _words_row(measured: Measured, figures: Figures) -> list[object]:
    wrong = None if figures.wrong is None else f"{100 * figures.wrong:.1f}"
    changed = None if figures.changed is None else f"{100 * figures.changed:.1f}"
    lags = [figures.shown_p50_s, figures.shown_p95_s, figures.final_p50_s, figures.final_p95_s]
    cells = [figures.set, measured.named, wrong, figures.errors, figures.withdrawn, changed, *lags]
    return ["–" if cell is None else cell for cell in cells]


def main() -> None:
    """Measure, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    laid_out = {"whisper": model_directory("whisper-tiny.en"), "moonshine": model_directory("moonshine-tiny-en")}
    engines = [f"{name}:{directory}" for name, directory in laid_out.items() if directory is not None]
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder of recordings and their manifest.json")
    parser.add_argument("--engines", nargs="+", default=engines, metavar="NAME:DIRECTORY")
    parser.add_argument(
        "--times", type=Path, default=laid_out["whisper"], help="Whisper model for the times of the spoken words"
    )
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(DEFAULT_SETS), help="of recordings")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8], help="concurrent, for the CPU")
    parser.add_argument("--cost-ms", type=float, default=150.0, help="of a decode on the virtual clock")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="GROUP.KEY=VALUE")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        options.json.write_bytes(msgspec.json.encode(anyio.run(measure, options)))
        return
    if not options.engines or options.times is None:
        parser.error("no weights found: run `make models`, or set --engines and --times")
    with TemporaryDirectory() as folder:
        measured = [measure_apart(options, engine, Path(folder)) for engine in options.engines]
    print_engines(measured)
    write_json(options.json, "engines", [asdict(one) for one in measured])


if __name__ == "__main__":
    main()
