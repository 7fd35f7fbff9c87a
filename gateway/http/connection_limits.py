"""Limits of connections: in all, and by address."""

import logging
import sys
from collections import Counter

from gateway.access.origin import is_loopback
from gateway.settings import Settings

__all__ = ["ConnectionLimiter", "allowed_connections"]

logger = logging.getLogger("livecue.server")

_SPARE_CONNECTIONS = 256
"""For pages, probes and short requests."""

_FILE_DESCRIPTORS = 8
"""Of a file in progress, or a container decoded live: pipes of its process, its temporary file and folder."""

_OWN_DESCRIPTORS = 128
"""Of the process itself: listeners, databases, models, logs, and files opened by libraries."""

_LEAST_CONNECTIONS = 16


class ConnectionLimiter:
    """Accepts connections up to a limit.

    Args:
        most: connections at once.
        most_per_address: of these, from one address other than this machine's.
    """

    def __init__(self, most: int, most_per_address: int) -> None:
        self.refused = 0
        """Connections that were refused."""
        self._most = most
        self._most_per_address = most_per_address
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Return whether a connection is accepted, and count it; an accepted one calls `leave` later."""
        is_over_share = self._open[address] >= self._most_per_address and not is_loopback(address)
        if is_over_share or self._open.total() >= self._most:
            self.refused += 1
            return False
        self._open[address] += 1
        return True

    def leave(self, address: str) -> None:
        """Remove a connection from the count."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


def allowed_connections(settings: Settings) -> int:
    """Return the limit of connections, and raise the limit of file descriptors to match.

    The soft limit of the process is raised as far as its hard limit allows; where that is not enough, fewer
    connections are accepted, so that no open session or file runs out of descriptors.
    """
    server, limits = settings.server, settings.limits
    needed = limits.max_connections or server.max_sessions + server.max_viewers + _SPARE_CONNECTIONS
    others = _OWN_DESCRIPTORS + _FILE_DESCRIPTORS * (settings.files.max_files + limits.max_decoders)
    others += server.max_sessions if settings.journal.record else 0
    allowed = _raised_limit(needed + others)
    if allowed >= needed + others:
        return needed
    most = max(_LEAST_CONNECTIONS, allowed - others)
    logger.warning(
        "this process may open %d files and needs %d: at most %d connections are accepted; raise the limit "
        "('ulimit -n', or LimitNOFILE of systemd)",
        allowed,
        needed + others,
        most,
    )
    return most


def _raised_limit(needed: int) -> int:
    if sys.platform == "win32":
        return needed  # limits sockets by memory only
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= needed:
        return needed
    raised = needed if hard == unlimited else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (OSError, ValueError):  # some systems have a lower limit
        return soft
    return raised
