"""Bounds the values of a metric's label, each of which is a time series for ever. PURE."""

from collections.abc import Mapping

__all__ = ["OTHER", "with_limited_labels"]

OTHER = "other"
"""Label of all values beyond the limit."""


def with_limited_labels(counts: Mapping[str, float], limit: int) -> dict[str, float]:
    """Return counts by label, with those beyond the limit added up as `other`.

    The first labels keep their own series, so a counter never moves from one series to another.

    Args:
        counts: by label, in the order in which the labels appeared.
        limit: of labels with a series of their own, ≥ 0.
    """
    limited: dict[str, float] = {}
    for number, (label, count) in enumerate(counts.items()):
        shown = label if number < limit else OTHER
        limited[shown] = limited.get(shown, 0.0) + count
    return limited
