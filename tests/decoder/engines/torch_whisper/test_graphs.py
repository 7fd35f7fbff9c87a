"""What runs as a graph, and what as it is. Captures themselves need a GPU: `benchmarks.gpu` replays them."""

from functools import partial

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
