"""Test sets: recordings with their references, word times and hashes, read from a folder or a manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from clients.bench import result
from clients.bench.concatenation import Clip
from clients.bench.manifest import ListedRecording, ListedWord, TestsetError, read_listed
from clients.bench.normaliser import normaliser_name, normaliser_sha256, tokens
from clients.bench.recorded_audio import duration_s, read_pcm, resampled
from clients.bench.reference import Reference, ReferenceWord, with_ends_of_speech
from clients.bench.word_times import read_word_times, sha256_of_text, word_times_path
from vad.media_file import MediaError

__all__ = ["TestRecording", "Testset", "read_testset"]

_SEVERAL_LANGUAGES = "+"
"""In a language such as "en+de": no normaliser fits."""

_ADVICE = "run `livecue bench prepare`"

_NAMED = 3
"""Recordings named in a note; the others are counted."""


@dataclass(frozen=True, slots=True)
class TestRecording:
    """A recording of a test set.

    Attributes:
        path: its file.
        reference: what is spoken in it.
        entry: its entry in the result.
    """

    __test__ = False  # pytest takes classes named Test… for tests

    path: Path
    reference: Reference
    entry: result.Recording

    def clip(self, sample_rate_hz: int) -> Clip:
        """Return it with its audio at a rate.

        Raises:
            MediaError: it can no longer be decoded.
            OSError: it can no longer be read.
        """
        return Clip(self.reference, resampled(read_pcm(self.path), sample_rate_hz))


@dataclass(frozen=True, slots=True)
class Testset:
    """Recordings, in the order of their source.

    Attributes:
        name: of the source.
        recordings: with and without speech.
        notes: which recordings of the source are left out or have no word times, and why.
    """

    __test__ = False

    name: str
    recordings: tuple[TestRecording, ...]
    notes: tuple[str, ...] = ()

    @property
    def speech(self) -> tuple[TestRecording, ...]:
        """Those in which somebody speaks."""
        return tuple(recording for recording in self.recordings if recording.reference.words)

    @property
    def speechless(self) -> tuple[TestRecording, ...]:
        """Those in which nobody speaks."""
        return tuple(recording for recording in self.recordings if not recording.reference.words)

    def entry(self) -> result.Testset:
        """Return its entry in a result.

        Raises:
            BenchExtraMissing: the normaliser is not installed.
        """
        entries = [recording.entry for recording in self.recordings]
        pins = [f"{each.id}\t{each.audio_sha256}\t{each.reference_sha256}\n" for each in entries]
        return result.Testset(
            name=self.name,
            recordings=entries,
            sha256=sha256("".join(sorted(pins)).encode()).hexdigest(),
            normaliser=normaliser_name(),
            normaliser_sha256=normaliser_sha256(),
        )


def read_testset(source: Path, cache: Path | None = None, default_language: str = "en") -> Testset:
    """Return the test set of a folder or a manifest (`clients.bench.manifest`).

    Args:
        source: a folder, or a manifest.
        cache: folder of word times made by `livecue bench prepare`; None: they lie beside the recordings.
        default_language: of texts whose language is unknown, ISO-639-1.

    Raises:
        TestsetError: it cannot be read, or no recording of it can be measured.
    """
    recordings: list[TestRecording] = []
    remarks: dict[str, list[str]] = {}
    for listed in read_listed(source):
        remark: str | None
        if listed.text is None:
            remark = "left out, the text is unknown"
        elif _SEVERAL_LANGUAGES in (listed.language or ""):
            remark = "left out, speech in several languages"
        else:
            recording, remark = _recording(listed, listed.text, cache, default_language)
            recordings.append(recording)
        if remark is not None:
            remarks.setdefault(remark, []).append(listed.name)
    if not recordings:
        raise TestsetError(
            f"{source}: no recording with a text: expected talk.txt beside talk.flac, or a manifest, "
            'a list of {"audio": "talk.flac", "text": "what is spoken", "language": "en"}'
        )
    name = source.name if source.is_dir() else source.parent.name
    return Testset(name, tuple(recordings), tuple(_note(remark, names) for remark, names in remarks.items()))


def _note(remark: str, names: Sequence[str]) -> str:
    rest = "" if len(names) <= _NAMED else f" and {len(names) - _NAMED} more"
    return f"{', '.join(names[:_NAMED])}{rest}: {remark}"


def _recording(
    listed: ListedRecording, text: str, cache: Path | None, default_language: str
) -> tuple[TestRecording, str | None]:
    """Return a recording, and what is to be noted of it."""
    audio_sha256, length_s = _read(listed.path)
    language = (listed.language or default_language) if text else None
    times = _WordTimes(listed.words, "manifest")
    if text and not listed.words:
        times = _prepared(word_times_path(listed.path, audio_sha256, cache), audio_sha256, text)
    words = times.words or [ListedWord(word, 0.0, 0.0) for word, _ in tokens(text, language)]
    spoken = [ReferenceWord(word.text, word.start_s, word.end_s) for word in words]
    has_times = times.why_missing is None
    reference = Reference(listed.name, language, length_s, with_ends_of_speech(spoken), has_times, listed.terms)
    pinned = msgspec.json.encode([language, [(word.text, word.start_s, word.end_s) for word in words], listed.terms])
    entry = result.Recording(
        id=listed.name,
        language=language,
        duration_s=length_s,
        words=len(words),
        audio_sha256=audio_sha256,
        reference_sha256=sha256(pinned).hexdigest(),
        times=times.source if words else "none",
    )
    return TestRecording(listed.path, reference, entry), times.why_missing


@dataclass(frozen=True, slots=True)
class _WordTimes:
    """Words with times, or why there are none."""

    words: Sequence[ListedWord]
    source: str
    why_missing: str | None = None


def _prepared(path: Path, audio_sha256: str, text: str) -> _WordTimes:
    found = read_word_times(path)
    if found is None:
        return _WordTimes((), "none", f"only errors count, there are no word times ({_ADVICE})")
    if found.audio_sha256 != audio_sha256 or found.text_sha256 != sha256_of_text(text):
        return _WordTimes((), "none", f"only errors count, the word times are of another recording or text ({_ADVICE})")
    return _WordTimes(found.words, f"aligned ({found.model})")


def _read(path: Path) -> tuple[str, float]:
    """Return the hash of a recording's file, and the length of its audio."""
    try:
        return sha256(path.read_bytes()).hexdigest(), duration_s(read_pcm(path))
    except (OSError, MediaError) as error:
        raise TestsetError(f"{path}: {error}") from error
