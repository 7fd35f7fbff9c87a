"""`livecue bench prepare`: aligns the texts of recordings with their audio, once, so that every benchmark measures them
against the same word times."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from clients.bench.manifest import ListedRecording, ListedWord, TestsetError, read_listed
from clients.bench.normaliser import is_unspaced, tokens
from clients.bench.recorded_audio import read_pcm
from clients.bench.word_times import WordTimesFile, read_word_times, sha256_of_text, word_times_path, write_word_times
from decoder.languages import language_code
from decoder.model_hub import resolve_model
from decoder.packaged_models import EMBEDDED
from gateway.cli.running import EXIT_FAILED, recording_progress, report, reported_errors
from vad.audio import Float32
from vad.errors import LivecueError
from vad.media_file import MediaError

if TYPE_CHECKING:
    from decoder.engines.whisper.reference_alignment import ReferenceAligner

__all__ = ["prepare"]

_ENGLISH = "en"

_INT16_UNIT = np.float32(1 / (1 << 15))


def prepare(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with recordings and texts, or a manifest.")],
    model: Annotated[
        str, typer.Option(help="Whisper model: a name, owner/name, or a directory. English: tiny.en aligns best.")
    ] = EMBEDDED,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the word times there instead of beside the recordings.")
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="CODE", help="Language of texts whose own is not in the manifest.")
    ] = _ENGLISH,
    offline: Annotated[bool, typer.Option("--offline", help="Never access the model hub.")] = False,
) -> None:
    """Align the texts of recordings with a Whisper model, and write the times of their words.

    Recordings whose words have times already, in the manifest or from an earlier run with the same text, are skipped.
    """
    # Imported on use: the import of CTranslate2 is slow, and most commands need none.
    from decoder.engines.whisper.reference_alignment import load_aligner

    with reported_errors():
        listed = read_listed(folder)
        if not any(recording.text for recording in listed):
            raise TestsetError(f"{folder}: {len(listed)} recordings, none with a text")
        aligner = load_aligner(resolve_model(model, offline=offline))
        preparation = _Preparation(aligner, Path(model).name, cache, language)
        with recording_progress(len(listed)) as advance:
            for recording in listed:
                preparation.add(recording)
                advance()
    typer.echo(preparation.summary())
    if preparation.has_failed:
        raise typer.Exit(EXIT_FAILED)


class _Preparation:
    """Aligns one recording after the other, and counts what became of them.

    Args:
        aligner: of all recordings.
        model: name of its model.
        cache: folder of the word times; None: beside the recordings.
        language: of texts whose own is unknown.
    """

    def __init__(self, aligner: "ReferenceAligner", model: str, cache: Path | None, language: str) -> None:
        self._aligner = aligner
        self._model = model
        self._cache = cache
        self._language = language
        self._outcomes: Counter[str] = Counter()

    @property
    def has_failed(self) -> bool:
        """Whether a recording could not be aligned."""
        return self._outcomes["failed"] > 0

    def add(self, recording: ListedRecording) -> None:
        """Align a recording, unless its words have times; report an error, so that the others are still aligned."""
        try:
            outcome = self._outcome(recording)
        except LivecueError as error:
            report(error)
            outcome = "failed"
        self._outcomes[outcome] += 1

    def summary(self) -> str:
        """Return how many recordings were aligned, and what became of the others."""
        return f"word times, model {self._model}: " + ", ".join(
            f"{count} {outcome}" for outcome, count in self._outcomes.items()
        )

    def _outcome(self, recording: ListedRecording) -> str:
        if not recording.text:
            return "without a text"
        if "+" in (recording.language or ""):
            return "in several languages"
        if recording.words:
            return "with times in the manifest"
        try:
            audio_sha256 = sha256(recording.path.read_bytes()).hexdigest()
            path = word_times_path(recording.path, audio_sha256, self._cache)
            if _is_current(read_word_times(path), audio_sha256, recording.text):
                return "already aligned"
            samples = np.frombuffer(read_pcm(recording.path), dtype="<i2").astype(np.float32) * _INT16_UNIT
        except (OSError, MediaError) as error:
            raise TestsetError(f"{recording.path}: {error}") from error
        words = self._aligned(recording, recording.text, samples)
        times = WordTimesFile(self._model, audio_sha256, sha256_of_text(recording.text), words)
        write_word_times(path, times)
        return "aligned"

    def _aligned(self, recording: ListedRecording, text: str, samples: Float32) -> list[ListedWord]:
        language = _code(recording.language or self._language, recording.path)
        if language != _ENGLISH and not self._aligner.is_multilingual:
            raise TestsetError(
                f"{recording.path}: language {language!r}: model {self._model} aligns English only; "
                "choose a multilingual one with --model"
            )
        written = [word for word, _ in tokens(text, language)]
        found = self._aligner.align(samples, written, language, is_spaced=not is_unspaced(language))
        _check_all_aligned(recording.path, written, found)
        return [ListedWord(word.text, word.start_s, word.end_s) for word in found if word is not None]


def _code(language: str, path: Path) -> str:
    code = language_code(language)
    if code is None:
        raise TestsetError(f"{path}: language {language!r}: Whisper does not know it; expected a code such as en")
    return code


def _is_current(times: WordTimesFile | None, audio_sha256: str, text: str) -> bool:
    return times is not None and (times.audio_sha256, times.text_sha256) == (audio_sha256, sha256_of_text(text))


def _check_all_aligned(path: Path, written: Sequence[str], found: Sequence[object | None]) -> None:
    missing = [word for word, aligned in zip(written, found, strict=True) if aligned is None]
    if missing:
        raise TestsetError(
            f"{path}: {len(missing)} of {len(written)} words cannot be aligned, from {missing[0]!r} on: the model "
            "recognizes no two neighbouring words of the text there; check the text, or choose a larger model"
        )
