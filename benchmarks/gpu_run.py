"""A run of the benchmark for a GPU: how large everything is, what is left of the budget, what was measured."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from benchmarks.gpu_kernels import Ceilings, measure_ceilings
from benchmarks.report import write_json

__all__ = ["Run", "Scale", "scale_of"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How large everything is.

    Attributes:
        device, dtype: where, and of which weights.
        kernels: size of the model whose parts are timed.
        texts, text_tokens: that are compared, and most tokens of each.
        encoder: (positions, windows) of batches.
        rows, widths, cross: of passes.
        slots: of the engines.
        searches: (size of the model, window of finals, cadence in seconds, streams tried first).
        probes: most counts of streams that a search tries.
        seconds: of a run.
    """

    device: torch.device
    dtype: torch.dtype
    kernels: str
    texts: int
    text_tokens: int
    encoder: Sequence[tuple[int, int]]
    rows: Sequence[int]
    widths: Sequence[int]
    cross: Sequence[int]
    slots: int
    searches: Sequence[tuple[str, Literal["trimmed", "full"], float, int]]
    probes: int
    seconds: float


def scale_of(*, is_gpu: bool) -> Scale:
    """Return the sizes for a GPU, or for a rehearsal on a CPU."""
    if not is_gpu:
        return Scale(
            device=torch.device("cpu"),
            dtype=torch.float32,
            kernels="micro",
            texts=2,
            text_tokens=12,
            encoder=((192, 1), (192, 2), (1500, 1)),
            rows=(1, 4),
            widths=(1, 4),
            cross=(352,),
            slots=4,
            searches=(("micro", "trimmed", 1.0, 2),),
            probes=2,
            seconds=9.0,
        )
    return Scale(
        device=torch.device("cuda", 0),
        dtype=torch.float16,
        kernels="large-v3-turbo",
        texts=16,
        text_tokens=60,
        encoder=tuple((n, batch) for n in (192, 256, 320, 448, 640, 1500) for batch in (1, 4, 16, 32, 64)),
        rows=(1, 16, 64, 128),
        widths=(1, 4, 32, 80),
        cross=(352, 1500),
        slots=64,
        searches=(
            ("large-v3-turbo", "trimmed", 0.5, 400),
            ("large-v3-turbo", "trimmed", 1.0, 600),
            ("large-v3-turbo", "full", 0.5, 200),
            ("large-v3", "trimmed", 0.5, 150),
            ("large-v3", "trimmed", 1.0, 200),
        ),
        probes=5,
        seconds=6.0,
    )


@dataclass(slots=True)
class Run:
    """A run of all sections.

    Attributes:
        scale: how large everything is.
        budget_s: what it may take.
        json: file for the results, or None.
        results: section → what it measured.
    """

    scale: Scale
    budget_s: float
    json: Path | None
    results: dict[str, object] = field(default_factory=dict)
    _began_s: float = field(default_factory=time.perf_counter)
    _ceilings: Ceilings | None = None

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return self.budget_s - (time.perf_counter() - self._began_s)

    @property
    def ceilings(self) -> Ceilings:
        """What the device does at best, measured once."""
        if self._ceilings is None:
            self._ceilings = measure_ceilings(self.scale.device, self.scale.dtype)
        return self._ceilings

    def has_time(self, what: str, needed_s: float) -> bool:
        """Return whether the budget is enough for something, and say so where it is not."""
        has_time = self.left_s >= needed_s
        if not has_time:
            print(f"{what}: skipped, {self.left_s:.0f} s are left and it needs {needed_s:.0f} s", flush=True)
        return has_time

    def keep(self, name: str, measured: object) -> None:
        """Keep results, and write all there are, so that a run that is ended early keeps them."""
        self.results[name] = measured
        write_json(self.json, "gpu", self.results)
