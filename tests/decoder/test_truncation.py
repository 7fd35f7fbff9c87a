"""Partials of long utterances continue from a cut at a quiet place between committed words."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from decoder.truncation import Cut, carried_on, find_cut, wants_cut
from decoder.types import DecodeRequest, Word
from tests.audio import noise, silence
from tests.contracts.engines import request
from vad.audio import SAMPLE_RATE_HZ

GAPS_S = (1.0, 3.0, 5.0, 6.0, 9.0)
"""Where the voice pauses for 0.1 s."""


def voice_with_gaps() -> DecodeRequest:
    """Return 12 s of voice, a committed word from each gap to the next, 100 s into the session."""
    audio = noise(12.0, 0.3)
    edges = [0, *(round(gap_s * SAMPLE_RATE_HZ) for gap_s in GAPS_S)]
    for gap in edges[1:]:
        audio[gap : gap + SAMPLE_RATE_HZ // 10] = silence(0.1)
    start_sample = 100 * SAMPLE_RATE_HZ
    words = [
        Word(f" word{place}", start_sample + first, start_sample + end)
        for place, (first, end) in enumerate(pairwise(edges))
    ]
    return request(audio, start_sample=start_sample, prefix=tuple(words))


def cut_of(asked: DecodeRequest) -> tuple[int, float]:
    """Return the number of words before the cut, and its place in seconds since the start of the audio."""
    found = find_cut(asked.prefix, len(asked.prefix), asked.samples, asked.start_sample)
    assert found is not None
    return found[0], (found[1] - asked.start_sample) / SAMPLE_RATE_HZ


def test_cut_lies_in_a_pause_of_the_second_half() -> None:
    count, second = cut_of(voice_with_gaps())

    assert count == 3
    assert 5.0 < second < 5.1


def test_quietest_pause_is_taken() -> None:
    asked = voice_with_gaps()
    audio = asked.samples.copy()
    audio[5 * SAMPLE_RATE_HZ :][: SAMPLE_RATE_HZ // 10] = noise(0.1, 0.3)

    found = find_cut(asked.prefix, 3, audio, asked.start_sample)

    assert found is not None
    assert found[0] == 2
    assert 3.0 < (found[1] - asked.start_sample) / SAMPLE_RATE_HZ < 3.1


def test_cut_may_come_after_the_last_committed_word() -> None:
    asked = voice_with_gaps()

    found = find_cut(asked.prefix, 1, asked.samples, asked.start_sample)

    assert found is not None
    assert found[0] == 1
    assert 1.0 < (found[1] - asked.start_sample) / SAMPLE_RATE_HZ < 1.1


@pytest.mark.parametrize(("words", "committed"), [(0, 0), (3, 0), (1, 2)])
def test_no_cut_without_committed_words(words: int, committed: int) -> None:
    asked = voice_with_gaps()

    assert find_cut(asked.prefix[:words], committed, asked.samples, asked.start_sample) is None


def test_only_long_partials_with_committed_words_want_a_cut() -> None:
    asked = voice_with_gaps()

    assert wants_cut(asked)
    assert not wants_cut(replace(asked, prefix=()))
    assert not wants_cut(replace(asked, samples=asked.samples[: 3 * SAMPLE_RATE_HZ // 2]))


def test_request_is_carried_on_after_the_cut() -> None:
    asked = voice_with_gaps()
    sample = asked.start_sample + 5 * SAMPLE_RATE_HZ

    before, rest = carried_on(asked, Cut(sample, (" word0", " word1", " word2")))

    assert before == asked.prefix[:3]
    assert rest.prefix == asked.prefix[3:]
    assert (rest.start_sample, rest.end_sample) == (sample, asked.end_sample)
    assert np.array_equal(rest.samples, asked.samples[5 * SAMPLE_RATE_HZ :])


@pytest.mark.parametrize(
    "cut",
    [
        None,
        Cut(101 * SAMPLE_RATE_HZ, (" other",)),
        Cut(101 * SAMPLE_RATE_HZ, tuple(f" word{place}" for place in range(9))),
        Cut(100 * SAMPLE_RATE_HZ, (" word0",)),
        Cut(112 * SAMPLE_RATE_HZ - 100, (" word0",)),
    ],
)
def test_cut_of_other_words_or_another_place_is_ignored(cut: Cut | None) -> None:
    asked = voice_with_gaps()

    assert carried_on(asked, cut) == ((), asked)
