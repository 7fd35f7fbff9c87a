"""Times of the words of known texts: the form of an alignment with random weights, the times with real ones."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recordings import read_recording
from decoder.engines.whisper.reference_alignment import STRETCH_S, AlignedWord, ReferenceAligner, load_aligner
from decoder.types import ModelError
from tests.audio import noise, silence
from tests.contracts.engines import SENTENCE, write_micro_whisper
from tests.recordings import recording_path
from tools.real_models import model_directory
from vad.audio import Float32


@pytest.fixture(scope="module")
def aligner(tmp_path_factory: pytest.TempPathFactory) -> ReferenceAligner:
    return load_aligner(write_micro_whisper(tmp_path_factory.mktemp("whisper") / "micro"))


def aligned(aligner: ReferenceAligner, samples: Float32, text: str) -> list[AlignedWord | None]:
    return aligner.align(samples, text.split(), "en")


def test_every_word_has_times_within_the_audio_and_in_order(aligner: ReferenceAligner) -> None:
    words = [word for word in aligned(aligner, noise(3.0), "Red, blue – pink.") if word is not None]

    assert [word.text for word in words] == ["Red,", "blue", "–", "pink."]
    assert all(0 <= word.start_s <= word.end_s <= 3.0 + 0.02 for word in words)
    assert all(earlier.start_s <= later.start_s for earlier, later in pairwise(words))


def test_characters_have_times_where_words_have_no_spaces(aligner: ReferenceAligner) -> None:
    words = aligner.align(noise(2.0), list("red!"), "en", is_spaced=False)

    assert [word.text for word in words if word is not None] == list("red!")


@pytest.mark.parametrize("samples", [silence(1.0), silence(0.0), silence(0.01)])
def test_silence_has_words_somewhere(aligner: ReferenceAligner, samples: Float32) -> None:
    assert all(word is not None for word in aligned(aligner, samples, "red blue"))
    assert aligned(aligner, samples, "") == []


def test_long_recordings_are_cut_between_words_that_the_model_recognizes(aligner: ReferenceAligner) -> None:
    words = aligned(aligner, noise(STRETCH_S + 20), f"{SENTENCE} {SENTENCE}")

    assert None not in words
    assert len(words) == 2 * len(SENTENCE.split())


def test_words_of_a_long_stretch_that_the_model_does_not_recognize_have_no_times(aligner: ReferenceAligner) -> None:
    assert aligned(aligner, noise(STRETCH_S + 20), "nothing of that kind") == [None] * 4


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_aligner(tmp_path)


def test_a_word_in_silence_is_as_long_as_its_audio_is_loud() -> None:
    directory = model_directory("whisper-tiny.en")
    if directory is None:
        pytest.skip("no weights whisper-tiny.en: `make models` lays them out")
    path = recording_path("en_jfk.flac")
    audio = np.concatenate([silence(2.0), read_recording(path), silence(4.0)])
    text = "And so my fellow Americans ask not what your country can do for you ask what you can do for your country."

    words = [word for word in aligned(load_aligner(directory), audio, text) if word is not None]

    assert len(words) == 22
    assert 2.1 < words[0].start_s < 2.7
    assert 12.0 < words[-1].end_s <= 13.01
