"""How right, how steady and how soon the words are: spoken digits, a model trained on them, and a virtual clock.

Each recording is streamed by itself in frames of 20 ms, and a decode takes what `--cost-ms` says: what is measured is
the policy and not the machine. Arms: encoder windows of partials trimmed or full, eager finals on or off.

- WER of the finals against what was spoken, and against the same model's offline transcript of the whole file
  (faster-whisper's own `transcribe`, its voice activity filter, the finals' beam), whose own WER is printed.
- Normalised erasure and unstable partial word ratio: words taken away, or not kept, divided by the words finally shown
  (`benchmarks.captions`).
- First-shown and committed lag: from the end of a word, known exactly, to when it stands in its final form and place
  for good, and to when `stable_chars` covers it. Words that were heard wrongly have none.
- Final lag: from the end of an utterance's last word to its final.

With `--silence`: words written where nobody speaks, in finals and in cues that were withdrawn again, without the
hallucination guard and with it; behind the usual detector, and behind one that takes much noise for speech.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import get_args

import anyio
from faster_whisper import WhisperModel

from benchmarks.captions import (
    Display,
    aligned,
    committed_s,
    displays,
    erased_words,
    first_shown_s,
    unstable_words,
    word_errors,
)
from benchmarks.gateway import decoded
from benchmarks.paced import percentile
from benchmarks.recordings import SHARED_AUDIO, SpokenWord, read_recording, read_spoken_words
from benchmarks.report import print_table, write_json
from benchmarks.virtual import Said, VirtualGateway
from clients.media import MEDIA_FORMAT
from decoder.choice import create_engine
from decoder.engine import Engine
from decoder.engines.scripted import CostModel
from decoder.settings import GuardMode, GuardSettings
from decoder.stabiliser import normalise_word
from gateway.settings import Settings, load_settings
from gateway.wire import SAMPLE_RATE_HZ, Final, Start
from vad.detector import DETECTORS

MODEL = SHARED_AUDIO.parent / "models" / "digits-ct2-int8"
SPEECHLESS = ("sil_*.flac", "noise_*.flac", "music_*.flac")
FRAME_S = 0.02
START = Start(MEDIA_FORMAT, language="en")


@dataclass(slots=True)
class Tally:
    """Sums over recordings."""

    spoken: int = 0
    written: int = 0
    errors: int = 0
    offline_errors: int = 0
    differences: int = 0
    erased: int = 0
    unstable: int = 0
    shown_s: list[float] = field(default_factory=list)
    committed_s: list[float] = field(default_factory=list)
    final_s: list[float] = field(default_factory=list)

    def add(self, said: Sequence[Said], spoken: Sequence[SpokenWord], offline: Sequence[str]) -> None:
        """Take in what a session said of a recording.

        Args:
            said: by the session.
            spoken: what was spoken, and when.
            offline: what the model hears in the whole file at once.
        """
        shown = displays(said)
        finals = [(moment.at_s, event) for moment in said for event in moment.events if isinstance(event, Final)]
        final_words = [normalise_word(word) for _, final in finals for word in final.text.split()]
        reference = [word.text for word in spoken]
        self.spoken += len(reference)
        self.written += len(final_words)
        self.errors += word_errors(reference, final_words)
        self.offline_errors += word_errors(reference, offline)
        self.differences += word_errors(offline, final_words)
        self.erased += sum(map(erased_words, shown.values()))
        self.unstable += sum(map(unstable_words, shown.values()))
        self._add_lags(shown_words(shown), finals, spoken)

    def _add_lags(
        self, words: Sequence["ShownWord"], finals: Sequence[tuple[float, Final]], spoken: Sequence[SpokenWord]
    ) -> None:
        pairs = aligned([word.text for word in spoken], [word.text for word in words])
        last_end_s: dict[int, float] = {}
        for i, j in pairs:
            if i is not None and j is not None and spoken[i].text == words[j].text:
                self.shown_s.append(words[j].shown_s - spoken[i].end_s)
                self.committed_s.append(words[j].committed_s - spoken[i].end_s)
                if words[j].is_last:
                    last_end_s[words[j].utterance_id] = spoken[i].end_s
        self.final_s += [
            at_s - last_end_s[final.utterance_id] for at_s, final in finals if final.utterance_id in last_end_s
        ]


@dataclass(frozen=True, slots=True)
class ShownWord:
    """A word of a final, and since when it was there and promised."""

    text: str
    utterance_id: int
    shown_s: float
    committed_s: float
    is_last: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """One arm's figures; ratios of words, and lags in seconds (None: no word was right)."""

    partial_window: str
    eager_finals: str
    cost_ms: float
    wer: float
    offline_wer: float
    wer_to_offline: float
    erasure: float
    unstable: float
    shown_p50_s: float | None
    shown_p95_s: float | None
    committed_p50_s: float | None
    committed_p95_s: float | None
    final_p50_s: float | None
    final_p95_s: float | None
    words: int


