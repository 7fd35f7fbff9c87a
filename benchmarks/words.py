"""Accuracy, stability and lag of the words, on real speech with real weights.

Each recording is transcribed separately, engine int8 on one thread, in up to three arms:

- `whole`: faster-whisper's own `transcribe` of the whole file, beam 5: the accuracy of the weights. Whisper only.
- `partials-off`: this gateway without partials, the audio streamed in frames of 20 ms.
- `shipped`: the same with partials and default settings.

The gateway's clock is virtual and a decode takes `--cost-ms`, so the policy is measured and not the machine. The
language is given, except for the set `languages`, where every arm must detect it.

- *Words wrong*: substituted, missing or surplus words over spoken ones, summed over the set (`benchmarks.scoring`);
  of meetings against the best-fitting merge of the speakers' words. Without speech: words written, and the most
  displayed at a time.
- *Withdrawn*: words of a partial display that are not in the next one, by common prefix, per final word.
- *Changed*: words of the last partial display that the final changes, by alignment, per final word; *promised*: those
  of them that were committed.
- *Shown*, *committed*: from the end of a correct word to its lasting display, tracked by aligning each display with the
  next, and to its commitment. *Final*: from the end of an utterance's last word to its final. Seconds, p50 and p95.
  Word times are annotated or aligned (`benchmarks.reference_times`).
- *Encoder*: audio encoded for a second of audio, padding included; *of full*: relative to full windows for the same
  requests. *Steps*: of the decoder, for a second of audio. *CPU*: seconds of decoding for a second of audio.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import anyio
from faster_whisper import WhisperModel

from benchmarks.arms import COMPUTE_TYPE, Arm, gateway_settings, stream, transcribe_whole
from benchmarks.recordings import SHARED_AUDIO, SpokenWord
from benchmarks.reference_times import ReferenceTimes
from benchmarks.report import print_table, write_json
from benchmarks.sets import SETS, Recording, levels, read_sets
from benchmarks.tally import Figures, Tally
from clients.paced_media import MEDIA_FORMAT
from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.engines.scripted import CostModel
from gateway.settings import Settings
from gateway.wire import Start
from tools.real_models import model_directory

WEIGHTS = ("whisper-tiny.en", "whisper-base")

ENGINES = ("moonshine", "torch", "whisper")

DETECTED = ("languages",)
"""Sets whose language is detected."""


class Bench:
    """One model, loaded for all arms.

    Args:
        weights: directory of the engine's weights.
        engine: warm, with these weights.
        whisper: directory of a CTranslate2 Whisper, for the whole file and for reference times.
        settings: of the gateway.
        cost: of a decode on the virtual clock.
        prompt: of the gateway's sessions.
    """

    def __init__(
        self, weights: Path, engine: Engine, whisper: Path, settings: Settings, cost: CostModel, prompt: str
    ) -> None:
        self._weights = weights.name
        self._engine = engine
        self._settings = settings
        self._cost = cost
        self._prompt = prompt
        self._model = WhisperModel(str(whisper), device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=1)
        self._times = ReferenceTimes(self._model)

    @property
    def is_multilingual(self) -> bool:
        """Whether the engine supports languages other than English."""
        return self._engine.info.languages != ("en",)

    async def measure(self, name: str, recordings: Sequence[Recording], arm: Arm) -> Figures:
        """Transcribe a set, one recording after the other."""
        tally = Tally(self._weights, name, arm)
        for recording in recordings:
            spoken: Sequence[Sequence[SpokenWord]] = ()
            language = None if name in DETECTED else recording.language or "en"
            if arm is Arm.WHOLE:
                transcribed = transcribe_whole(self._model, recording, language)
            else:
                start = Start(MEDIA_FORMAT, language=language, partials=arm is Arm.SHIPPED, prompt=self._prompt)
                transcribed = await stream(self._engine, self._settings, recording, start, self._cost)
                spoken = self._times.of(recording)
            tally.add(recording, transcribed, spoken)
        return tally.figures()


async def run(options: argparse.Namespace) -> list[Figures]:
    """Measure all weights, sets and arms, and print a table for each set as soon as it is complete."""
    sets = chosen_sets(options)
    results: list[Figures] = []
    for weights in options.weights:
        settings = gateway_settings(weights, overrides_of(options.settings), options.engine)
        engine = create_engine(settings.engine)
        await engine.warm_up()
        is_whisper = options.engine in ("torch", "whisper")  # CTranslate2's directories serve both
        whisper = weights if is_whisper else options.times
        arms = [arm for arm in options.arms if is_whisper or arm is not Arm.WHOLE]
        bench = Bench(weights, engine, whisper, settings, CostModel(batch_s=options.cost_ms / 1000), options.prompt)
        for name, recordings in sets.items():
            if bench.is_multilingual or name not in DETECTED:
                figures = [await bench.measure(name, recordings, arm) for arm in arms]
                print_figures(figures)
                results += figures
        await engine.aclose()
    return results


def chosen_sets(options: argparse.Namespace) -> dict[str, list[Recording]]:
    """Return the recordings of each set to be measured, without empty sets."""
    if not options.levels:
        return read_sets(options.audio, options.sets)
    clean = read_sets(options.audio, ["clean"]).get("clean", [])
    return {f"{level} dBFS": recordings for level, recordings in levels(clean).items()}


def overrides_of(assignments: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return settings by group and key.

    Args:
        assignments: each GROUP.KEY=VALUE.

    Raises:
        ValueError: an assignment has another form.
    """
    overrides: dict[str, dict[str, object]] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        group, dot, name = key.strip().partition(".")
        if not (equals and dot):
            raise ValueError(f"--set {text}: expected GROUP.KEY=VALUE")
        overrides.setdefault(group, {})[name] = value.strip()
    return overrides


