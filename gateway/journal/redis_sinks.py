"""The positions of sinks of the journal in Redis."""

from gateway.journal.redis_client import RedisClient
from gateway.journal.redis_records import Keys
from gateway.journal.redis_scripts import SAVE_SINK

__all__ = ["RedisSinks"]


class RedisSinks:
    """The part of a `JournalStore` for the positions of sinks, which are kept with their session.

    Args:
        client: of the server.
        keys: names of its keys.
    """

    def __init__(self, client: RedisClient, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def sink_positions(self, session_id: str) -> dict[str, str]:
        """Return how far the sinks of a session are, by name."""
        with self._client.connected() as redis:
            found = await redis.hgetall(self._keys.sinks(session_id))
        return {name.decode(): position.decode() for name, position in found.items()}

    async def save_sink_position(self, session_id: str, name: str, position: str) -> None:
        """Keep how far a sink of a session is."""
        keys = self._keys.session(session_id), self._keys.sinks(session_id)
        with self._client.connected() as redis:
            await redis.eval(SAVE_SINK, len(keys), *keys, name, position)
