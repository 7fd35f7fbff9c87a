import numpy as np
import pytest
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from decoder.engines.torch_whisper.features import LogMel, mel_filters
from decoder.features import FRAME_SAMPLES, IncrementalLogMel
from tests.audio import noise, silence, speechlike, tone
from tests.recordings import recording
from vad.audio import Float32

CPU = torch.device("cpu")


def spectrograms(audio: list[Float32], frames: int, mels: int) -> tuple[Float32, list[float]]:
    samples = np.zeros((len(audio), frames * FRAME_SAMPLES), np.float32)
    for row, part in zip(samples, audio, strict=True):
        row[: len(part)] = part[: len(row)]
    log_mel, floors = LogMel(mels, CPU)(torch.from_numpy(samples))
    return log_mel.numpy(), floors.tolist()


def expected(audio: Float32, frames: int, mels: int) -> Float32:
    utterance = IncrementalLogMel(FeatureExtractor(feature_size=mels).mel_filters)
    utterance.extend(audio)
    return utterance.window(frames)


@pytest.mark.parametrize("mels", [80, 128])
def test_the_filters_are_those_of_openai_and_faster_whisper(mels: int) -> None:
    np.testing.assert_allclose(mel_filters(mels), FeatureExtractor(feature_size=mels).mel_filters, atol=1e-6)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize(
    "audio",
    [speechlike(2.0), noise(1.3, 0.01), tone(0.7), silence(1.0), noise(0.001, 0.5), noise(2.56), noise(3.0, 1.0)],
    ids=["speech", "hiss", "tone", "silence", "a click", "all of the window", "more than the window"],
)
def test_spectrograms_and_their_floors_are_those_of_the_other_engines(audio: Float32, mels: int) -> None:
    frames = 256
    cut = audio[: frames * FRAME_SAMPLES]
    [found], [floor] = spectrograms([audio], frames, mels)

    theirs = expected(cut, frames, mels)
    # rounding shows where nothing sounds in a band; nothing below the floor counts
    np.testing.assert_allclose(found, theirs, atol=1e-4 if mels == 80 else 3e-4)
    assert floor == pytest.approx(max((theirs.max() * 4 - 4 - 8 + 4) / 4, -1.5), abs=1e-4)
    assert found.min() >= floor - 1e-6


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(0.0, 2.5), st.floats(0.001, 1.0)), min_size=1, max_size=4))
def test_a_row_does_not_depend_on_its_neighbours(rows: list[tuple[float, float]]) -> None:
    audio = [noise(seconds, loudness, seed) for seed, (seconds, loudness) in enumerate(rows)]
    together, floors = spectrograms(audio, 256, 80)
    for row, part in enumerate(audio):
        [alone], [floor] = spectrograms([part], 256, 80)
        np.testing.assert_allclose(together[row], alone, atol=1e-5)
        assert floors[row] == pytest.approx(floor, abs=1e-5)


def test_a_recording_in_the_full_window_has_the_spectrogram_of_the_other_engines() -> None:
    audio = recording("en_beckett.flac")
    [found], _ = spectrograms([audio], 3000, 80)
    np.testing.assert_allclose(found, expected(audio, 3000, 80), atol=1e-4)