def print_figures(figures: Sequence[Figures]) -> None:
    """Print the arms of one set."""
    title = f"{figures[0].set}, {figures[0].weights}: {len(figures[0].scores)} recordings, {figures[0].audio_s:.0f} s"
    if not any(one.words for one in figures):
        columns = ["arm", "words written", "most displayed", "encoder s / s", "CPU s / s"]
        cells = [[one.arm, one.errors, one.displayed, one.encoder_s_per_s, one.cpu_s_per_s] for one in figures]
        print_table(title, columns, [list(map(_cell, row)) for row in cells])
        return
    columns = ["arm", "wrong %", "errors", "of words", "withdrawn", "changed %", "promised %"]
    columns += ["shown s", "p95", "committed s", "p95", "final s", "p95"]
    columns += ["encoder s / s", "of full", "steps / s", "CPU s / s"]
    print_table(title, columns, [list(map(_cell, _cells(one))) for one in figures])


def main() -> None:
    """Measure, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.words", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    laid_out = [directory for directory in map(model_directory, WEIGHTS) if directory is not None]
    arms = list(Arm)
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder of recordings and their manifest.json")
    parser.add_argument("--engine", choices=ENGINES, default="whisper", help="of the weights")
    parser.add_argument("--weights", type=Path, nargs="+", default=laid_out, help="their directories")
    parser.add_argument(
        "--times",
        type=Path,
        default=laid_out[0] if laid_out else None,
        help="Whisper model for word times with other engines",
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="of recordings")
    parser.add_argument("--levels", action="store_true", help="instead: a few clean recordings at levels from -30 dBFS")
    parser.add_argument("--arms", type=Arm, nargs="+", choices=arms, default=arms, metavar="{" + ",".join(arms) + "}")
    parser.add_argument("--cost-ms", type=float, default=150.0, help="of a decode on the virtual clock")
    parser.add_argument("--prompt", default="", help="of the gateway's sessions; the arm `whole` has none")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="GROUP.KEY=VALUE", help="any setting"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    if not options.weights or not (options.times or options.engine != "moonshine"):
        parser.error("no weights: `make models` lays some out, --weights and --times name others")
    results = anyio.run(run, options)
    write_json(options.json, "words", [asdict(figures) for figures in results])


def _cells(figures: Figures) -> list[object]:
    percents = [None if ratio is None else 100 * ratio for ratio in (figures.changed, figures.promised_changed)]
    wrong = None if figures.wrong is None else f"{100 * figures.wrong:.1f}"
    words = [figures.arm, wrong, figures.errors, figures.words]
    stability = [figures.withdrawn, *(None if percent is None else f"{percent:.1f}" for percent in percents)]
    lags = [figures.shown_p50_s, figures.shown_p95_s, figures.committed_p50_s, figures.committed_p95_s]
    lags += [figures.final_p50_s, figures.final_p95_s]
    work = [figures.encoder_s_per_s, figures.encoder_share, figures.steps_per_s, figures.cpu_s_per_s]
    return [*words, *stability, *lags, *work]


def _cell(value: object) -> object:
    return "–" if value is None else value


if __name__ == "__main__":
    main()
