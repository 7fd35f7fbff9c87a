"""How far each sink is with a session, kept in the journal's store, so that it survives a restart."""

import logging

import msgspec

from gateway.journal.journal import Journal
from gateway.sqlite import StateUnavailable

__all__ = ["Position", "SinkPositions"]

logger = logging.getLogger("livecue.sinks")


class Position(msgspec.Struct, frozen=True):
    """The position of one sink in one session.

    Attributes:
        acknowledged: number of the last event that was sent or given up; 0: none.
        sent: events sent, without partials.
        origin_s: when the first sample was spoken, in seconds since 1970; None: unknown.
        is_done: whether nothing of the session is left to send.
    """

    acknowledged: int = 0
    sent: int = 0
    origin_s: float | None = None
    is_done: bool = False


_decoder = msgspec.json.Decoder(Position)


class SinkPositions:
    """Reads and writes positions; while the store cannot be reached, sinks go on without.

    Args:
        journal: its store keeps them with the sessions; None: they are not kept.
    """

    def __init__(self, journal: Journal | None) -> None:
        self._store = journal.store if journal is not None and journal.is_enabled else None

    async def of_session(self, session_id: str) -> dict[str, Position]:
        """Return the positions of a session, by name of the sink."""
        if self._store is None:
            return {}
        try:
            kept = await self._store.sink_positions(session_id)
            return {name: _decoder.decode(position) for name, position in kept.items()}
        except (StateUnavailable, msgspec.DecodeError) as error:
            logger.warning("positions of sinks not read session=%s: %s", session_id, error)
            return {}

    async def save(self, session_id: str, name: str, position: Position) -> bool:
        """Keep the position of a sink; return whether that has worked."""
        if self._store is None:
            return True
        try:
            await self._store.save_sink_position(session_id, name, msgspec.json.encode(position).decode())
        except StateUnavailable as error:
            logger.warning("position of a sink not written session=%s sink=%s: %s", session_id, name, error)
            return False
        return True
