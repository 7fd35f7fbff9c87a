"""Tokens joined into words, with times from the attention."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from decoder.engines.moonshine.greedy_search import Text
from decoder.engines.moonshine.tokenizer import Tokenizer
from decoder.engines.moonshine.word_alignment import POSITION_SAMPLES, avg_logprob, divide, words_of
from decoder.types import DecodeRequest, RequestKind, Word
from tests.audio import noise, silence
from tests.contracts.engines import request
from vad.audio import Float32

PIECES = (" one", " two", "ty", ",", " ♪", "'s")
TOKENIZER = Tokenizer([piece.encode() for piece in PIECES])


def looking(*widths: int) -> Float32:
    """Return the attention of tokens that each attend to the next `widths` positions."""
    attention = np.full((len(widths), sum(widths)), 0.01, np.float32)
    for row, (first, end) in enumerate(pairwise(np.cumsum([0, *widths]))):
        attention[row, first:end] = 0.9
    return attention


def words(spelled: list[str], attention: Float32, asked: DecodeRequest, forced: int = 0) -> tuple[Word, ...]:
    tokens = tuple(PIECES.index(piece) for piece in spelled)
    text = Text(tokens, tuple(-0.1 for _ in tokens), attention, 0.0)
    return words_of(text, forced, asked, TOKENIZER)


def test_each_token_gets_the_part_that_it_attends_to() -> None:
    assert divide(looking(3, 5, 2)) == [0, 3, 8, 10]


def test_tokens_without_room_share_the_positions() -> None:
    assert divide(np.ones((4, 2), np.float32)) == [0, 0, 1, 1, 2]


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(6, 20)), elements=st.floats(0, 1, width=32)))
def test_every_part_has_a_position(attention: Float32) -> None:
    bounds = divide(attention)

    assert (bounds[0], bounds[-1]) == (0, attention.shape[1])
    assert all(before < after for before, after in pairwise(bounds))


def test_words_lie_where_their_tokens_attend() -> None:
    asked = request(noise(2.0), kind=RequestKind.FINAL, start_sample=1_000)

    found = words([" one", " two", "ty", ","], looking(10, 20, 10, 10, 5), asked)

    assert [word.text for word in found] == [" one", " twoty,"]
    starts = [1_000 + POSITION_SAMPLES * place for place in (10, 30)]
    assert [word.start_sample for word in found] == pytest.approx(starts, abs=160)
    assert [word.probability for word in found] == pytest.approx([np.exp(-0.1)] * 2)


def test_symbols_are_not_words() -> None:
    assert [word.text for word in words([" one", " ♪"], looking(1, 10, 20), request(noise(1.0)))] == [" one"]


def test_silence_at_the_edges_belongs_to_no_word() -> None:
    spoken = np.concatenate([silence(0.5), noise(0.5, 0.3), silence(0.6), noise(0.4, 0.3), silence(0.5)])
    middle = round(1.3 * 16_000 / POSITION_SAMPLES)
    attention = looking(1, middle - 1, len(spoken) // POSITION_SAMPLES - middle)

    found = words([" one", " two"], attention, request(spoken))

    times_s = [sample / 16_000 for word in found for sample in (word.start_sample, word.end_sample)]
    assert times_s == pytest.approx([0.5, 1.0, 1.6, 2.0], abs=0.03)


def test_committed_words_stay_and_new_ones_come_after_them() -> None:
    committed = (Word(" one", 0, 8_000),)
    asked = request(noise(1.0), prefix=committed)

    found = words([" one", " two", "'s"], looking(1, 10, 10, 10), asked, forced=1)

    assert found[0] is committed[0]
    assert found[1].text == " two's"
    assert 8_000 <= found[1].start_sample < found[1].end_sample <= 16_000


def test_the_continuation_of_a_committed_word_has_no_space() -> None:
    asked = request(noise(1.0), prefix=(Word(" one", 0, 4_000),))

    assert [word.text for word in words([" one", "'s"], looking(1, 10, 20), asked, forced=1)] == [" one", "'s"]
    assert [word.text for word in words([" one", ","], looking(1, 10, 20), asked, forced=1)] == [" one"]


def test_punctuation_and_end_of_text_do_not_count_as_confidence() -> None:
    tokens = tuple(PIECES.index(piece) for piece in (" one", ",", " two"))
    text = Text(tokens, (-2.0, -0.1, -1.0, -0.1), looking(1, 1, 1, 1), 0.0)

    assert avg_logprob(text, TOKENIZER) == pytest.approx(-1.5)
    assert avg_logprob(Text((PIECES.index(" ♪"),), (-0.1, -0.1), looking(1, 1), 0.0), TOKENIZER) is None
