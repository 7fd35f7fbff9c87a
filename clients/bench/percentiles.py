"""Percentiles of lags. PURE."""

from collections.abc import Collection

import numpy as np

from clients.bench.result import Percentiles

__all__ = ["percentiles"]

_SHARES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}


def percentiles(values: Collection[float]) -> Percentiles:
    """Return the distribution of some values.

    A percentile is the least of the values that at least so many percent do not exceed (nearest rank): it was observed,
    and is not interpolated.

    Args:
        values: in any order; if there are none, all but the count is None.
    """
    if not values:
        return Percentiles(0)
    array = np.array(list(values), dtype=np.float64)
    ranks = np.percentile(array, list(_SHARES.values()), method="inverted_cdf")
    named = dict(zip(_SHARES, map(float, ranks), strict=True))
    return Percentiles(len(array), **named, max=float(array.max()), mean=float(array.mean()))
