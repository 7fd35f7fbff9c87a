"""Whether the engine torch returns what CTranslate2 and faster-whisper do, with the same weights in float32.

    python -m benchmarks.parity [--weights DIR …] [--audio DIR] [--sets …]

Recordings of up to 30 s are decoded in full windows, greedily and once, so that only rounding may differ.

- *Same text*: requests whose texts agree in every character, of all. *As faster-whisper*: finals whose words are those
  of its own `transcribe`, of all.
- *Log probability* and *no speech*: greatest difference of the mean log probability, nats per token, and of the
  probability that there is no speech, among requests of the same text.
- *Moved*: words of finals whose start or end differs by more than 20 ms, the encoder's resolution, of all.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import anyio
import numpy as np
from faster_whisper import WhisperModel

from benchmarks.report import print_table, write_json
from benchmarks.sets import SETS, Recording, read_sets
from benchmarks.weights_options import parse_options, weights_parser
from decoder.audio_checks import LONGEST_S
from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, Hypothesis, RequestKind
from decoder.whisper.batch_plan import POSITION_SAMPLES
from vad.audio import SAMPLE_RATE_HZ, Float32

DEFAULT_SETS = ("clean", "noisy", "telephone")

LONGEST_SAMPLES = LONGEST_S * SAMPLE_RATE_HZ

KINDS = (RequestKind.PARTIAL, RequestKind.FINAL)


@dataclass(frozen=True, slots=True)
class Difference:
    """How the answers to one request differ.

    Attributes:
        recording: its name.
        kind: of the request.
        texts: of torch, of CTranslate2, and of faster-whisper's `transcribe`; empty where that is not compared.
        logprob: difference of the mean log probabilities, nats per token.
        no_speech: difference of the probabilities that there is no speech.
        words: in the answer of torch.
        moved: those whose start or end differs by more than the encoder's resolution; 0 where the texts differ.
    """

    recording: str
    kind: RequestKind
    texts: tuple[str, str, str]
    logprob: float
    no_speech: float
    words: int
    moved: int

    @property
    def is_same(self) -> bool:
        """Whether torch and CTranslate2 have the same text."""
        return self.texts[0] == self.texts[1]

    @property
    def is_as_faster_whisper(self) -> bool:
        """Whether torch and faster-whisper have the same words."""
        return self.texts[0].split() == self.texts[2].split()


class Comparison:
    """One model in both engines, and in faster-whisper.

    Args:
        torch, ctranslate2: engines with these weights.
        whole: the weights in faster-whisper.
    """

    def __init__(self, torch: Engine, ctranslate2: Engine, whole: WhisperModel) -> None:
        self._torch = torch
        self._ctranslate2 = ctranslate2
        self._whole = whole

    async def differences(self, recording: Recording, audio: Float32) -> list[Difference]:
        """Return how the answers to a partial and a final of the recording differ."""
        found = []
        for kind in KINDS:
            request = DecodeRequest(
                f"{recording.name} {kind}", 1, 1, kind, audio, 0, deadline_s=0.0, language=recording.language
            )
            one, other = [await _answer(engine, request) for engine in (self._torch, self._ctranslate2)]
            whole = self._transcribed(audio, recording.language) if kind is RequestKind.FINAL else ""
            found.append(_difference(recording.name, kind, one, other, whole))
        return found

    def _transcribed(self, audio: Float32, language: str | None) -> str:
        # With less than 30 s faster-whisper pads the spectrogram with zeros, which are not silence to the network.
        audio = np.pad(audio, (0, LONGEST_SAMPLES - len(audio)))
        segments, _ = self._whole.transcribe(
            audio, language=language, beam_size=1, temperature=0.0, condition_on_previous_text=True
        )
        return "".join(segment.text for segment in segments)


def _difference(name: str, kind: RequestKind, one: Hypothesis, other: Hypothesis, whole: str) -> Difference:
    texts = tuple("".join(word.text for word in answer.words) for answer in (one, other))
    is_moved = [
        max(abs(a.start_sample - b.start_sample), abs(a.end_sample - b.end_sample)) > POSITION_SAMPLES
        for a, b in zip(one.words, other.words, strict=False)
    ]
    is_same = texts[0] == texts[1]
    return Difference(
        name,
        kind,
        (texts[0], texts[1], whole),
        abs((one.avg_logprob or 0.0) - (other.avg_logprob or 0.0)),
        abs((one.no_speech_probability or 0.0) - (other.no_speech_probability or 0.0)),
        len(one.words),
        sum(is_moved) if is_same and kind is RequestKind.FINAL else 0,
    )


async def _answer(engine: Engine, request: DecodeRequest) -> Hypothesis:
    [answer] = await engine.decode([request])
    if not isinstance(answer, Hypothesis):
        raise answer
    return answer


async def run(options: argparse.Namespace) -> list[Difference]:
    """Compare all weights, and print a table for each."""
    recordings = [recording for found in read_sets(options.audio, options.sets).values() for recording in found]
    differences: list[Difference] = []
    for weights in options.weights:
        settings = EngineSettings(
            model=str(weights),
            device="cpu",
            compute_type="float32",
            partial_window="full",
            final_beam_size=1,
            final_temperatures=(0.0,),
            offline=True,
        )
        torch, ctranslate2 = (create_engine(replace(settings, name=name)) for name in ("torch", "whisper"))
        await torch.warm_up()
        comparison = Comparison(torch, ctranslate2, WhisperModel(str(weights), device="cpu", compute_type="float32"))
        found: list[Difference] = []
        for recording in recordings:
            audio = recording.read()
            is_writable = torch.info.translates or recording.language in (None, *torch.info.languages)
            if len(audio) <= LONGEST_SAMPLES and is_writable:
                found += await comparison.differences(replace(recording, language=recording.language or "en"), audio)
        for engine in (torch, ctranslate2):
            await engine.aclose()
        print_differences(weights.name, found)
        differences += found
    return differences


def print_differences(title: str, differences: Sequence[Difference]) -> None:
    """Print a row for each kind, and the texts that differ."""
    columns = ["kind", "same text", "as faster-whisper", "log probability", "no speech", "moved", "of words"]
    rows = []
    for kind in KINDS:
        found = [one for one in differences if one.kind is kind]
        same = [one for one in found if one.is_same]
        as_whole = sum(one.is_as_faster_whisper for one in found) if kind is RequestKind.FINAL else "–"
        logprob, no_speech = (
            f"{max(values, default=0.0):.1e}"
            for values in ([one.logprob for one in same], [one.no_speech for one in same])
        )
        moved, words = sum(one.moved for one in found), sum(one.words for one in found)
        rows.append([kind, f"{len(same)} / {len(found)}", as_whole, logprob, no_speech, moved, words])
    print_table(title, columns, rows)
    for one in differences:
        for name, text in zip(("CTranslate2", "faster-whisper"), _others(one), strict=True):
            if text is not None:
                print(f"{one.recording} {one.kind}\n  torch: {one.texts[0]}\n  {name}: {text}")


def _others(difference: Difference) -> tuple[str | None, str | None]:
    """Return the texts that differ from that of torch."""
    is_compared = difference.kind is RequestKind.FINAL
    whole = difference.texts[2] if is_compared and not difference.is_as_faster_whisper else None
    return None if difference.is_same else difference.texts[1], whole


def main() -> None:
    """Compare, print the tables and write the JSON."""
    parser = weights_parser("benchmarks.parity", __doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=DEFAULT_SETS, help="of recordings")
    options = parse_options(parser)
    differences = anyio.run(run, options)
    write_json(options.json, "parity", [asdict(one) for one in differences])


if __name__ == "__main__":
    main()
