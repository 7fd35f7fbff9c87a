"""A Redis server of the tests, on this machine, and gateways that share it."""

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from gateway.journal.journal import open_journal
from gateway.session.context import SessionContext
from gateway.settings import JournalSettings, Settings
from tests.sessions import SETTINGS, open_context

__all__ = ["MISSING", "RedisServer", "free_port", "gateways", "redis_server"]

_START_S = 10.0

MISSING = next(
    (
        reason
        for is_missing, reason in (
            (find_spec("redis") is None, "no Python package redis: pip install 'livecue[redis]'"),
            (shutil.which("redis-server") is None, "no redis-server: apt-get install redis-server"),
        )
        if is_missing
    ),
    None,
)


class RedisServer:
    """A server without persistence.

    Args:
        folder: its own.
        is_cluster: whether it is a cluster of one node, which refuses commands with keys of several slots.
    """

    def __init__(self, folder: Path, *, is_cluster: bool = False) -> None:
        self.port = free_port()
        self._folder = folder
        self._is_cluster = is_cluster
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def settings(self, **changes: object) -> JournalSettings:
        """Return settings of a journal in it that no other test uses."""
        return JournalSettings(**{"url": SecretStr(self.url), "prefix": f"test-{uuid4().hex}"} | changes)  # type: ignore[arg-type]

    def start(self, *arguments: str) -> None:
        """Start it, with further arguments of `redis-server`."""
        server = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)]
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(free_port())] if self._is_cluster else []
        command = [*server, "--save", "", *cluster, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
        if self._is_cluster:
            self.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            self._await(lambda: b"cluster_state:ok" in self.command("CLUSTER", "INFO"))
        else:
            self.command("PING")

    def stop(self) -> None:
        """Kill it; what it has is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _await(self, is_so: Callable[[], bool]) -> None:
        until_s = time.monotonic() + _START_S
        while not is_so():
            assert time.monotonic() < until_s, "the server does not start"

    def command(self, *words: str) -> bytes:
        """Run a command, as soon as the server accepts connections, and return the reply."""
        until_s = time.monotonic() + _START_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=_START_S) as connection:
                    connection.sendall((" ".join(words) + "\r\n").encode())
                    return connection.recv(65_536)
            except ConnectionError:
                assert time.monotonic() < until_s, "the server does not start"


@contextmanager
def redis_server(folder: Path, *, is_cluster: bool = False) -> Iterator[RedisServer]:
    """Run a server while the block lasts; skip the test where there is none."""
    if MISSING is not None:
        pytest.skip(MISSING)
    server = RedisServer(folder, is_cluster=is_cluster)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@asynccontextmanager
async def gateways(journal: JournalSettings, number: int = 2) -> AsyncIterator[list[SessionContext]]:
    """Run gateways that share a journal while the block lasts."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(number):
            opened = await stack.enter_async_context(open_journal(Settings(journal=journal, session=SETTINGS)))
            made.append(await stack.enter_async_context(open_context(journal=opened)))
        yield made
