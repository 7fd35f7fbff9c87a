"""Stability of a long session: memory, cost of an update, and completeness of the finals.

One session receives recordings in a loop, in frames of 100 ms, with partials. Pipeline, planner and engine are real;
the clock is virtual, and a decode takes `--cost-ms`.

- Memory: resident memory at each minute of audio; open files and threads at each quarter. All audio is loaded, as
  16-bit samples, before the first frame; events of the session are only counted.
- Cost of an update: CPU time of this process for a partial in the engine, and for a frame in the pipeline, voice
  activity detection included; decoder steps and encoder seconds per partial, which are counts and the same in every
  run. Utterances differ between recordings, so compare quarters with the same recordings (`--recordings`).
- Finals: each ended utterance has one, in order and without an error; utterances neither overlap nor lie outside the
  audio; `Finished` counts them. If not, the exit status is 1.
"""

import argparse
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path

import anyio

from benchmarks.arms import gateway_settings
from benchmarks.percentile import percentile
from benchmarks.process_figures import entries, resident_mib
from benchmarks.recordings import SHARED_AUDIO
from benchmarks.report import print_table, write_json
from benchmarks.virtual import TimedEvents, VirtualGateway
from clients.paced_media import MEDIA_FORMAT, MediaFile
from decoder.engine import Engine, EngineWork
from decoder.engine_selection import create_engine
from decoder.engines.scripted import CostModel
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind
from gateway.settings import Settings
from gateway.wire import SAMPLE_RATE_HZ, Ack, Final, Finished, ServerEvent, SpeechEnded, SpeechStarted, Start, Warning

MODEL = SHARED_AUDIO.parent / "models" / "digits-ct2-int8"
RECORDINGS = ("long_digits_15min.flac", "long_lj_contiguous.flac")
FRAME_S = 0.1
QUARTERS = 4
MINUTE_S = 60
MAX_LISTED_PROBLEMS = 10
"""One fault can cause a problem per utterance; the first ones suffice to identify it."""


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter of the run.

    Attributes:
        end_s: its end, in seconds of audio.
        resident_mib, peak_mib: at its end, and the maximum of its samples.
        engine_p50_ms, engine_p95_ms: CPU time of a partial in the engine; None: there was none.
        pipeline_p50_ms, pipeline_p95_ms: CPU time of a frame outside the engine.
        encoder_s_per_partial: audio encoded, padding included.
        sound_s_per_partial: length of the utterance so far.
        files, threads: open at its end; 0 on systems without /proc.
    """

    end_s: float
    partials: int
    finals: int
    words: int
    resident_mib: float
    peak_mib: float
    engine_p50_ms: float | None
    engine_p95_ms: float | None
    pipeline_p50_ms: float | None
    pipeline_p95_ms: float | None
    steps_per_partial: float | None
    encoder_s_per_partial: float | None
    sound_s_per_partial: float | None
    files: int = 0
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Soak:
    """The results of a run.

    Attributes:
        resident_mib: at each minute of audio, and at the end of each quarter.
        problems: why the finals are not complete; none if they are.
    """

    quarters: tuple[Quarter, ...]
    resident_mib: tuple[float, ...]
    warnings: int
    problems: tuple[str, ...]

    @property
    def growth_mib(self) -> float:
        """Growth of the resident memory from the end of the first quarter to that of the last."""
        return self.quarters[-1].resident_mib - self.quarters[0].resident_mib


class FinalsCheck:
    """Checks the finals in the events of one session, and collects problems.

    Args:
        audio_samples: length of the session's audio, at 16 kHz.
    """

    def __init__(self, audio_samples: int) -> None:
        self.finals = 0
        self.warnings = 0
        self._audio_samples = audio_samples
        self._problems: list[str] = []
        self._speaking: int | None = None
        """Id of the utterance in progress."""
        self._ended: dict[int, SpeechEnded] = {}
        """Ended utterances without a final, by id."""
        self._ended_sample = 0
        self._last_final: int | None = None
        self._is_finished = False

    def note(self, event: ServerEvent) -> None:
        """Check the session's next event."""
        if self._is_finished and not isinstance(event, Ack):  # emitted with the last final, but never sent
            self._problems.append(f"{type(event).__name__} after Finished")
        match event:
            case SpeechStarted():
                self._expect(self._speaking is None, f"utterance {event.utterance_id} began during another one")
                self._speaking = event.utterance_id
            case SpeechEnded():
                self._end(event)
            case Final():
                self._final(event)
            case Finished():
                self._finish(event)
            case Warning():
                self.warnings += 1

    def problems(self) -> tuple[str, ...]:
        """Return all problems, once the session is over."""
        missing = [f"utterance {utterance_id} ended without a final" for utterance_id in self._ended]
        unended = [] if self._speaking is None else [f"utterance {self._speaking} never ended"]
        unfinished = [] if self._is_finished else ["no Finished"]
        silent = [] if self.finals else ["no finals"]
        return (*self._problems, *missing, *unended, *unfinished, *silent)

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self._problems.append(problem)

    def _end(self, event: SpeechEnded) -> None:
        name, span = f"utterance {event.utterance_id}", f"[{event.start_sample}, {event.end_sample})"
        self._expect(event.utterance_id == self._speaking, f"{name} ended without having begun")
        self._expect(event.start_sample < event.end_sample, f"{name} has no audio: {span}")
        self._expect(event.start_sample >= self._ended_sample, f"{name} overlaps the previous one: {span}")
        self._expect(event.end_sample <= self._audio_samples, f"{name} exceeds the audio: {span}")
        self._speaking = None
        self._ended_sample = event.end_sample
        self._ended[event.utterance_id] = event

    def _final(self, event: Final) -> None:
        name = f"final of utterance {event.utterance_id}"
        ended = self._ended.pop(event.utterance_id, None)
        if ended is None:
            self._problems.append(f"{name}, which has not ended or already has one")
        else:
            is_same = (event.start_sample, event.end_sample) == (ended.start_sample, ended.end_sample)
            self._expect(is_same, f"{name} has another span than its SpeechEnded")
        is_in_order = self._last_final is None or event.utterance_id > self._last_final
        self._expect(is_in_order, f"{name} after that of {self._last_final}")
        self._expect(event.error is None, f"{name} has the error {event.error}")
        self._last_final = event.utterance_id
        self.finals += 1

    def _finish(self, event: Finished) -> None:
        self._is_finished = True
        self._expect(event.utterances == self.finals, f"Finished counts {event.utterances} finals of {self.finals}")
        message = f"Finished counts {event.audio_samples} samples of {self._audio_samples}"
        self._expect(event.audio_samples == self._audio_samples, message)


