"""Greedy generation: drafts save steps and change no text, and loops end."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.moonshine.greedy_search import (
    DecoderStep,
    StepOutput,
    Text,
    generate,
    repetition_start,
    token_limit,
)
from decoder.engines.moonshine.tokenizer import BEGIN, END

VOCABULARY = 12

tokens_lists = st.lists(st.integers(3, VOCABULARY - 1), max_size=8)


class ScriptedDecoder:
    """A decoder that always predicts the next token of one text, whatever tokens it reads."""

    def __init__(self, text: Sequence[int]) -> None:
        self._text = (*text, END)
        self.has_read: list[int] = []
        self.passes = 0

    def read(self, wanted: DecoderStep) -> StepOutput:
        del self.has_read[wanted.kept :]
        self.has_read += wanted.tokens
        self.passes += 1
        logits = np.zeros((len(wanted.tokens), VOCABULARY), np.float32)
        for row in range(len(wanted.tokens)):
            logits[row, self._text[min(wanted.kept + row, len(self._text) - 1)]] = 5.0
        return logits, np.array(wanted.tokens, np.float32)[:, None]


def written(reader: ScriptedDecoder, forced: Sequence[int] = (), draft: Sequence[int] = (), limit: int = 100) -> Text:
    text = generate(forced, draft, limit)
    wanted = next(text)
    while True:
        try:
            wanted = text.send(reader.read(wanted))
        except StopIteration as over:
            made: Text = over.value
            return made


def test_the_text_is_the_decoder_s_most_likely_one() -> None:
    text = written(ScriptedDecoder([4, 5, 6]))

    assert text.tokens == (4, 5, 6)
    assert len(text.logprobs) == 4  # the end has one too
    assert text.attention[:, 0].tolist() == [BEGIN, 4, 5, 6]


@given(tokens_lists, tokens_lists)
def test_a_draft_changes_nothing(spoken: list[int], draft: list[int]) -> None:
    alone, drafted = written(ScriptedDecoder(spoken)), written(ScriptedDecoder(spoken), draft=draft)

    assert drafted.tokens == alone.tokens
    assert drafted.logprobs == pytest.approx(alone.logprobs)
    assert np.array_equal(drafted.attention, alone.attention)


def test_a_correct_draft_is_verified_in_one_step() -> None:
    reader = ScriptedDecoder([4, 5, 6, 7])

    written(reader, draft=[4, 5, 6])

    assert reader.passes == 2
    assert reader.has_read == [BEGIN, 4, 5, 6, 7]


def test_a_draft_with_one_word_wrong_or_missing_is_resumed() -> None:
    spoken = [4, 5, 6, 7, 8, 9, 10, 11]
    wrong, missing = ScriptedDecoder(spoken), ScriptedDecoder(spoken)

    written(wrong, draft=[4, 3, 6, 7, 8, 9, 10, 11])
    written(missing, draft=[4, 6, 7, 8, 9, 10, 11])

    assert (wrong.passes, missing.passes) == (3, 3)


def test_text_begins_with_the_forced_tokens() -> None:
    text = written(ScriptedDecoder([4, 5, 6]), forced=[8, 9], draft=[4, 5])

    assert text.tokens == (8, 9, 6)
    assert text.logprobs[0] < text.logprobs[2]


def test_text_ends_at_the_limit() -> None:
    text = written(ScriptedDecoder([4, 5, 6, 7, 8]), draft=[4, 5, 6, 7], limit=3)

    assert text.tokens == (4, 5, 6)
    assert len(text.attention) == 4


def test_the_unit_of_a_loop_is_kept_once() -> None:
    text = written(ScriptedDecoder([3, *[4, 5, 6] * 20]))

    assert text.tokens == (3, 4, 5, 6)
    assert len(text.logprobs) == len(text.tokens)


@pytest.mark.parametrize(
    ("tokens", "start"),
    [
        ([9, *[4] * 21], 2),
        ([4] * 20, None),
        ([4, 5] * 10, None),
        ([9, *[4, 5] * 10, 4], 3),
        (list(range(100, 116)) * 3, 16),
        (list(range(100, 117)) * 3, None),
        ([], None),
    ],
)
def test_a_loop_is_a_unit_three_times_and_many_tokens(tokens: list[int], start: int | None) -> None:
    assert repetition_start(tokens) == start


def test_more_audio_has_room_for_more_tokens() -> None:
    assert token_limit(0) < token_limit(16_000) < token_limit(32_000)
    assert token_limit(30 * 16_000) > 30 * 6.5
