"""`livecue doctor --compare-windows`: decodes finals in full and in trimmed windows, and counts their errors."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import anyio
import numpy as np
import typer
from anyio import to_thread

from clients.bench.manifest import MANIFEST, ListedRecording, read_listed
from clients.paced_media import MEDIA_FORMAT, MediaError, MediaFile, MediaTooLong
from decoder.audio_checks import LONGEST_S
from decoder.engine import WINDOWED_ENGINES, Engine
from decoder.engine_selection import choose, create_engine
from decoder.languages import read_language
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis, RequestKind
from gateway.cli.running import EXIT_FAILED, recording_progress, report, reported_errors, run
from gateway.cli.tables import print_table
from gateway.cli.window_comparison import Comparison, Decoded, Pair, advice, compare
from gateway.cli.word_errors import count_errors, scored_words
from gateway.errors import ConfigurationError
from gateway.settings import Settings
from vad.audio import Float32, PcmDecoder
from vad.errors import LivecueError

__all__ = ["compare_windows"]

Normaliser = Callable[[str], str]
"""Returns a text in one spelling, so that `20` is as right as `twenty`."""


def compare_windows(folder: Path, settings: Settings, language: str | None) -> None:
    """Compare the windows on the recordings of a folder, and print the figures and what to do.

    Args:
        folder: holds recordings and their texts (`clients.bench.manifest`).
        settings: of the engine, and the languages among which one is detected.
        language: of recordings whose own is unknown; None: detected.
    """
    with reported_errors():
        code = _language_code(language)
        recordings = _with_texts(folder)
        engine = create_engine(_engine_settings(settings.engine))
        comparer = _Comparer(engine, _english_normaliser(), code, settings.session.languages)
    run(partial(_compare, folder, recordings, engine, comparer))


async def _compare(folder: Path, recordings: Sequence[ListedRecording], engine: Engine, comparer: "_Comparer") -> None:
    try:
        await engine.warm_up()
        with recording_progress(len(recordings)) as advance:
            for recording in recordings:
                await comparer.add(recording)
                advance()
    finally:
        with anyio.CancelScope(shield=True):
            await engine.aclose()
    comparer.print_uncompared()
    if not comparer.pairs:
        raise ConfigurationError(f"{folder}: none of {len(recordings)} recordings can be compared")
    _print_comparison(engine, compare(comparer.pairs))
    if comparer.failed:
        raise typer.Exit(EXIT_FAILED)


def _with_texts(folder: Path) -> list[ListedRecording]:
    recordings = read_listed(folder)
    if not any(recording.text for recording in recordings):
        raise ConfigurationError(
            f"{folder}: {len(recordings)} recordings, none with a text: expected talk.txt beside talk.flac, or "
            f'{MANIFEST}, a list of {{"audio": "talk.flac", "text": "what is spoken", "language": "en"}}'
        )
    return recordings


class _Skipped(Exception):
    """A recording is not compared, and why."""


class _Comparer:
    """Decodes recordings in both windows, and counts those that cannot be compared.

    Args:
        engine: warm when the first recording is added; its finals in haste have trimmed windows.
        english: for English texts.
        language: of recordings whose own is unknown; None: detected.
        languages: among which it is detected; empty: all of the engine.
    """

    def __init__(self, engine: Engine, english: Normaliser, language: str | None, languages: tuple[str, ...]) -> None:
        self._engine = engine
        self._english = english
        self._language = language
        self._languages = languages
        self.pairs: list[Pair] = []
        self.failed = 0
        self._skipped: Counter[str] = Counter()

    async def add(self, recording: ListedRecording) -> None:
        """Decode a recording; report an error, so that the others still count."""
        try:
            self.pairs.append(await self._pair(recording))
        except _Skipped as reason:
            self._skipped[str(reason)] += 1
        except LivecueError as error:
            self.failed += 1
            report(error)

    def print_uncompared(self) -> None:
        """Print how many recordings were not compared, and why."""
        reasons = [f"{count} {reason}" for reason, count in self._skipped.items()]
        if self.failed:
            reasons.append(f"{self.failed} with an error")
        if reasons:
            typer.echo(f"not compared: {', '.join(reasons)}")

    async def _pair(self, recording: ListedRecording) -> Pair:
        if not recording.text:
            raise _Skipped("without a text")
        language = _known_code(recording.language) or self._language
        if language is not None and language not in self._engine.info.languages:
            raise _Skipped("in languages that the model does not write")
        samples = await to_thread.run_sync(_read_audio, recording.path)
        request = self._request(recording.path, samples, language)
        full, full_work = await self._decoded(request)
        trimmed, trimmed_work = await self._decoded(replace(request, in_haste=True))
        scored = partial(self._scored_words, language=language or full.language)
        words = scored(recording.text)
        if not words:
            raise _Skipped("without a text")
        errors = [count_errors(words, scored(_text(answer))) for answer in (full, trimmed)]
        return Pair(Decoded(errors[0], *full_work), Decoded(errors[1], *trimmed_work))

    def _request(self, path: Path, samples: Float32, language: str | None) -> DecodeRequest:
        return DecodeRequest(
            session_id=str(path),
            utterance_id=1,
            revision=1,
            kind=RequestKind.FINAL,
            samples=samples,
            start_sample=0,
            deadline_s=0.0,
            language=language,
            languages=self._languages,
        )

    async def _decoded(self, request: DecodeRequest) -> tuple[Hypothesis, tuple[float, int]]:
        """Return the answer, the seconds encoded and how often it was decoded again."""
        before = self._engine.work
        answer = (await self._engine.decode([request]))[0]
        self._engine.forget(request.session_id)  # so that the other window finds no language and no spectrogram
        if isinstance(answer, EngineError):
            raise EngineFailed(f"{request.session_id}: {answer}") from answer
        after = self._engine.work
        return answer, (after.encoder_s - before.encoder_s, after.redecoded - before.redecoded)

    def _scored_words(self, text: str, language: str | None) -> list[str]:
        return scored_words(self._english(text) if language == "en" else text)


def _text(answer: Hypothesis) -> str:
    return "".join(word.text for word in answer.words)


def _english_normaliser() -> Normaliser:
    """Return OpenAI's normaliser, which published word error rates of Whisper use.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        normaliser: Normaliser = import_module("whisper_normalizer.english").EnglishTextNormalizer()
    except ImportError as error:
        raise ConfigurationError(f"--compare-windows: {error}; pip install 'livecue[bench]' installs it") from error
    # It writes `one` for a single 1, but not for one among other digits.
    return lambda text: re.sub(r"\bone\b", "1", normaliser(text))


