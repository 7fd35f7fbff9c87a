"""The engine's work for a stream, compared with that of open peers.

Modes: `naive` encodes a full 30 s window and decodes the whole text again at every interval, without a committed prefix
or an eager final, as open peers do with Whisper; `livecue` is this gateway with default settings. Audio, segmentation,
model, beams and intervals are the same. On request, `not-eager` is livecue without eager finals, and `trimmed-finals`
with the windows of finals trimmed too.

Sessions run on a virtual clock, each at another position of one recording, all answered before the next
frame. Encoder seconds, decoder steps and final tokens are counts, the same in every run. CPU seconds are those of this
process while the engine decodes, one thread; the modes alternate at every frame, so that a busy machine slows both. The
model is synthetic: the arithmetic of the real shape, with an oracle's words (`benchmarks.following`).
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anyio

from benchmarks.following import FollowingEngine, write_following_model
from benchmarks.gateway import decoded
from benchmarks.recordings import SHARED_AUDIO
from benchmarks.report import print_table, write_json
from benchmarks.virtual import VirtualGateway
from clients.paced_media import MEDIA_FORMAT
from decoder.types import RequestKind
from gateway.settings import Settings, load_settings
from gateway.wire import SAMPLE_RATE_HZ, Endpointing, Final, Start

MODES: dict[str, dict[str, dict[str, object]]] = {
    "naive": {
        "engine": {"partial_window": "full", "final_window": "full", "hasty_final_window": "full"},
        "session": {"eager_finals": False},
    },
    "livecue": {},
    "not-eager": {"session": {"eager_finals": False}},
    "trimmed-finals": {"engine": {"final_window": "trimmed"}},
}
"""Mode → settings that differ from the defaults; naive also has no committed prefix in the decoder."""

COMPARED = ("naive", "livecue")

RECORDING = SHARED_AUDIO / "long_lj_contiguous.flac"
TOKENIZER = SHARED_AUDIO.parent / "models" / "tokenizer-multilingual" / "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one mode for a second of audio.

    Attributes:
        shape: of the model.
        interval_s: new speech between two partials.
        sessions: concurrent.
        mode: in `MODES`.
        partials_per_s: partials decoded.
        finals_per_s: finals decoded, eager ones included.
        encoder_s_per_s: seconds of audio encoded, padding included.
        steps_per_final_token: decoder steps of all requests, forced ones included, per token of a final.
        features_ms_per_s: CPU time of the features.
        cpu_s_per_s: CPU time of the decode, features included.
        redecoded: requests that the engine decoded twice.
    """

    shape: str
    interval_s: float
    sessions: int
    mode: str
    partials_per_s: float
    finals_per_s: float
    encoder_s_per_s: float
    steps_per_final_token: float
    features_ms_per_s: float
    cpu_s_per_s: float
    redecoded: int

    def counts(self) -> "Work":
        """Return a copy without the figures that depend on the machine."""
        return replace(self, features_ms_per_s=0.0, cpu_s_per_s=0.0)


@dataclass(frozen=True, slots=True)
class Model:
    """A synthetic model on disk.

    Attributes:
        shape: of the model.
        directory: of its files.
    """

    shape: str
    directory: Path

    @classmethod
    def write(cls, shape: str, directory: Path, tokenizer: Path) -> "Model":
        """Write a synthetic model, and return it."""
        write_following_model(shape, directory, tokenizer)
        return cls(shape, directory)


def settings_of(mode: str, model: Model) -> Settings:
    """Return the gateway's settings in that mode, with one thread for the engine."""
    wanted = MODES[mode]
    engine = {"name": "whisper", "model": str(model.directory), "device": "cpu", "cpu_threads": 1, "offline": True}
    return load_settings({**wanted, "engine": {**engine, "workers": 1, **wanted.get("engine", {})}})


def engine_of(mode: str, model: Model) -> FollowingEngine:
    """Return a cold engine for that mode."""
    return FollowingEngine(settings_of(mode, model).engine, forces_prefix=mode != "naive")


