"""Real speech for paced streams: one recording started at several positions, its words tracked through the captions.

Streams begin and end in pauses, so that no word is cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from faster_whisper import WhisperModel

from benchmarks.arms import COMPUTE_TYPE, pcm_of
from benchmarks.captions import aligned, displays
from benchmarks.paced import StreamFigures
from benchmarks.recordings import SpokenWord
from benchmarks.reference_times import ReferenceTimes
from benchmarks.scoring import count_errors, normalised, splitter
from benchmarks.sets import Recording, read_sets
from benchmarks.tally import lags_of, written_words
from benchmarks.virtual import TimedEvents
from clients.paced_media import MEDIA_FORMAT
from decoder.engines.whisper.engine import backend
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, Hypothesis
from decoder.whisper.engine import WhisperEngine
from gateway.wire import SAMPLE_RATE_HZ, Final, ServerEvent, SpeechEnded

__all__ = ["Passage", "Speech", "SpeechClock", "WholeTextEngine", "load_speech", "passages"]

LANGUAGE = "en"

SETS = ("clean", "noisy", "telephone", "long")
"""The sets that a recording may belong to."""

PAUSE_S = 0.1
"""Long enough to start a stream in the middle of it."""

MOMENT_S = 0.01
"""One answer causes several events in quick succession, which count as one moment."""


class WholeTextEngine(WhisperEngine):
    """Whisper without the committed prefix: it generates the whole text each time, as open peers do."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings, backend(settings))

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return the hypothesis of each request alone."""
        return await super().decode([replace(request, prefix=()) for request in batch])


@dataclass(frozen=True, slots=True)
class Speech:
    """A recording with known words and times.

    Attributes:
        audio: in the format of files.
        words: as in the reference, in order.
    """

    audio: bytes
    words: tuple[SpokenWord, ...]

    @property
    def length_s(self) -> float:
        """Length of the audio."""
        return len(self.audio) / MEDIA_FORMAT.bytes_per_sample_frame / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Passage:
    """The audio of one stream.

    Attributes:
        audio: in the format of files.
        words: as in the reference, with times from the beginning of the passage.
    """

    audio: bytes
    words: tuple[SpokenWord, ...]


@dataclass(slots=True)
class SpeechClock:
    """Measures one stream of real speech: the lag of its words, and the number of wrong ones.

    Args:
        passage: of the stream.
    """

    passage: Passage
    _moments: list[TimedEvents] = field(default_factory=list)
    _speech_s: float = 0.0

    def note(self, event: ServerEvent, at_s: float) -> None:
        """Record an event of the stream (see `benchmarks.paced.Clock`)."""
        if isinstance(event, SpeechEnded):
            self._speech_s += (event.end_sample - event.start_sample) / SAMPLE_RATE_HZ
        if self._moments and at_s - self._moments[-1].at_s <= MOMENT_S:
            self._moments[-1] = replace(self._moments[-1], events=(*self._moments[-1].events, event))
        else:
            self._moments.append(TimedEvents(at_s, (event,)))

    def figures(self) -> StreamFigures:
        """Return the measurements; words are tracked by alignment."""
        split = splitter(LANGUAGE)
        finals = [
            (moment.at_s, event) for moment in self._moments for event in moment.events if isinstance(event, Final)
        ]
        spoken = [replace(word, text="".join(split(word.text))) for word in self.passage.words]
        lags = lags_of([spoken], written_words(displays(self._moments, split), finals))
        reference = normalised(" ".join(word.text for word in self.passage.words), LANGUAGE)
        transcript = normalised(" ".join(final.text for _, final in finals), LANGUAGE)
        return StreamFigures(
            shown=list(zip(lags.ended_s, lags.shown_s, strict=True)),
            finals_s=lags.final_s,
            speech_s=self._speech_s,
            words=len(reference),
            errors=count_errors([reference], transcript),
        )


def load_speech(path: Path, weights: Path) -> Speech:
    """Return a recording with the times of its words.

    Args:
        path: of the recording; the `manifest.json` of its folder has its text.
        weights: directory of a CTranslate2 Whisper, which aligns them.

    Raises:
        LookupError: the manifest has no text for it.
    """
    recording = next((one for one in _of_folder(path) if one.path == path and len(one.voices) == 1), None)
    if recording is None:
        raise LookupError(f"{path}: expected an entry with a text in the manifest.json of its folder")
    times = ReferenceTimes(WhisperModel(str(weights), device="cpu", compute_type=COMPUTE_TYPE))
    [words] = times.of(recording)
    return Speech(pcm_of(recording.read()), tuple(timed(recording.voices[0].text.split(), words)))


def timed(pieces: Sequence[str], words: Sequence[SpokenWord]) -> Iterator[SpokenWord]:
    """Yield the words of a text as they are written there, with the times of the words as they are compared.

    One without a time stands at the end of the one before. Punctuation alone is left out.
    """
    split = splitter(LANGUAGE)
    written = [piece for piece in pieces if split(piece)]
    end_s = 0.0
    for i, j in aligned(["".join(split(piece)) for piece in written], [word.text for word in words]):
        if i is not None:
            start_s, end_s = (end_s, end_s) if j is None else (words[j].start_s, words[j].end_s)
            yield SpokenWord(written[i], start_s, end_s)


def passages(speech: Speech, count: int, seconds: float) -> list[Passage]:
    """Return passages that start in the pauses nearest to evenly spread positions, looped at the end.

    Args:
        speech: the recording.
        count: of passages.
        seconds: minimum length; each extends to the next pause.
    """
    length_s = speech.length_s
    rounds = 2 + int(seconds / length_s)
    pauses = [0.0, *_pauses(speech.words)]
    ends = [number * length_s + pause_s for number in range(rounds + 1) for pause_s in pauses]
    starts = [_nearest(pauses, length_s * number / count) for number in range(count)]
    return [
        _passage(speech, start_s, next(end_s for end_s in ends if end_s >= start_s + seconds), rounds)
        for start_s in starts
    ]


def _passage(speech: Speech, start_s: float, end_s: float, rounds: int) -> Passage:
    first, end = (round(time_s * SAMPLE_RATE_HZ) * MEDIA_FORMAT.bytes_per_sample_frame for time_s in (start_s, end_s))
    shifts_s = [number * speech.length_s - start_s for number in range(rounds)]
    words = [
        SpokenWord(word.text, word.start_s + shift_s, word.end_s + shift_s)
        for shift_s in shifts_s
        for word in speech.words
        if word.start_s + shift_s >= 0 and word.end_s + shift_s <= end_s - start_s
    ]
    return Passage((speech.audio * rounds)[first:end], tuple(words))


def _nearest(times_s: Sequence[float], wanted_s: float) -> float:
    return min(times_s, key=lambda time_s: abs(time_s - wanted_s))


def _pauses(words: Sequence[SpokenWord]) -> list[float]:
    """Return the middles of the pauses between words."""
    return [
        (word.end_s + after.start_s) / 2 for word, after in pairwise(words) if after.start_s - word.end_s >= PAUSE_S
    ]


def _of_folder(path: Path) -> Iterator[Recording]:
    for recordings in read_sets(path.parent, SETS).values():
        yield from recordings