def _engine_settings(settings: EngineSettings) -> EngineSettings:
    """Return the settings of an engine that decodes in either window, so that its weights are loaded once.

    Raises:
        ConfigurationError: it has no windows.
        ModelError: there is no model.
    """
    chosen = choose(settings).settings
    if chosen.name not in WINDOWED_ENGINES:
        expected = ", ".join(sorted(WINDOWED_ENGINES))
        raise ConfigurationError(f"engine {chosen.name} has no windows to compare: expected {expected}")
    # Requests come one after the other, so one worker has all cores.
    return replace(chosen, final_window="full", hasty_final_window="trimmed", workers=1)


def _language_code(text: str | None) -> str | None:
    try:
        language = None if text is None else read_language(text)
    except ValueError as error:
        raise ConfigurationError(f"--language: {error}") from error
    return None if language is None else language.code


def _known_code(text: str | None) -> str | None:
    """Return the code of a language in a manifest; a text that is none, such as `en+de`, stays: no engine writes it."""
    try:
        return _language_code(text)
    except ConfigurationError:
        return text


def _read_audio(path: Path) -> Float32:
    """Return a recording as float32[n], mono 16 kHz.

    Raises:
        MediaError: it is broken.
        _Skipped: it is too long for one request.
    """
    try:
        with MediaFile(str(path), max_duration_s=LONGEST_S) as media:
            pcm = b"".join(media.frames())
            broken_packets = media.broken_packets
    except MediaTooLong as error:
        raise _Skipped(f"longer than {LONGEST_S} s") from error
    if broken_packets:
        raise MediaError(f"{path}: {broken_packets} broken packets")
    decoder = PcmDecoder(MEDIA_FORMAT)
    return np.concatenate([decoder.push(pcm).samples, decoder.finish().samples])


def _print_comparison(engine: Engine, comparison: Comparison) -> None:
    info, total = engine.info, comparison.total
    counts = f"{comparison.recordings} recordings, {total.full.errors.words} words"
    typer.echo(f"engine {info.engine}, model {info.model}, {info.device}: {counts}\n")
    headings = ("window", "words wrong", "substituted", "inserted", "deleted", "decoded again", "encoder s")
    print_table(headings, [("full", *_cells(total.full)), ("trimmed", *_cells(total.trimmed))])
    interval = f"{comparison.least_points:+.2f} to {comparison.most_points:+.2f}"
    typer.echo(f"\ntrimmed – full: {comparison.difference_points:+.2f} points, 95 % interval {interval}")
    typer.echo(advice(comparison))


def _cells(decoded: Decoded) -> tuple[str, ...]:
    errors = decoded.errors
    shares = (errors.wrong, errors.substituted, errors.inserted, errors.deleted)
    percents = (f"{100 * count / errors.words:.2f} %" for count in shares)
    return (*percents, str(decoded.redecoded), f"{decoded.encoder_s:.0f}")
