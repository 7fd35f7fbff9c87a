"""The view tokens of the journal in Redis, which expire by themselves."""

from collections.abc import Sequence
from functools import partial

from redis.asyncio.client import Pipeline

from gateway.journal.redis_client import RedisClient
from gateway.journal.redis_records import Keys, token_of, token_text
from gateway.journal.store import ViewToken

__all__ = ["RedisTokens"]

_MS_PER_S = 1_000


class RedisTokens:
    """The part of a `JournalStore` for view tokens.

    They are kept by their SHA-256; each session has a list of its own, so that they can be deleted with it.

    Args:
        client: of the server.
        keys: names of its keys.
    """

    def __init__(self, client: RedisClient, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def add_view_token(self, digest: bytes, token: ViewToken) -> None:
        """Store the view token of that SHA-256 until it expires."""
        own, expires_ms = self._keys.tokens(token.subject), round(token.expires_s * _MS_PER_S)
        await self._client.run(
            [
                lambda pipeline: pipeline.zadd(own, {digest: token.expires_s}),  # first, so that it can be deleted
                lambda pipeline: pipeline.set(self._keys.token(digest), token_text(token), pxat=expires_ms),
            ]
        )

    async def view_token(self, digest: bytes, now_s: float) -> ViewToken | None:
        """Return the view token of that SHA-256; None: unknown or expired."""
        with self._client.connected() as redis:
            found = await redis.get(self._keys.token(digest))
        token = None if found is None else token_of(found)
        return token if token is not None and token.expires_s > now_s else None

    async def delete_view_tokens(self, subject: str) -> None:
        """Delete all view tokens of a session, or of a caption event."""
        own = self._keys.tokens(subject)
        with self._client.connected() as redis:
            digests = await redis.zrange(own, 0, -1)
        await self.delete_tokens(digests)
        await self._client.run([lambda pipeline: pipeline.delete(own)])

    async def delete_tokens(self, digests: Sequence[bytes]) -> None:
        """Delete tokens."""
        await self._client.run([partial(_delete, self._keys.token(digest)) for digest in digests])


def _delete(key: str, pipeline: Pipeline) -> None:
    pipeline.delete(key)
