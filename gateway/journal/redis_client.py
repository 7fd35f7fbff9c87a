"""The connections to a Redis server, with its errors as those of the journal."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.settings import JournalSettings
from gateway.sqlite import StateUnavailable

__all__ = ["BLOCK_S", "Command", "RedisClient"]

_TIMEOUT_S = 2.0
"""Of a connection, and of a reply: as long as the journal waits for a lock in SQLite. Redis takes milliseconds."""

BLOCK_S = 1.0
"""The longest wait of a blocking command, below the timeout of its reply."""

_COMMANDS_PER_ROUND = 500
"""Whose replies, a session each, take some hundred KB."""

Command = Callable[[Pipeline], object]
"""Adds a command to a pipeline."""


class RedisClient:
    """Connects when it is first needed, and again after it was closed.

    Args:
        settings: URL, and password.
    """

    def __init__(self, settings: JournalSettings) -> None:
        assert settings.url is not None, "the journal is in Redis"
        self._url = settings.url.get_secret_value()
        self._password = None if settings.password is None else settings.password.get_secret_value()
        self._client: Redis | None = None

    @contextmanager
    def connected(self) -> Iterator[Redis]:
        """Give the client while the block lasts.

        Raises:
            StateUnavailable: Redis cannot be reached, or refuses a command.
        """
        try:
            if self._client is None:
                self._client = self._connect()
            yield self._client
        except (RedisError, OSError) as error:
            raise StateUnavailable(self.message(str(error) or type(error).__name__)) from error

    async def run(self, commands: Iterable[Command]) -> list[Any]:  # replies have the type of their command
        """Run commands, in few round trips and not as a transaction, and return their replies.

        Raises:
            StateUnavailable: one of them has failed; others may have been run.
        """
        pending, replies = list(commands), []
        with self.connected() as client:
            for start in range(0, len(pending), _COMMANDS_PER_ROUND):
                async with client.pipeline(transaction=False) as pipeline:
                    for command in pending[start : start + _COMMANDS_PER_ROUND]:
                        command(pipeline)
                    replies += await pipeline.execute()
        return replies

    def message(self, cause: str) -> str:
        """Return the message of an error: the setting, its value without what may be secret, and the cause."""
        parts = urlsplit(self._url)
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
        return f"journal.url = {address!r}: {cause}"

    async def aclose(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connect(self) -> Redis:
        password = {} if self._password is None else {"password": self._password}
        return Redis.from_url(
            self._url,
            protocol=2,  # the third has other types of replies
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # an idle connection may have been closed; all commands may run twice
            **password,
        )
