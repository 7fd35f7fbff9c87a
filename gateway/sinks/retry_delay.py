"""How long to wait before an event is sent again. PURE."""

__all__ = ["retry_delay_s"]

_FIRST_S = 0.5
"""A lost packet or a restarted process is over by then."""

_LONGEST_S = 10.0
"""A place that is back after an hour gets captions within seconds."""

_MOST_ASKED_S = 60.0
"""Of a Retry-After header: captions that wait for longer are of little use."""


def retry_delay_s(failures: int, asked_s: float | None, fraction: float) -> float:
    """Return the delay after a failure: doubled each time, minus a random part of up to a half.

    Args:
        failures: in a row, ≥ 1.
        asked_s: what the peer asks for; None: nothing.
        fraction: random, 0..1, so that gateways do not all return at once.
    """
    delay_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(failures - 1, 10)) * (1.0 - fraction / 2)
    return delay_s if asked_s is None else max(delay_s, min(asked_s, _MOST_ASKED_S))
