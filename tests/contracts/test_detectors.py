"""What every speech detector must do."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio import noise, silence, speechlike, tone
from tests.recordings import recording
from vad.audio import Float32
from vad.detector import DETECTORS, SpeechDetector, create_detector

SOUND = np.concatenate([silence(0.3), speechlike(0.8), noise(0.4, 0.3), tone(0.2), silence(0.2), speechlike(0.5)])

every_detector = pytest.mark.parametrize("name", DETECTORS)


def windows_of(detector: SpeechDetector, sound: Float32) -> Float32:
    count = len(sound) // detector.window_samples
    return sound[: count * detector.window_samples].reshape(count, -1)


def judge(name: str, sound: Float32) -> Float32:
    detector = create_detector(name)
    return detector.probabilities(windows_of(detector, sound))


@every_detector
def test_there_is_one_probability_a_window(name: str) -> None:
    probabilities = judge(name, SOUND)
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (len(SOUND) // create_detector(name).window_samples,)
    assert np.all((probabilities >= 0) & (probabilities <= 1))


@every_detector
def test_no_windows_have_no_probabilities(name: str) -> None:
    detector = create_detector(name)
    nothing = detector.probabilities(np.zeros((0, detector.window_samples), np.float32))
    assert nothing.shape == (0,)
    assert nothing.dtype == np.float32


@every_detector
@settings(max_examples=15, deadline=None)
@given(places=st.lists(st.floats(0, 1), max_size=30))
def test_the_cuts_change_no_bit(name: str, places: list[float]) -> None:
    detector = create_detector(name)
    windows = windows_of(detector, SOUND)
    edges = [0, *sorted(int(place * len(windows)) for place in places), len(windows)]
    pieces = [detector.probabilities(windows[start:end]) for start, end in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), judge(name, SOUND))


@every_detector
def test_one_window_at_a_time_changes_no_bit(name: str) -> None:
    detector = create_detector(name)
    pieces = [detector.probabilities(window[np.newaxis]) for window in windows_of(detector, SOUND)]
    np.testing.assert_array_equal(np.concatenate(pieces), judge(name, SOUND))


@every_detector
def test_streams_do_not_disturb_each_other(name: str) -> None:
    mine, other = create_detector(name), create_detector(name)
    pieces = []
    for window in windows_of(mine, SOUND):
        pieces.append(mine.probabilities(window[np.newaxis]))
        other.probabilities(noise(1)[: other.window_samples][np.newaxis])
    np.testing.assert_array_equal(np.concatenate(pieces), judge(name, SOUND))


@every_detector
def test_the_windows_are_left_as_they_are(name: str) -> None:
    sound = SOUND.copy()
    sound.flags.writeable = False
    judge(name, sound)
    np.testing.assert_array_equal(sound, SOUND)


@every_detector
@pytest.mark.parametrize("shape", [(512,), (1, 511), (2, 513), (1, 1, 512)])
def test_windows_of_another_shape_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        create_detector(name).probabilities(np.zeros(shape, np.float32))


@every_detector
def test_silence_is_no_speech(name: str) -> None:
    assert np.max(judge(name, silence(2))) < 0.35


@every_detector
def test_read_speech_is_heard(name: str) -> None:
    assert np.mean(judge(name, recording("en_jfk.flac")) >= 0.5) > 0.5  # the speaker pauses much


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(KeyError):
        create_detector("crystal ball")