def rotated(audio: bytes, count: int, seconds: float) -> list[bytes]:
    """Return excerpts of the audio that start at evenly spread positions, looped at the end."""
    width = MEDIA_FORMAT.bytes_per_sample_frame
    length = round(seconds * SAMPLE_RATE_HZ) * width
    starts = [len(audio) * number // count // width * width for number in range(count)]
    repeats = 2 + length // len(audio)
    return [(audio * repeats)[start : start + length] for start in starts]


async def measure_work(
    model: Model, engines: dict[str, FollowingEngine], streams: Sequence[bytes], interval_s: float
) -> list[Work]:
    """Play the streams in all modes, alternating at every frame, and return the work of each."""
    start = Start(MEDIA_FORMAT, language="en", endpointing=Endpointing(partial_interval_ms=round(1000 * interval_s)))
    before = {mode: asdict(engine.work) for mode, engine in engines.items()}
    gateways = {
        mode: VirtualGateway(engine, settings_of(mode, model), start, streams) for mode, engine in engines.items()
    }
    has_more = True
    while has_more:
        has_more = any([await gateway.step() for gateway in gateways.values()])
    audio_s = sum(map(len, streams)) / MEDIA_FORMAT.bytes_per_sample_frame / SAMPLE_RATE_HZ
    results = []
    for mode, gateway in gateways.items():
        work = {name: after - before[mode][name] for name, after in asdict(engines[mode].work).items()}
        results.append(
            Work(
                shape=model.shape,
                interval_s=interval_s,
                sessions=len(streams),
                mode=mode,
                partials_per_s=gateway.requests[RequestKind.PARTIAL] / audio_s,
                finals_per_s=(gateway.requests[RequestKind.FINAL] + gateway.requests[RequestKind.EAGER]) / audio_s,
                encoder_s_per_s=work["encoder_s"] / audio_s,
                steps_per_final_token=work["decoder_steps"] / max(1, final_tokens(gateway)),
                features_ms_per_s=1000 * work["features_s"] / audio_s,
                cpu_s_per_s=gateway.cpu_s / audio_s,
                redecoded=round(work["redecoded"]),
            )
        )
    return results


def final_tokens(gateway: VirtualGateway) -> int:
    """Return the number of tokens of the finals: one per word."""
    events = (event for session in gateway.moments for moment in session for event in moment.events)
    return sum(len(event.text.split()) for event in events if isinstance(event, Final))


async def run_work(options: argparse.Namespace, models: Sequence[Model], audio: bytes) -> list[Work]:
    """Measure all arms."""
    results: list[Work] = []
    for model in models:
        engines = {mode: engine_of(mode, model) for mode in options.modes}
        for engine in engines.values():
            await engine.warm_up()
        for interval_s in options.intervals:
            for count in options.sessions:
                streams = rotated(audio, count, options.seconds)
                results += await measure_work(model, engines, streams, interval_s)
        for engine in engines.values():
            await engine.aclose()
    return results


def print_work(results: Sequence[Work]) -> None:
    """Print the table."""
    columns = [
        "shape",
        "interval s",
        "sessions",
        "mode",
        "partials / s",
        "finals / s",
        "encoder s / s",
        "steps / final token",
    ]
    columns += ["features ms / s", "CPU s / s", "redecoded"]
    print_table("work for a second of audio", columns, [list(asdict(result).values()) for result in results])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.work", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recording", type=Path, default=RECORDING, help="audio of the sessions")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER, help="Whisper's tokenizer.json")
    parser.add_argument("--shapes", nargs="+", default=["tiny", "base"], help="of the synthetic models")
    parser.add_argument("--seconds", type=float, default=30.0, help="audio of each session")
    parser.add_argument("--intervals", type=float, nargs="+", default=[0.5, 1.0], help="speech between partials, s")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 4, 8, 16], help="concurrent sessions")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=COMPARED, help="of the engine")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table and write the JSON."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        models = [Model.write(shape, Path(folder) / shape, options.tokenizer) for shape in options.shapes]
        work = anyio.run(run_work, options, models, decoded(options.recording))
        print_work(work)
        write_json(options.json, "work", [asdict(result) for result in work])


if __name__ == "__main__":
    main()
