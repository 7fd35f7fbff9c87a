"""Connections by the address they come from, and how many there may be."""

import logging
import sys
from collections import Counter

from gateway.access.origin import is_loopback
from gateway.settings import Settings

__all__ = ["ConnectionLimiter", "allowed_connections"]

logger = logging.getLogger("livecue.server")

_SPARE_CONNECTIONS = 256
"""For those who ask something: pages, probes, short requests."""

_FILE_DESCRIPTORS = 8
"""Of a file in work, or of a container decoded live: pipes of its process, its spool and folder."""

_OWN_DESCRIPTORS = 128
"""Of the process itself: listeners, databases, models, logs, and what libraries open."""

_LEAST_CONNECTIONS = 16


class ConnectionLimiter:
    """Lets connections in while there is room for them.

    Args:
        most: at once.
        most_per_address: of these, from one address that is not this machine's.
    """

    def __init__(self, most: int, most_per_address: int) -> None:
        self.refused = 0
        """Connections that were not let in."""
        self._most = most
        self._most_per_address = most_per_address
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a connection, and return whether there is room for it; one that is let in leaves later."""
        is_one_too_many = self._open[address] >= self._most_per_address and not is_loopback(address)
        if is_one_too_many or self._open.total() >= self._most:
            self.refused += 1
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a connection no more."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


def allowed_connections(settings: Settings) -> int:
    """Return how many connections there may be, and see that the system allows the descriptors for them.

    The soft limit of the process is raised as far as its hard limit allows; where that is not enough, fewer
    connections are let in, so that no descriptor is ever missing in the middle of something.
    """
    server, limits = settings.server, settings.limits
    wanted = limits.max_connections or server.max_sessions + server.max_viewers + _SPARE_CONNECTIONS
    others = _OWN_DESCRIPTORS + _FILE_DESCRIPTORS * (settings.files.max_files + limits.max_decoders)
    others += server.max_sessions if settings.journal.record else 0
    allowed = _raised_limit(wanted + others)
    if allowed >= wanted + others:
        return wanted
    most = max(_LEAST_CONNECTIONS, allowed - others)
    logger.warning(
        "this process may open %d files and wants %d: at most %d connections are let in; raise the limit ('ulimit -n', "
        "LimitNOFILE of systemd)",
        allowed,
        wanted + others,
        most,
    )
    return most


def _raised_limit(wanted: int) -> int:
    if sys.platform == "win32":
        return wanted  # it limits sockets by memory alone
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= wanted:
        return wanted
    raised = wanted if hard == unlimited else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (OSError, ValueError):  # some systems have a lower one of their own
        return soft
    return raised
