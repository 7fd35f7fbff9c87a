"""Percentiles of what a benchmark measured. PURE."""

from collections.abc import Sequence

import numpy as np

__all__ = ["percentile"]


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the percentile, interpolated; None for no values."""
    return float(np.percentile(values, percent)) if values else None
