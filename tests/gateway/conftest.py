"""Fixtures of the gateway's tests."""

from collections.abc import Iterator

import pytest

from tests.redis_servers import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that tests share: each has a prefix of its own, by `settings`."""
    with redis_server(tmp_path_factory.mktemp("redis")) as made:
        yield made
