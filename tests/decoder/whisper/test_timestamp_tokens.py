"""Timestamp tokens: which text is complete, and from where the audio is decoded on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.whisper.timestamp_tokens import LEAST_ADVANCE, TimedText, split_times

TIME = 1_000
POSITION_SAMPLES = 320


def at(seconds: float) -> int:
    return TIME + round(seconds * 50)


@pytest.mark.parametrize(
    ("tokens", "text", "rest_s"),
    [
        ([], (), None),
        ([1, 2], (1, 2), None),
        ([at(0), 1, 2], (1, 2), None),
        ([at(0), 1, 2, at(2)], (1, 2), None),
        ([at(0), 1, at(2), at(2), 2, at(4)], (1, 2), None),
        ([at(0), 1, at(2), at(2)], (1,), 2.0),
        ([at(0), 1, at(2), at(2), 2, 3], (1,), 2.0),
        ([at(0), 1, at(2), at(3), 2, at(4), at(5), 3], (1, 2), 4.0),
        ([at(0), 1, at(0.4), at(0.4), 2], (1, 2), None),
    ],
)
def test_text_is_decoded_on_from_the_last_pair_of_timestamps_unless_it_ends_in_a_single_one(
    tokens: list[int], text: tuple[int, ...], rest_s: float | None
) -> None:
    rest_sample = None if rest_s is None else round(rest_s * 16_000)
    assert split_times(tokens, TIME) == TimedText(text, rest_sample)


@given(st.lists(st.integers(0, 20) | st.integers(TIME, TIME + 1_500)))
def test_no_timestamp_is_text_and_no_token_of_a_closed_segment_is_lost(tokens: list[int]) -> None:
    timed = split_times(tokens, TIME)

    words = [token for token in tokens if token < TIME]
    assert list(timed.tokens) == words[: len(timed.tokens)]
    assert timed.rest_sample is not None or list(timed.tokens) == words
    assert timed.rest_sample is None or timed.rest_sample >= LEAST_ADVANCE * POSITION_SAMPLES
