import pytest
import torch

from decoder.engines.torch_whisper.graphs import Graphs


def test_on_a_cpu_a_function_runs_each_time() -> None:
    graphs, total = Graphs(torch.device("cpu")), torch.zeros(1)

    def add() -> None:
        total.add_(1)

    def add_ten() -> None:
        total.add_(10)

    for _ in range(3):
        graphs.run("one", add)
        graphs.run("ten", add_ten)
    assert total.item() == 33


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_a_function_is_captured_and_computes_the_same() -> None:
    device = torch.device("cuda")
    graphs, total = Graphs(device), torch.zeros(1, device=device)

    def add() -> None:
        total.add_(1)

    for _ in range(4):
        graphs.run("one", add)
    assert total.item() == 4
