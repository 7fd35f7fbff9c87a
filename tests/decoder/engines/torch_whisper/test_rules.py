from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from decoder.engines.torch_whisper.rules import History
from tests.small_whisper import DIMS, rules, rules_log_probs, vocabulary

FIRST_TIME, END = vocabulary().first_time, vocabulary().eot
TEXT = st.integers(0, 50)
TIME = st.integers(FIRST_TIME, DIMS.vocabulary - 1)

TEXTS = st.lists(TEXT | TIME, max_size=5)
SPREADS = st.sampled_from([0.5, 4.0, 12.0])


def history(texts: Sequence[Sequence[int]], timed: Sequence[bool]) -> History:
    """Return what stands before the next token of each text."""

    def ints(numbers: Sequence[int]) -> Tensor:
        return torch.tensor(numbers)[:, None]

    none = vocabulary().no_timestamps
    before = [[none, none, *text] for text in texts]
    return History(
        previous=ints([text[-1] for text in before]),
        before_previous=ints([text[-2] for text in before]),
        last_time=ints([next((token for token in reversed(text) if token >= FIRST_TIME), none) for text in texts]),
        length=ints([len(text) for text in texts]),
        is_timed=torch.tensor(timed)[:, None],
    )


def drawn_logits(rows: int, spread: float, seed: int) -> Tensor:
    return torch.randn(rows, 1, DIMS.vocabulary, generator=torch.Generator().manual_seed(seed)) * spread


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXTS, st.booleans()), min_size=1, max_size=8), SPREADS, st.integers(0, 1 << 30))
def test_the_log_probabilities_are_those_of_whispers_own_filters(
    rows: list[tuple[list[int], bool]], spread: float, seed: int
) -> None:
    texts, timed = [text for text, _ in rows], [is_timed for _, is_timed in rows]
    logits = drawn_logits(len(rows), spread, seed)

    found = rules().log_probs(logits.clone(), history(texts, timed))[:, 0]

    for row, (text, is_timed) in enumerate(rows):
        expected = rules_log_probs(logits[row, 0], text, is_timed=is_timed)
        torch.testing.assert_close(found[row], expected, atol=1e-4, rtol=1e-5)


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXTS, st.booleans()), min_size=1, max_size=8), SPREADS, st.integers(0, 1 << 30))
def test_the_token_that_is_chosen_is_the_likeliest_that_is_allowed(
    rows: list[tuple[list[int], bool]], spread: float, seed: int
) -> None:
    before = history([text for text, _ in rows], [is_timed for _, is_timed in rows])
    logits = drawn_logits(len(rows), spread, seed)

    choice = rules().choose(logits.clone(), before)

    log_probs = rules().log_probs(logits.clone(), before)
    best = log_probs.max(-1)
    assert choice.tokens.tolist() == best.indices.tolist()
    torch.testing.assert_close(choice.logprobs, best.values, atol=1e-4, rtol=1e-5)


def test_a_timed_text_ends_with_its_last_time_where_none_is_later() -> None:
    latest = DIMS.vocabulary - 1
    logits = drawn_logits(2, 1.0, seed=0)
    logits[:, :, latest] = 50.0
    before = history([[FIRST_TIME, 5, latest], [FIRST_TIME, 5, latest, latest]], [True, True])

    single, pair = rules().choose(logits, before).tokens[:, 0].tolist()

    assert single == latest
    assert pair < END  # a segment begins with a word


def test_at_a_temperature_tokens_are_drawn_by_their_probability_and_never_what_is_not_allowed() -> None:
    draws = 4_000
    logits = torch.full((draws, 1, DIMS.vocabulary), -30.0)
    logits[:, :, [3, 4]] = torch.tensor([1.0, 2.0])
    logits[:, :, vocabulary().suppressed[0]] = 9.0
    before = history([[]] * draws, [False] * draws)
    torch.manual_seed(0)

    choice = rules().choose(logits, before, torch.full((draws,), 0.5))

    share = (choice.tokens == 4).float().mean()
    assert set(choice.tokens[:, 0].tolist()) == {3, 4}
    assert float(share) == pytest.approx(1 / (1 + torch.e**-2), abs=0.02)
    # the log probability is that of the model, not of the draw
    likeliest = choice.logprobs[choice.tokens == 4]
    assert likeliest.tolist() == pytest.approx([-0.3133] * len(likeliest), abs=1e-3)


def test_rows_without_a_temperature_are_the_likeliest_beside_those_with_one() -> None:
    logits = drawn_logits(3, 1.0, seed=1)
    before = history([[], [5], [FIRST_TIME]], [False, False, True])
    expected = rules().choose(logits.clone(), before)

    for seed in range(20):
        torch.manual_seed(seed)
        choice = rules().choose(logits.clone(), before, torch.tensor([0.0, 1.0, 0.0]))
        assert choice.tokens[[0, 2]].tolist() == expected.tokens[[0, 2]].tolist()