@dataclass(frozen=True, slots=True)
class Silence:
    """Words written where nobody speaks: those of finals, and the most that cues showed at a time."""

    recording: str
    duration_s: float
    detector: str
    guard: str
    utterances: int
    final_words: int
    shown_words: int


def shown_words(shown: dict[int, list[Display]]) -> list[ShownWord]:
    """Return the words finally shown, utterance by utterance."""
    words = []
    for utterance_id, series in shown.items():
        times = zip(series[-1].words, first_shown_s(series), committed_s(series), strict=True)
        last = len(series[-1].words) - 1
        words += [
            ShownWord(normalise_word(text), utterance_id, since_s, promised_s, place == last)
            for place, (text, since_s, promised_s) in enumerate(times)
        ]
    return words


def settings_of(model: Path, overrides: Mapping[str, Mapping[str, object]]) -> Settings:
    """Return the gateway's settings for one arm, with one thread for the engine."""
    engine = {"name": "whisper", "model": str(model), "device": "cpu", "cpu_threads": 1, "offline": True}
    return load_settings({**overrides, "engine": {**engine, **overrides.get("engine", {})}})


def without_guard() -> dict[str, dict[str, object]]:
    """Return what turns the hallucination guard off."""
    switches = (setting for setting in fields(GuardSettings) if setting.default in get_args(GuardMode))
    return {"guard": {setting.name: "off" for setting in switches}}


async def play(engine: Engine, settings: Settings, recording: Path, cost_ms: float = 0.0) -> list[Said]:
    """Stream one recording, and return what its session said."""
    cost = CostModel(batch_s=cost_ms / 1000)
    gateway = VirtualGateway(engine, settings, START, [decoded(recording)], frame_s=FRAME_S, cost=cost)
    [said] = await gateway.run()
    return said


def transcribe_offline(model: Path, recordings: Sequence[Path], beam_size: int) -> dict[Path, list[str]]:
    """Return the words that faster-whisper itself hears in each whole file."""
    loaded = WhisperModel(str(model), device="cpu", cpu_threads=1)
    heard = {}
    for recording in recordings:
        segments, _ = loaded.transcribe(
            read_recording(recording), language=START.language, beam_size=beam_size, vad_filter=True
        )
        heard[recording] = [normalise_word(word) for segment in segments for word in segment.text.split()]
    return heard


async def measure_arm(
    engine: Engine,
    settings: Settings,
    cost_ms: float,
    spoken: dict[Path, list[SpokenWord]],
    offline: dict[Path, list[str]],
) -> Quality:
    """Stream all recordings, one after the other."""
    tally = Tally()
    for recording, words in spoken.items():
        tally.add(await play(engine, settings, recording, cost_ms), words, offline[recording])
    return Quality(
        partial_window=settings.engine.partial_window,
        eager_finals="on" if settings.session.eager_finals else "off",
        cost_ms=cost_ms,
        wer=tally.errors / tally.spoken,
        offline_wer=tally.offline_errors / tally.spoken,
        wer_to_offline=tally.differences / max(1, sum(map(len, offline.values()))),
        erasure=tally.erased / max(1, tally.written),
        unstable=tally.unstable / max(1, tally.written),
        shown_p50_s=percentile(tally.shown_s, 50),
        shown_p95_s=percentile(tally.shown_s, 95),
        committed_p50_s=percentile(tally.committed_s, 50),
        committed_p95_s=percentile(tally.committed_s, 95),
        final_p50_s=percentile(tally.final_s, 50),
        final_p95_s=percentile(tally.final_s, 95),
        words=len(tally.shown_s),
    )


