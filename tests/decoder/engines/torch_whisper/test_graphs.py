"""What runs as a graph, and what as it is. Captures themselves need a GPU: `benchmarks.gpu` replays them."""

from functools import partial

import pytest
import torch
from torch import Tensor

from decoder.engines.torch_whisper.graphs import Graphs


def _count(counts: Tensor, place: int) -> None:
    counts[place] += 1


def test_without_cuda_nothing_is_captured_and_functions_run_once() -> None:
    counts = torch.zeros(2, dtype=torch.int64)
    graphs = Graphs(torch.device("cpu"))

    graphs.capture("first", partial(_count, counts, 0))
    graphs.run("first", partial(_count, counts, 0))
    graphs.run("second", partial(_count, counts, 1))

    assert counts.tolist() == [1, 1]
    assert len(graphs) == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_a_captured_function_computes_the_same() -> None:
    device = torch.device("cuda")
    graphs, counts = Graphs(device), torch.zeros(1, dtype=torch.int64, device=device)
    graphs.capture("one", partial(_count, counts, 0))
    counts.zero_()

    for _ in range(4):
        graphs.run("one", partial(_count, counts, 0))

    assert len(graphs) == 1
    assert counts.tolist() == [4]
