"""How many passes of the decoder, and positions of the encoder, an utterance takes while it grows.

    python -m benchmarks.drafts [--weights DIR …] [--cadence 0.5 1] [--arms draft plain whisper] [--audio DIR]

Each recording of one utterance, 3 to 15 s of clean speech, is decoded at every `--cadence` seconds, with the words
committed by `Stabiliser` as the prefix, and once as a final, greedily. Arms:

- `draft`: the engine torch; the last hypothesis is verified in the first pass.
- `plain`: the same without drafts: the prefix enters in one pass, each new token takes one.
- `whisper`: CTranslate2, which takes a step for each token, forced ones included.

Figures: *passes* of a partial, of a final, and all of them together for each token of the finals; *positions* encoded
for a partial, padding included, and their share of full windows; *CPU* seconds for a second of audio, one thread.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

import anyio

from benchmarks.report import print_table, write_json
from benchmarks.sets import Recording, read_sets
from benchmarks.weights_options import parse_options, weights_parser
from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.settings import EngineSettings, StabiliserSettings
from decoder.stabiliser import Stabiliser
from decoder.types import DecodeRequest, Hypothesis, RequestKind
from decoder.whisper.batch_plan import FULL_WINDOW_FRAMES
from decoder.whisper.engine import WhisperEngine
from vad.audio import SAMPLE_RATE_HZ, Float32

SHORTEST_S, LONGEST_S = 3.0, 15.0

POSITIONS_PER_SECOND = 50


class Arm(StrEnum):
    """How an utterance is decoded."""

    DRAFT = "draft"
    PLAIN = "plain"
    WHISPER = "whisper"


@dataclass(frozen=True, slots=True)
class Figures:
    """What all recordings took.

    Attributes:
        weights: name of the model.
        arm: how they were decoded.
        cadence_s: of partials.
        partials, finals: how many.
        partial_passes, final_passes: of the decoder.
        final_tokens: in the finals.
        partial_positions: encoded for partials.
        cpu_s: of all decodes.
        audio_s: of the recordings.
    """

    weights: str
    arm: Arm
    cadence_s: float
    partials: int = 0
    finals: int = 0
    partial_passes: int = 0
    final_passes: int = 0
    final_tokens: int = 0
    partial_positions: int = 0
    cpu_s: float = 0.0
    audio_s: float = 0.0


class Bench:
    """Decodes growing utterances.

    Args:
        engine: warm.
        arm: how.
        cadence_s: of partials.
    """

    def __init__(self, engine: Engine, arm: Arm, cadence_s: float) -> None:
        self._engine = engine
        self._arm = arm
        self._cadence_samples = round(cadence_s * SAMPLE_RATE_HZ)

    async def add(self, figures: Figures, name: str, audio: Float32) -> Figures:
        """Return the figures with those of one recording."""
        stabiliser = Stabiliser(1, StabiliserSettings())
        before, began_s = replace(self._engine.work), time.process_time()
        ends = range(self._cadence_samples, len(audio), self._cadence_samples)
        for revision, end in enumerate(ends, start=1):
            partial = self._request(name, revision, RequestKind.PARTIAL, audio[:end], stabiliser)
            answer = await self._decode(partial)
            stabiliser.update(answer.words, revision, end, is_cut=True, avg_logprob=answer.avg_logprob)
        between = replace(self._engine.work)
        final = await self._decode(self._request(name, len(ends) + 1, RequestKind.FINAL, audio, stabiliser))
        after, cpu_s = self._engine.work, time.process_time() - began_s
        return replace(
            figures,
            partials=figures.partials + len(ends),
            finals=figures.finals + 1,
            partial_passes=figures.partial_passes + between.decoder_steps - before.decoder_steps,
            final_passes=figures.final_passes + after.decoder_steps - between.decoder_steps,
            final_tokens=figures.final_tokens + self._tokens(final),
            partial_positions=figures.partial_positions
            + round((between.encoder_s - before.encoder_s) * POSITIONS_PER_SECOND),
            cpu_s=figures.cpu_s + cpu_s,
            audio_s=figures.audio_s + len(audio) / SAMPLE_RATE_HZ,
        )

    def _request(
        self, name: str, revision: int, kind: RequestKind, audio: Float32, stabiliser: Stabiliser
    ) -> DecodeRequest:
        # An engine has no draft for a session that it does not know.
        session_id = f"{name} {revision}" if self._arm is Arm.PLAIN else name
        return DecodeRequest(
            session_id, 1, revision, kind, audio, 0, deadline_s=0.0, language="en", prefix=stabiliser.committed
        )

    async def _decode(self, request: DecodeRequest) -> Hypothesis:
        [answer] = await self._engine.decode([replace(request, ends_in_speech=request.kind is RequestKind.PARTIAL)])
        if not isinstance(answer, Hypothesis):
            raise answer
        return answer

    def _tokens(self, final: Hypothesis) -> int:
        assert isinstance(self._engine, WhisperEngine)
        return len(self._engine.vocabulary.tokens("".join(word.text for word in final.words)))


async def run(options: argparse.Namespace) -> list[Figures]:
    """Measure all weights, cadences and arms, and print a table."""
    recordings = suitable(read_sets(options.audio, ["clean"]).get("clean", []))
    results = []
    for weights in options.weights:
        for arm in options.arms:
            engine = create_engine(engine_settings(weights, arm))
            await engine.warm_up()
            for cadence_s in options.cadence:
                bench, figures = Bench(engine, arm, cadence_s), Figures(weights.name, arm, cadence_s)
                for name, audio in recordings:
                    figures = await bench.add(figures, name, audio)
                    engine.forget(name)
                results.append(figures)
            await engine.aclose()
    print_figures(results)
    return results


def suitable(recordings: Sequence[Recording]) -> list[tuple[str, Float32]]:
    """Return the names and the audio of recordings that may be one utterance."""
    found = [(recording.name, recording.read()) for recording in recordings if recording.language == "en"]
    return [(name, audio) for name, audio in found if SHORTEST_S <= len(audio) / SAMPLE_RATE_HZ <= LONGEST_S]


def engine_settings(weights: Path, arm: Arm) -> EngineSettings:
    """Return the settings of an arm: greedy and without a second try, one thread."""
    return EngineSettings(
        name="whisper" if arm is Arm.WHISPER else "torch",
        model=str(weights),
        device="cpu",
        cpu_threads=1,
        workers=1,
        final_beam_size=1,
        final_temperatures=(0.0,),
        offline=True,
    )


def print_figures(results: Sequence[Figures]) -> None:
    """Print a row for each."""
    columns = ["weights", "arm", "cadence s", "passes / partial", "passes / final", "passes / final token"]
    columns += ["positions / partial", "of full", "CPU s / s"]
    rows = [
        [
            one.weights,
            one.arm,
            one.cadence_s,
            one.partial_passes / one.partials,
            one.final_passes / one.finals,
            (one.partial_passes + one.final_passes) / one.final_tokens,
            round(one.partial_positions / one.partials),
            one.partial_positions / one.partials / (FULL_WINDOW_FRAMES // 2),
            one.cpu_s / one.audio_s,
        ]
        for one in results
    ]
    print_table(f"{results[0].finals} recordings, {results[0].audio_s:.0f} s", columns, rows)


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = weights_parser("benchmarks.drafts", __doc__)
    parser.add_argument("--cadence", type=float, nargs="+", default=[0.5, 1.0], help="seconds between partials")
    parser.add_argument("--arms", type=Arm, nargs="+", choices=list(Arm), default=list(Arm), help="to be measured")
    options = parse_options(parser)
    results = anyio.run(run, options)
    write_json(options.json, "drafts", [asdict(one) for one in results])


if __name__ == "__main__":
    main()
