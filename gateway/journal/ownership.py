"""Which sessions a gateway owns in a shared store, and until when it is certain to. PURE."""

from collections.abc import Iterable, Mapping

__all__ = ["Ownership"]

_FIRST_FENCE = 1


class Ownership:
    """The lease of one gateway, and the fencing tokens of its sessions.

    Args:
        lease_s: others may take the gateway for dead when it has not renewed its lease for so long.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._until_s: float | None = None
        self._fences: dict[str, int] = {}

    def renewed(self, begun_s: float) -> None:
        """Note a renewal of the lease.

        Args:
            begun_s: before it was sent, in seconds of a clock that never goes back.
        """
        self._until_s = begun_s + self._lease_s

    def is_certain(self, now_s: float) -> bool:
        """Return whether the lease lasts."""
        return self._until_s is not None and now_s < self._until_s

    def sessions(self) -> tuple[str, ...]:
        """Return the ids of the sessions with a fencing token."""
        return tuple(self._fences)

    def fence_of(self, session_id: str) -> int:
        """Return the fencing token of a session."""
        return self._fences.get(session_id, _FIRST_FENCE)

    def open(self, session_id: str) -> None:
        """Note a new session, whose fencing token is the first, or a known one that is to be written again."""
        self._fences.setdefault(session_id, _FIRST_FENCE)

    def acquired(self, session_id: str, fence: int) -> None:
        """Note the new fencing token of a session."""
        self._fences[session_id] = fence

    def forget(self, session_ids: Iterable[str]) -> None:
        """Forget sessions that are over, deleted or lost."""
        for session_id in session_ids:
            self._fences.pop(session_id, None)

    def lost(self, fences: Mapping[str, int | None]) -> frozenset[str]:
        """Return the sessions that other gateways own, and forget them.

        Args:
            fences: newest fencing token of each session, as read; None: it was deleted.
        """
        taken = frozenset(
            session_id
            for session_id, fence in fences.items()
            if fence is not None and session_id in self._fences and fence > self._fences[session_id]
        )
        self.forget(taken)
        return taken
