"""Sets of recordings with their references, from a folder with a `manifest.json`.

The manifest is a list of {file, language, text, category, …}. The category of a recording determines its set; one
without a text belongs to none, except to `speechless`. Digit groups are omitted: how they are grouped in writing is not
a question of recognition. A set without recordings in the folder is empty.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.recordings import SpokenWord, read_recording
from benchmarks.scoring import normalised
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["LEVELS_DBFS", "SETS", "Recording", "Voice", "at_level", "levels", "read_sets", "speech_dbfs"]

SETS = ("clean", "noisy", "telephone", "long", "meetings", "languages", "speechless")

LEVELS_DBFS = (-30, -35, -40, -45, -50, -55, -60, -65)

SPEECHLESS_DBFS = -55
"""Recordings without speech are used unchanged and at this level, the quietest that is still to be recognized."""

_CATEGORIES = {
    "clean": "clean",
    "noisy": "noisy",
    "telephone": "telephone",
    "long": "long",
    "multilingual": "languages",
    "silence": "speechless",
    "noise": "speechless",
    "music": "speechless",
}
"""Category in the manifest → set. Meetings are the recordings whose words are labelled with speakers."""

_MEETING_WORDS = "*_words.json"
"""In the folder `labels`: file → words with speaker and times."""

_LEVEL_RECORDINGS = 5
_LEVEL_RECORDING_S = (4.0, 20.0)
"""Number and length of the recordings played at all levels: enough words in an acceptable time."""

_LEVEL_FRAME_S = 0.1


@dataclass(frozen=True, slots=True)
class Voice:
    """The speech of one person in a recording.

    Attributes:
        text: of the person.
        words: with their times; empty if the labels have none.
    """

    text: str
    words: tuple[SpokenWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording with its reference.

    Attributes:
        name: its file in the manifest, with the level if it was changed.
        path: of the file.
        language: ISO-639-1; None: no speech.
        voices: one per person; empty without speech.
        gain: factor for all samples.
    """

    name: str
    path: Path
    language: str | None
    voices: tuple[Voice, ...]
    gain: float = 1.0

    def read(self) -> Float32:
        """Return its audio, mono at 16 kHz."""
        return read_recording(self.path) * np.float32(self.gain)


def read_sets(folder: Path, names: Iterable[str] = SETS) -> dict[str, list[Recording]]:
    """Return the recordings of the sets, without empty sets.

    Args:
        folder: with `manifest.json` and the files that it lists.
        names: in `SETS`.
    """
    entries = json.loads((folder / "manifest.json").read_text("utf-8"))
    sets: dict[str, list[Recording]] = {name: [] for name in names}
    for entry in entries:
        recording, name = _recording(folder, entry), _CATEGORIES.get(entry["category"])
        is_speechless = name == "speechless"
        if name in sets and recording.path.is_file() and _belongs(recording, is_speechless):
            sets[name] += _at_levels(recording) if is_speechless else [recording]
    if "meetings" in sets:
        sets["meetings"] = _read_meetings(folder)
    return {name: recordings for name, recordings in sets.items() if recordings}


def levels(clean: Sequence[Recording]) -> dict[int, list[Recording]]:
    """Return a few recordings, from different folders if possible, with their speech at each level, dBFS."""
    least_s, most_s = _LEVEL_RECORDING_S
    fitting = [recording for recording in clean if least_s <= len(recording.read()) / SAMPLE_RATE_HZ <= most_s]
    # Recordings in one folder are similar, often of one speaker.
    by_folder = {recording.name.rpartition("/")[0] or recording.name: recording for recording in reversed(fitting)}
    firsts = list(by_folder.values())[::-1]
    if len(firsts) < _LEVEL_RECORDINGS:
        firsts += [recording for recording in fitting if recording not in firsts][: _LEVEL_RECORDINGS - len(firsts)]
    count = min(_LEVEL_RECORDINGS, len(firsts))
    chosen = [firsts[number * len(firsts) // count] for number in range(count)]
    return {level: [at_level(recording, level) for recording in chosen] for level in LEVELS_DBFS}


def at_level(recording: Recording, level_dbfs: float) -> Recording:
    """Return the recording, amplified so that the louder half of its frames has that level.

    Raises:
        ValueError: it is digitally silent.
    """
    present_dbfs = speech_dbfs(recording.read())
    if present_dbfs is None:
        raise ValueError(f"{recording.name} is digitally silent: no gain gives it a level")
    gain = 10 ** ((level_dbfs - present_dbfs) / 20)
    return replace(recording, name=f"{recording.name} at {level_dbfs} dBFS", gain=recording.gain * gain)


def speech_dbfs(audio: Float32) -> float | None:
    """Return the level of the louder half of the frames, the level of the speech; None for digital silence."""
    frame = round(_LEVEL_FRAME_S * SAMPLE_RATE_HZ)
    frames = audio[: len(audio) // frame * frame].reshape(-1, frame).astype(np.float64)
    powers = np.sort(np.mean(frames**2, axis=1))
    power = float(np.mean(powers[len(powers) // 2 :])) if len(powers) else 0.0
    return 10 * float(np.log10(power)) if power > 0 else None


def _recording(folder: Path, entry: dict[str, str | None]) -> Recording:
    file, text = entry["file"], entry.get("text")
    assert file is not None
    voices = (Voice(text),) if text else ()
    return Recording(file, folder / file, entry.get("language") if text else None, voices)


def _belongs(recording: Recording, is_speechless: bool) -> bool:
    if is_speechless or recording.language is None:
        return is_speechless and not recording.voices
    # A tag such as en+de marks a recording in several languages, for which no normaliser fits.
    is_one_language = "+" not in recording.language
    return is_one_language and not all(word.isdigit() for word in normalised(recording.voices[0].text, "en"))


def _at_levels(recording: Recording) -> list[Recording]:
    is_silent = speech_dbfs(recording.read()) is None
    return [recording] if is_silent else [recording, at_level(recording, SPEECHLESS_DBFS)]


def _read_meetings(folder: Path) -> list[Recording]:
    recordings = []
    for labels in sorted((folder / "labels").glob(_MEETING_WORDS)):
        for file, label in json.loads(labels.read_text("utf-8")).items():
            if (folder / file).is_file():
                voices: dict[str, list[SpokenWord]] = {}
                for word in label["words"]:
                    spoken = SpokenWord(word["text"], word["start_s"], word["end_s"])
                    voices.setdefault(word["speaker"], []).append(spoken)
                recordings.append(Recording(file, folder / file, "en", tuple(map(_voice, voices.values()))))
    return recordings


def _voice(words: Sequence[SpokenWord]) -> Voice:
    return Voice(" ".join(word.text for word in words), tuple(words))
