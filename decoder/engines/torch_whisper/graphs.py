"""CUDA graphs: a pass whose shapes are known is launched as a whole, not kernel by kernel."""

import logging
import threading
from collections.abc import Callable, Hashable

import torch

__all__ = ["Graphs"]

logger = logging.getLogger("livecue.engine")

WARM_UPS = 2
"""Runs before a capture, in which libraries choose their kernels and allocate what they keep."""

_CAPTURING = threading.Lock()
"""A process may capture one graph at a time (torch.cuda.graph), and there is a thread for each device."""


class Graphs:
    """Runs functions that read and write static tensors: those that were captured as graphs, the others as they are.

    All graphs share one pool of memory, which is safe because they run one after the other. The thread that captures
    is the one that runs, with the device as its current one.

    Args:
        device: where the tensors are; nothing is captured but on CUDA.
    """

    def __init__(self, device: torch.device) -> None:
        self._captures = device.type == "cuda"
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._pool = torch.cuda.graph_pool_handle() if self._captures else None
        # Its own: torch's default stream for captures belongs to the device that captured first. Warmed up on the same
        # stream, since libraries keep a workspace for each stream and cannot make one during a capture.
        self._stream = torch.cuda.Stream(device) if self._captures else None  # type: ignore[no-untyped-call]  # of torch

    def __len__(self) -> int:
        """Return how many functions are captured."""
        return len(self._graphs)

    def capture(self, key: Hashable, function: Callable[[], None]) -> None:
        """Capture a function; it runs a few times. Where that fails, it is run as it is from then on.

        Args:
            key: what distinguishes it from all others.
            function: without a branch on the content of tensors.
        """
        if self._stream is None or not self._captures:
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                function()
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads may be allocating on other devices meanwhile.
            with (
                _CAPTURING,
                torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"),
            ):
                function()
        except RuntimeError as error:  # nothing has run; kernel by kernel it is slower, and as right
            logger.warning("no CUDA graphs from now on captured=%d error=%s", len(self._graphs), error)
            self._captures = False
            return
        self._graphs[key] = graph

    def run(self, key: Hashable, function: Callable[[], None]) -> None:
        """Run a function, by its graph if it is captured.

        A capture waits for the device and frees its idle memory, so that none is made here, between two passes.

        Args:
            key: of the function.
            function: as it was captured.
        """
        graph = self._graphs.get(key)
        if graph is None:
            function()
        else:
            graph.replay()
