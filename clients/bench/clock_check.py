"""Whether the client kept time. PURE."""

from collections.abc import Sequence

from clients.bench.limits import Limits
from clients.bench.percentiles import percentiles
from clients.bench.result import Clock
from clients.bench.trace import Pacing

__all__ = ["check_clock"]


def check_clock(pacings: Sequence[Pacing], limits: Limits) -> Clock:
    """Return how late the frames of all streams were, and whether that is too late for a valid run.

    Args:
        pacings: of each stream.
        limits: of the client's lateness. The server's backpressure makes no run invalid.
    """
    late = percentiles([late_s for pacing in pacings for late_s in pacing.late_s])
    blocked = percentiles([blocked_s for pacing in pacings for blocked_s in pacing.blocked_s])
    reasons = [
        f"the client was {value_s:.3f} s late with {what} (limit {limit_s:g} s)"
        for what, value_s, limit_s in (
            ("the latest 1 % of its frames", late.p99, limits.late_p99_s),
            ("its latest frame", late.max, limits.late_max_s),
        )
        if value_s is not None and value_s > limit_s
    ]
    return Clock(late, blocked, not reasons, reasons)
