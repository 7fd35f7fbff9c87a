"""CUDA graphs: a pass whose shapes are known is launched as a whole, not kernel by kernel."""

from collections.abc import Callable, Hashable

import torch

__all__ = ["Graphs"]


class Graphs:
    """Runs functions that read and write static tensors: on CUDA as graphs, elsewhere as they are.

    All graphs share one pool of memory, which is sound because they run one after the other.

    Args:
        device: where the tensors are.
    """

    def __init__(self, device: torch.device) -> None:
        self._captures = device.type == "cuda"
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._pool = torch.cuda.graph_pool_handle() if self._captures else None

    def run(self, key: Hashable, function: Callable[[], None]) -> None:
        """Run a function: the first time as it is, for libraries to choose their kernels, and then as a graph.

        Args:
            key: what distinguishes it from all others.
            function: without a branch on the content of tensors.
        """
        graph = self._graphs.get(key)
        if graph is not None:
            graph.replay()
            return
        function()
        if self._captures:
            self._graphs[key] = self._captured(function)

    def _captured(self, function: Callable[[], None]) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        # Other threads may be allocating on other devices meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            function()
        return graph