async def measure_quality(options: argparse.Namespace) -> list[Quality]:
    """Measure all arms."""
    every = read_spoken_words(options.audio / "manifest.json")
    spoken = {options.audio / file: words for file, words in every.items() if Path(file).match(options.recordings)}
    offline = transcribe_offline(options.model, list(spoken), Settings().engine.final_beam_size)
    results = []
    for partial_window in options.windows:
        window = {"partial_window": partial_window}
        engine = create_engine(settings_of(options.model, {"engine": window}).engine)
        await engine.warm_up()
        for eager, cost_ms in product(options.eager, options.cost_ms):
            settings = settings_of(options.model, {"engine": window, "session": {"eager_finals": eager == "on"}})
            results.append(await measure_arm(engine, settings, cost_ms, spoken, offline))
        await engine.aclose()
    return results


async def measure_silence(options: argparse.Namespace) -> list[Silence]:
    """Stream the recordings without speech, without the guard and with it."""
    recordings = [path for pattern in SPEECHLESS for path in sorted(options.audio.glob(pattern))]
    results = []
    for detector, guard in product(options.detectors, ("off", "on")):
        overrides = without_guard() if guard == "off" else {}
        settings = settings_of(options.model, {**overrides, "session": {"detector": detector}})
        engine = create_engine(settings.engine)
        await engine.warm_up()
        for recording in recordings:
            said = await play(engine, settings, recording)
            results.append(silence_of(recording, detector, guard, said))
        await engine.aclose()
    return results


def silence_of(recording: Path, detector: str, guard: str, said: Sequence[Said]) -> Silence:
    """Return the words that were written, and shown."""
    finals = [event for moment in said for event in moment.events if isinstance(event, Final)]
    return Silence(
        recording=recording.stem,
        duration_s=len(read_recording(recording)) / SAMPLE_RATE_HZ,
        detector=detector,
        guard=guard,
        utterances=len(finals),
        final_words=sum(len(final.text.split()) for final in finals),
        shown_words=sum(max(len(display.words) for display in shown) for shown in displays(said).values()),
    )


def print_quality(results: Sequence[Quality]) -> None:
    """Print the arms."""
    columns = ["window", "eager", "cost", "WER", "offline", "to it", "NE", "UPWR"]
    columns += ["shown50", "95", "commit50", "95", "final50", "95", "words"]
    rows = [[_cell(name, value) for name, value in asdict(result).items()] for result in results]
    print_table("digits: errors in %, lags in s, cost of a decode in ms", columns, rows)


def print_silence(results: Sequence[Silence]) -> None:
    """Print the words of each recording, and of all."""
    columns = ["recording", "s", "detector", "guard", "utterances", "words of finals", "most words shown"]
    rows: list[list[object]] = [list(asdict(result).values()) for result in results]
    for arm in dict.fromkeys((result.detector, result.guard) for result in results):
        of = [result for result in results if (result.detector, result.guard) == arm]
        sums = [sum(r.utterances for r in of), sum(r.final_words for r in of), sum(r.shown_words for r in of)]
        rows.append(["all", sum(r.duration_s for r in of), *arm, *sums])
    print_table("words where nobody speaks", columns, rows)


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder of the recordings")
    parser.add_argument("--model", type=Path, default=MODEL, help="directory of a CTranslate2 Whisper")
    parser.add_argument("--recordings", default="digits/*.flac", help="those to stream, of the manifest's")
    parser.add_argument("--windows", nargs="+", choices=["trimmed", "full"], default=["trimmed", "full"])
    parser.add_argument("--eager", nargs="+", choices=["on", "off"], default=["on", "off"], help="eager finals")
    parser.add_argument("--cost-ms", type=float, nargs="+", default=[0.0, 150.0], help="of a decode")
    parser.add_argument("--silence", action="store_true", help="count words where nobody speaks instead")
    parser.add_argument(
        "--detectors", nargs="+", choices=DETECTORS, default=["hybrid", "webrtc"], help="with --silence"
    )
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    if options.silence:
        silence = anyio.run(measure_silence, options)
        print_silence(silence)
        write_json(options.json, "quality-silence", [asdict(result) for result in silence])
    else:
        quality = anyio.run(measure_quality, options)
        print_quality(quality)
        write_json(options.json, "quality", [asdict(result) for result in quality])


def _cell(name: str, value: object) -> object:
    if value is None:
        return "–"
    if isinstance(value, float) and "wer" in name:
        return f"{100 * value:.1f}"
    return f"{value:.0f}" if isinstance(value, float) and name == "cost_ms" else value


if __name__ == "__main__":
    main()
