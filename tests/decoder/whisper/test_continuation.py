"""Finals that are decoded in pieces."""

import pytest

from decoder.types import RequestKind, Word
from decoder.whisper.batch_plan import FULL_WINDOW_FRAMES, Before, Plan
from decoder.whisper.continuation import rest_of, so_far
from decoder.whisper.network import Encoded, Generated
from tests.audio import noise
from tests.contracts.engines import request

ENCODED = Encoded()
ONE = (Word(" one", 0, 8_000, 0.9),)
TWO = (Word(" two", 16_000, 24_000, 0.9),)


def generated(
    rest_s: float | None = None,
    audio_s: float = 4.0,
    before: Before | None = None,
    avg_logprob: float = -0.2,
    no_speech_probability: float = 0.1,
) -> Generated:
    final = request(noise(audio_s), kind=RequestKind.FINAL)
    plan = Plan(0, final, before or Before(), (), (), 5, FULL_WINDOW_FRAMES)
    rest_sample = None if rest_s is None else round(rest_s * 16_000)
    return Generated(plan, ENCODED, "en", (1, 2, 3), rest_sample, avg_logprob, no_speech_probability)


@pytest.mark.parametrize(("rest_s", "expected"), [(None, None), (2.0, 32_000), (3.4, 54_400), (3.6, None)])
def test_a_final_is_decoded_on_where_enough_audio_is_left(rest_s: float | None, expected: int | None) -> None:
    assert rest_of(generated(rest_s)) == expected


def test_pieces_add_up_to_one_answer() -> None:
    first = so_far(generated(2.0), ONE)

    both = so_far(generated(before=first, avg_logprob=-0.6, no_speech_probability=0.4), TWO)

    assert both.words == ONE + TWO
    assert both.logprob / both.tokens == pytest.approx(-0.4)
    assert both.no_speech_probability == 0.1


def test_a_later_piece_that_is_silence_to_the_model_adds_no_words() -> None:
    first = so_far(generated(2.0), ONE)

    assert so_far(generated(before=first, avg_logprob=-1.5, no_speech_probability=0.9), TWO) == first


def test_a_first_piece_that_is_silence_to_the_model_is_left_to_the_guard() -> None:
    assert so_far(generated(avg_logprob=-1.5, no_speech_probability=0.9), ONE).words == ONE
