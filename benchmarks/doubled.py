"""Whether finals repeat a phrase that was spoken once, at twice the load that the machine can carry.

Real-time streams against a gateway in this process with default settings: each stream plays the folder's recordings of
one language with a known text, with pauses between them, starting at a different one, in a loop. The run ends after
`--finals` finals of all streams together.

*Doubled*: a phrase of three words or more, or a whole sentence, that appears twice in a row, but once in the recording
(`benchmarks.doubling`). Lags are not measured; `livecue bench` measures how many streams keep up.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from pathlib import Path

import anyio

from benchmarks.arms import gateway_settings, pcm_of
from benchmarks.doubling import doubled_phrases, spelled_words
from benchmarks.real_time import play
from benchmarks.recordings import SHARED_AUDIO, read_recording
from benchmarks.report import print_table, write_json
from clients.paced_media import MEDIA_FORMAT
from decoder.engine_selection import create_engine
from gateway.wire import SAMPLE_RATE_HZ, Final, ServerEvent, Start
from tools.real_models import model_directory

CATEGORIES = ("clean", "telephone")
"""Recordings that a model transcribes well; noise is another question."""

LANGUAGE = "en"

PAUSE_S = 1.0
"""Ends a turn."""

LONGEST_S = 40.0
"""Longer recordings are skipped, as a few would leave no room for the others."""

DECODE_TIMEOUT_S = 150.0
"""High, so that other load on the machine delays finals instead of failing them."""

WEIGHTS = "whisper-tiny.en"


@dataclass(frozen=True, slots=True)
class Utterances:
    """A recording and its words.

    Attributes:
        audio: in the format of files, followed by the pause.
        words: of its text, as `spelled_words` returns them.
    """

    audio: bytes
    words: tuple[str, ...]

    @property
    def length_s(self) -> float:
        """Length of the audio."""
        return len(self.audio) / MEDIA_FORMAT.bytes_per_sample_frame / SAMPLE_RATE_HZ


@dataclass(slots=True)
class Written:
    """The finals of all streams.

    Attributes:
        texts: of each stream's finals, in order.
        audio_samples: end sample of each stream's last final.
    """

    texts: list[list[str]]
    audio_samples: list[int] = field(default_factory=list)

    def note(self, stream: int, event: ServerEvent, _at_s: float) -> None:
        """Record an event of a stream."""
        if isinstance(event, Final):
            self.texts[stream].append(event.text)
            self.audio_samples[stream] = event.end_sample

    @property
    def finals(self) -> int:
        """Number of finals with text."""
        return sum(bool(text.strip()) for texts in self.texts for text in texts)


@dataclass(frozen=True, slots=True)
class Doubled:
    """The result of a run.

    Attributes:
        streams: concurrent.
        finals: with text.
        words: of the finals.
        doubled: number of doubled phrases.
        audio_s: streamed, of all streams.
        cpu_s_per_s: CPU time of the process for a second of one stream.
        late_s: delay of the latest frame sent.
        failed: streams that the gateway ended.
        others_cores: cores busy with other processes.
        phrases: the doubled ones.
    """

    streams: int
    finals: int
    words: int
    doubled: int
    audio_s: float
    cpu_s_per_s: float
    late_s: float
    failed: int
    others_cores: float | None
    phrases: tuple[str, ...]


def spoken_until(order: Sequence[Utterances], end_sample: int) -> list[str]:
    """Return the words of the recordings that begin before a sample, in the order of a stream."""
    words: list[str] = []
    begin_s = 0.0
    for utterances in order:
        if begin_s * SAMPLE_RATE_HZ >= end_sample:
            break
        words += utterances.words
        begin_s += utterances.length_s
    return words


def orders(recordings: Sequence[Utterances], streams: int, seconds: float) -> list[list[Utterances]]:
    """Return the recordings of each stream: all, starting at a different one, looped for that many seconds."""
    rounds = 1 + int(seconds / sum(one.length_s for one in recordings))
    count = rounds * len(recordings)
    starts = [number * len(recordings) // streams for number in range(streams)]
    return [list(islice(cycle(recordings), start, start + count)) for start in starts]


async def measure(options: argparse.Namespace, recordings: Sequence[Utterances]) -> Doubled:
    """Stream until there are enough finals, and return the doubled phrases."""
    overrides: dict[str, dict[str, object]] = {
        "engine": {"cpu_threads": 0},
        "scheduler": {"decode_timeout_s": DECODE_TIMEOUT_S},
    }
    settings = gateway_settings(options.weights, overrides)
    start = Start(MEDIA_FORMAT, language=LANGUAGE)
    played = orders(recordings, options.streams, options.seconds)
    written = Written([[] for _ in played], [0] * len(played))
    audio = [b"".join(one.audio for one in order) for order in played]
    load = await play(
        create_engine(settings.engine), settings, start, audio, written.note, lambda: written.finals >= options.finals
    )
    phrases = [
        phrase
        for order, texts, end_sample in zip(played, written.texts, written.audio_samples, strict=True)
        for phrase in doubled_phrases(texts, spoken_until(order, end_sample))
    ]
    return Doubled(
        streams=options.streams,
        finals=written.finals,
        words=sum(len(text.split()) for texts in written.texts for text in texts),
        doubled=len(phrases),
        audio_s=load.audio_s,
        cpu_s_per_s=load.cpu_s / load.audio_s,
        late_s=load.late_s,
        failed=load.failed,
        others_cores=load.others_cores,
        phrases=tuple(phrases),
    )


def read_utterances(folder: Path) -> list[Utterances]:
    """Return the folder's recordings with a known text."""
    entries = json.loads((folder / "manifest.json").read_text("utf-8"))
    pause = bytes(round(PAUSE_S * SAMPLE_RATE_HZ) * MEDIA_FORMAT.bytes_per_sample_frame)
    return [
        Utterances(pcm_of(read_recording(folder / entry["file"])) + pause, tuple(spelled_words(entry["text"])))
        for entry in entries
        if entry["category"] in CATEGORIES
        and entry["language"] == LANGUAGE
        and entry["text"]
        and entry["duration_s"] <= LONGEST_S
        and (folder / entry["file"]).is_file()
    ]


def main() -> None:
    """Measure, print the table and the phrases, and write the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.doubled", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, default=SHARED_AUDIO, help="folder of recordings and their manifest.json")
    parser.add_argument("--weights", type=Path, default=model_directory(WEIGHTS), help="CTranslate2 Whisper")
    parser.add_argument("--streams", type=int, default=16, help="concurrent: twice as many as keep up")
    parser.add_argument("--finals", type=int, default=300, help="of all streams, after which the run ends")
    parser.add_argument("--seconds", type=float, default=1800.0, help="audio of each stream at most")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args()
    if options.weights is None:
        parser.error("no weights found: run `make models`, or set --weights")
    result = anyio.run(measure, options, read_utterances(options.audio))
    columns = ["streams", "finals", "words", "doubled", "audio s", "CPU s / s", "late s", "failed", "others' cores"]
    print_table("phrases written twice that were spoken once", columns, [list(asdict(result).values())[: len(columns)]])
    for phrase in result.phrases:
        print(f"twice: {phrase}")
    write_json(options.json, "doubled", asdict(result))


if __name__ == "__main__":
    main()