@dataclass(slots=True)
class _Tally:
    """Sums over a quarter; times in arrays, as lists would distort the measured memory."""

    partials: int = 0
    finals: int = 0
    words: int = 0
    decoder_steps: int = 0
    encoder_s: float = 0.0
    audio_s: float = 0.0
    engine_ms: "array[float]" = field(default_factory=lambda: array("d"))
    pipeline_ms: "array[float]" = field(default_factory=lambda: array("d"))
    resident_mib: list[float] = field(default_factory=list)
    files: int = 0
    threads: int = 0

    def quarter(self, end_s: float) -> Quarter:
        def a_partial(total: float) -> float | None:
            return total / self.partials if self.partials else None

        return Quarter(
            end_s=end_s,
            partials=self.partials,
            finals=self.finals,
            words=self.words,
            resident_mib=self.resident_mib[-1],
            peak_mib=max(self.resident_mib),
            engine_p50_ms=percentile(self.engine_ms, 50),
            engine_p95_ms=percentile(self.engine_ms, 95),
            pipeline_p50_ms=percentile(self.pipeline_ms, 50),
            pipeline_p95_ms=percentile(self.pipeline_ms, 95),
            steps_per_partial=a_partial(self.decoder_steps),
            encoder_s_per_partial=a_partial(self.encoder_s),
            sound_s_per_partial=a_partial(self.audio_s),
            files=self.files,
            threads=self.threads,
        )


class _MeteredEngine:
    """An engine whose partials are counted. It is warm and used exclusively."""

    def __init__(self, engine: Engine, tally: _Tally) -> None:
        self.info = engine.info
        self.max_batch = engine.max_batch
        self.parallel = engine.parallel
        self.warm_up = engine.warm_up
        self.forget = engine.forget
        self.aclose = engine.aclose
        self.tally = tally
        self._engine = engine

    @property
    def work(self) -> EngineWork:
        return self._engine.work

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        before = replace(self.work)
        began_s = time.process_time()
        answers = await self._engine.decode(batch)
        cpu_s = time.process_time() - began_s
        if all(request.kind is RequestKind.PARTIAL for request in batch):  # the planner never mixes them with finals
            self.tally.partials += len(batch)
            self.tally.engine_ms.append(1000 * cpu_s / len(batch))
            self.tally.decoder_steps += self.work.decoder_steps - before.decoder_steps
            self.tally.encoder_s += self.work.encoder_s - before.encoder_s
            self.tally.audio_s += sum(len(request.samples) for request in batch) / SAMPLE_RATE_HZ
        return answers


