"""The probability of speech in an utterance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vad.evidence import RUN_WINDOWS, SpeechEvidence
from vad.segmenter import Segmenter
from vad.settings import SegmenterSettings

WINDOW = 512
MANUAL = SegmenterSettings(manual=True)


def segmenter(probabilities: list[float], settings: SegmenterSettings = MANUAL) -> Segmenter:
    made = Segmenter(settings, WINDOW)
    for probability in probabilities:
        made.push(np.zeros(WINDOW, np.float32), probability)
    return made


def committed(made: Segmenter) -> float | None:
    [event] = made.flush(np.zeros(0, np.float32))
    return event.speech_probability


def test_an_utterance_that_the_client_ends_has_the_probability_that_lasted() -> None:
    assert committed(segmenter([0.1, 0.1, 0.9, 0.1, 0.6, 0.7, 0.65, 0.1, 0.1])) == 0.6


def test_a_click_is_no_evidence() -> None:
    assert committed(segmenter([0.02] * 10 + [0.9] * (RUN_WINDOWS - 1) + [0.02] * 10)) == 0.02


def test_what_was_spoken_before_a_commit_is_no_evidence_for_the_next_one() -> None:
    made = segmenter([0.9] * 10)
    assert committed(made) == 0.9
    for _ in range(10):
        made.push(np.zeros(WINDOW, np.float32), 0.05)
    assert committed(made) == 0.05


def test_an_utterance_that_the_detector_begins_has_its_onset_as_evidence() -> None:
    made = segmenter([0.0] * 10 + [0.8] * 5 + [0.0] * 40 + [0.7] * 5, SegmenterSettings())
    assert committed(made) == 0.7


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 40))
def test_evidence_is_the_highest_run_since_a_sample(probabilities: list[float], first: int) -> None:
    evidence = SpeechEvidence()
    for place, probability in enumerate(probabilities):
        evidence.push((place + 1) * WINDOW, probability)
    evidence.forget(first * WINDOW)

    runs = [min(probabilities[max(0, end - RUN_WINDOWS) : end]) for end in range(first + 1, len(probabilities) + 1)]
    assert evidence.peak() == max(runs, default=None)


@pytest.mark.parametrize("manual", [True, False])
def test_what_is_carried_by_every_event_is_known_by_then(manual: bool) -> None:
    made = Segmenter(SegmenterSettings(manual=manual), WINDOW)
    events = [event for p in [0.6] * 40 for event in made.push(np.zeros(WINDOW, np.float32), p)]
    assert {event.speech_probability for event in events} == {0.6}
