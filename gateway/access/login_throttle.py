"""Failed authentication by address: throttled, and logged once a minute with their number."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from gateway.errors import RateLimited

__all__ = ["FailedLogins", "network_of"]

logger = logging.getLogger("livecue.auth")

MAX_PER_MINUTE = 60
"""Of one address. A misconfigured client retries once a second at most."""

_MAX_ADDRESSES = 10_000
"""Counted separately; further ones are counted together."""

_OTHERS = "others"

_MINUTE_S = 60.0


@dataclass(slots=True)
class _Minute:
    """The failures of an address since its first."""

    began_s: float
    failures: int = 0


class FailedLogins:
    """Counts failures by address.

    Args:
        clock: monotonic, in seconds.
        on_report: called with each address, or /64, and its failures, when they are logged.
    """

    def __init__(
        self, clock: Callable[[], float], on_report: Callable[[str, int], None] = lambda address, times: None
    ) -> None:
        self._clock = clock
        self._on_report = on_report
        self._minutes: dict[str, _Minute] = {}

    def add(self, address: str | None) -> None:
        """Count one failure; unknown addresses are not throttled.

        Raises:
            RateLimited: too many from this address within a minute.
        """
        name = network_of(address or _OTHERS)
        if name not in self._minutes and len(self._minutes) >= _MAX_ADDRESSES:
            name = _OTHERS
        minute = self._minutes.setdefault(name, _Minute(self._clock()))
        minute.failures += 1
        if address is not None and minute.failures > MAX_PER_MINUTE:
            wait_s = max(1.0, minute.began_s + _MINUTE_S - self._clock())
            raise RateLimited(f"too many wrong keys from {name}: retry in {wait_s:.0f} s", wait_s)

    def report(self, *, at_end: bool = False) -> None:
        """Log one line for each address whose minute is over.

        Args:
            at_end: log all, as the gateway stops.
        """
        now_s = self._clock()
        for name, minute in tuple(self._minutes.items()):
            if at_end or now_s - minute.began_s >= _MINUTE_S:
                del self._minutes[name]
                logger.warning("authentication failed address=%s times=%d", name, minute.failures)
                self._on_report(name, minute.failures)


def network_of(address: str) -> str:
    """Return what counts as one address: for IPv6 the /64, which one household gets (RFC 6177)."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((address, 64), strict=False)) if isinstance(parsed, IPv6Address) else address
