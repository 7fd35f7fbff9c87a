"""Word times of references, against recordings with known times. Requires real weights."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from benchmarks.recordings import SHARED_AUDIO, SpokenWord, read_spoken_words
from benchmarks.reference_times import ReferenceTimes
from benchmarks.scoring import splitter
from benchmarks.sets import Recording, Voice, read_sets
from tests.recordings import recording_path
from tools.real_models import model_directory


@cache
def loaded(directory: Path) -> WhisperModel:
    return WhisperModel(str(directory), device="cpu", compute_type="int8", cpu_threads=1)


def reference_times(name: str = "whisper-tiny.en") -> ReferenceTimes:
    directory = model_directory(name)
    if directory is None:
        pytest.skip(f"no weights {name}: `make models` lays them out")
    return ReferenceTimes(loaded(directory))


def test_word_ends_match_the_known_ones() -> None:
    known = read_spoken_words(recording_path("manifest.json"))["digits/jackson_0.flac"]
    text = " ".join(word.text for word in known)
    recording = Recording("digits", recording_path("digits/jackson_0.flac"), "en", (Voice(text),))

    [words] = reference_times().of(recording)

    assert [word.text for word in words] == [word.text for word in known]
    off_s = np.abs([word.end_s - other.end_s for word, other in zip(words, known, strict=True)])
    assert np.median(off_s) < 0.1
    assert np.quantile(off_s, 0.9) < 0.5


def test_a_recording_longer_than_a_window_has_all_its_words_in_order() -> None:
    recording_path("azure/en-US_train_audio1.flac")
    [recording] = [
        one for one in read_sets(SHARED_AUDIO, ["clean"])["clean"] if one.name.endswith("US_train_audio1.flac")
    ]

    [words] = reference_times().of(recording)

    assert [word.text for word in words] == splitter("en")(recording.voices[0].text)
    assert all(one.end_s <= other.end_s + 0.01 for one, other in pairwise(words))
    assert 33 < words[-1].end_s < 35.3


def test_characters_have_times_where_words_have_no_spaces() -> None:
    path = recording_path("ml_light_zh.flac")
    recording = Recording("light", path, "zh", (Voice("打开客厅的灯。"),))

    [characters] = reference_times("whisper-base").of(recording)

    assert [character.text for character in characters] == list("打开客厅的灯")
    assert 0 < characters[0].end_s < characters[-1].end_s < 1.9


def test_annotated_times_are_used_unchanged(tmp_path: Path) -> None:
    words = (SpokenWord("So,", 0.0, 0.1), SpokenWord("…", 0.1, 0.2), SpokenWord("Yeah.", 0.2, 0.3))
    recording = Recording("meeting", tmp_path / "missing.wav", "en", (Voice("So, … Yeah.", words),))

    [spoken] = reference_times().of(recording)

    assert spoken == [SpokenWord("so", 0.0, 0.1), SpokenWord("yeah", 0.2, 0.3)]