class SoakRun:
    """One long session.

    Args:
        engine: warm.
        settings: of the gateway.
        audio: in the clients' media format.
        cost: of a batch on the virtual clock.

    Raises:
        ValueError: the audio has fewer frames than there are quarters.
    """

    def __init__(self, engine: Engine, settings: Settings, audio: bytes, cost: CostModel | None = None) -> None:
        samples = len(audio) // MEDIA_FORMAT.bytes_per_sample_frame
        self._quarter_s = samples / SAMPLE_RATE_HZ / QUARTERS
        self._frames = -(-samples // round(FRAME_S * SAMPLE_RATE_HZ))
        if self._frames < QUARTERS:
            raise ValueError(f"audio of {self._frames} frames: expected at least {QUARTERS}")
        self._check = FinalsCheck(samples)
        self._tallies = [_Tally() for _ in range(QUARTERS)]
        self._engine = _MeteredEngine(engine, self._tallies[0])
        start = Start(MEDIA_FORMAT, language="en")
        self._gateway = VirtualGateway(
            self._engine, settings, start, [audio], frame_s=FRAME_S, cost=cost, on_events=self._note
        )

    async def run(self) -> Soak:
        """Play all audio, and return the results."""
        frames_a_minute = round(MINUTE_S / FRAME_S)
        quarters = [number * QUARTERS // self._frames for number in range(self._frames + 1)]
        for frame, (quarter, following) in enumerate(pairwise(quarters), start=1):
            self._engine.tally = tally = self._tallies[quarter]
            tally.pipeline_ms.append(1000 * await self._step())
            if frame % frames_a_minute == 0 or following != quarter:
                tally.resident_mib.append(resident_mib())
                tally.files, tally.threads = entries("fd"), entries("task")
        return Soak(
            quarters=tuple(tally.quarter(n * self._quarter_s) for n, tally in enumerate(self._tallies, start=1)),
            resident_mib=tuple(chain.from_iterable(tally.resident_mib for tally in self._tallies)),
            warnings=self._check.warnings,
            problems=self._check.problems(),
        )

    async def _step(self) -> float:
        began_s, engine_began_s = time.process_time(), self._gateway.cpu_s
        await self._gateway.step()
        return time.process_time() - began_s - (self._gateway.cpu_s - engine_began_s)

    def _note(self, moment: TimedEvents) -> None:
        for event in moment.events:
            self._check.note(event)
            if isinstance(event, Final):
                self._engine.tally.finals += 1
                self._engine.tally.words += len(event.text.split())


def looped(recordings: Sequence[Path], duration_s: float) -> bytes:
    """Return audio of that length in the clients' media format: the recordings one after the other, in a loop.

    Raises:
        ValueError: they have no audio.
    """
    length = round(duration_s * SAMPLE_RATE_HZ) * MEDIA_FORMAT.bytes_per_sample_frame
    audio = bytearray()  # grows in place: many small pieces, once freed, would hide later leaks
    while len(audio) < length:
        for frame in chain.from_iterable(map(_frames, recordings)):
            audio += frame
            if len(audio) >= length:
                break
        if not audio:
            raise ValueError(f"no audio in {', '.join(map(str, recordings))}")
    return bytes(memoryview(audio)[:length])


async def measure(options: argparse.Namespace) -> Soak:
    """Run the session, and return its results."""
    audio = looped([options.audio / name for name in options.recordings], options.minutes * MINUTE_S)
    settings = gateway_settings(options.model, {})
    engine = create_engine(settings.engine)
    await engine.warm_up()
    soak = await SoakRun(engine, settings, audio, CostModel(batch_s=options.cost_ms / 1000)).run()
    await engine.aclose()
    return soak


def print_soak(soak: Soak) -> None:
    """Print the quarters and the totals."""
    columns = [
        "until min",
        "partials",
        "finals",
        "words",
        "MiB",
        "peak",
        "engine ms p50",
        "p95",
        "pipeline ms p50",
        "p95",
    ]
    columns += ["steps / partial", "encoder s / partial", "audio s / partial", "files", "threads"]
    quarters = (asdict(replace(quarter, end_s=quarter.end_s / MINUTE_S)).values() for quarter in soak.quarters)
    rows = [["–" if figure is None else figure for figure in quarter] for quarter in quarters]
    print_table("quarters: CPU ms of the engine for a partial, of the pipeline for a frame of 100 ms", columns, rows)
    print(f"memory grew by {soak.growth_mib:.1f} MiB from the end of the first quarter to that of the last")
    finals, words = sum(q.finals for q in soak.quarters), sum(q.words for q in soak.quarters)
    print(f"{finals} finals, {words} words, {soak.warnings} warnings")


def require_complete(soak: Soak) -> None:
    """Check that the finals are complete.

    Raises:
        SystemExit: they are not; status 1, with the problems.
    """
    if soak.problems:
        more = len(soak.problems) - MAX_LISTED_PROBLEMS
        listed = [*soak.problems[:MAX_LISTED_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
        raise SystemExit("\n  ".join(["the finals are not complete:", *listed]))
    print("finals complete: one for each utterance, in order, without an error")


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder of the recordings")
    parser.add_argument("--recordings", nargs="+", default=RECORDINGS, help="files in it, in playing order")
    parser.add_argument("--model", type=Path, default=MODEL, help="directory of a CTranslate2 Whisper")
    parser.add_argument("--minutes", type=float, default=20.0, help="audio of the session")
    parser.add_argument("--cost-ms", type=float, default=150.0, help="of a decode")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    soak = anyio.run(measure, options)
    print_soak(soak)
    write_json(options.json, "soak", {**asdict(soak), "growth_mib": soak.growth_mib})
    require_complete(soak)


def _frames(recording: Path) -> Iterator[bytes]:
    with MediaFile(str(recording)) as media:
        yield from media.frames()


if __name__ == "__main__":
    main()
