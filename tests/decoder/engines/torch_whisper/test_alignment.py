from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoder.engines.torch_whisper.alignment import attention_matrix, warp


def cell_by_cell(cost: NDArray[np.float64]) -> tuple[float, list[tuple[int, int]]]:
    """Return the cost of the best path and the path, as openai/whisper's `dtw` finds them."""
    tokens, positions = cost.shape
    best = np.full((tokens + 1, positions + 1), np.inf)
    came_from = np.zeros((tokens + 1, positions + 1), int)
    best[0, 0] = 0
    for position in range(1, positions + 1):
        for token in range(1, tokens + 1):
            both, above, left = (
                best[token - 1, position - 1],
                best[token - 1, position],
                best[token, position - 1],
            )
            if both < above and both < left:
                step, least = 0, both
            elif above < both and above < left:
                step, least = 1, above
            else:
                step, least = 2, left
            best[token, position] = cost[token - 1, position - 1] + least
            came_from[token, position] = step
    came_from[0, :], came_from[:, 0] = 2, 1
    token, position = tokens, positions
    path = []
    while token or position:
        path.append((token - 1, position - 1))
        step = int(came_from[token, position])
        token, position = token - (step != 2), position - (step != 1)
    return float(best[-1, -1]), path[::-1]


@settings(max_examples=60)
@given(st.integers(1, 14), st.integers(1, 40), st.integers(0, 1 << 30))
def test_the_path_is_that_of_a_search_cell_by_cell(tokens: int, positions: int, seed: int) -> None:
    cost = np.random.default_rng(seed).standard_normal((tokens, positions))
    least, path = cell_by_cell(cost)

    found = warp(cost)

    assert found == path
    assert sum(cost[place] for place in found) == pytest.approx(least)


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 1 << 30))
def test_a_path_goes_from_the_first_to_the_last_in_steps_of_one_whatever_ties_there_are(
    tokens: int, positions: int, seed: int
) -> None:
    path = warp(np.random.default_rng(seed).integers(-1, 2, (tokens, positions)).astype(np.float32))

    assert (path[0], path[-1]) == ((0, 0), (tokens - 1, positions - 1))
    steps = {(one[0] - other[0], one[1] - other[1]) for other, one in pairwise(path)}
    assert steps <= {(0, 1), (1, 0), (1, 1)}


def test_nan_ends_no_search_late() -> None:
    path = warp(np.full((5, 9), np.nan))
    assert len(path) <= 5 + 9


def reference(scores: NDArray[np.float64], content: int) -> NDArray[np.float64]:
    """Return the matrix of openai/whisper's `find_alignment`: softmax, standardised over tokens, median, mean."""
    attention = np.exp(scores[..., :content])
    attention /= attention.sum(-1, keepdims=True)
    attention = (attention - attention.mean(-2, keepdims=True)) / attention.std(-2, keepdims=True)
    if content > 3:
        padded = np.pad(attention, ((0, 0), (0, 0), (3, 3)), mode="reflect")
        attention = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7, axis=-1), axis=-1)
    matrix: NDArray[np.float64] = attention.mean(0)
    return matrix


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(2, 9), st.integers(2, 40), st.data())
def test_the_matrix_is_that_of_openai(heads: int, tokens: int, positions: int, data: st.DataObject) -> None:
    content = data.draw(st.integers(2, positions))
    scores = np.random.default_rng(content).standard_normal((heads, tokens, positions)) * 2

    found = attention_matrix(torch.from_numpy(scores).float(), content).numpy()

    assert found.shape == (tokens, content)
    np.testing.assert_allclose(found, reference(scores, content), atol=2e-4)


def test_a_text_spoken_one_token_after_the_other_is_found_there() -> None:
    spoken = [3, 12, 22, 31, 39]
    scores = torch.full((2, len(spoken), 60), 0.0)
    for token, position in enumerate(spoken):
        scores[:, token, position - 3 : position + 4] = 6.0

    path = warp(-attention_matrix(scores, 45).numpy())

    assert all((token, position) in path for token, position in enumerate(spoken))


def test_positions_that_no_token_attends_to_say_nothing_and_leave_the_rest_alone() -> None:
    scores = torch.randn(2, 4, 30, generator=torch.Generator().manual_seed(0))
    scores[:, :, 17] = -300.0  # its weight underflows to 0 for all tokens

    assert attention_matrix(scores, 30).isfinite().all()


@pytest.mark.parametrize("content", [1, 2, 3, 4])
def test_audio_of_a_few_positions_can_be_aligned(content: int) -> None:
    scores = torch.randn(2, 4, 30, generator=torch.Generator().manual_seed(0))
    path = warp(-attention_matrix(scores, content).numpy())
    assert (path[0], path[-1]) == ((0, 0), (3, content - 1))
