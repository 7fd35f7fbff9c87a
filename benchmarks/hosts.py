"""Hosts of their own on one machine: network namespaces joined by a bridge, each with gateways or servers in it.

Needs the rights of root, and Linux.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from vad.errors import LivecueError

__all__ = ["CLIENTS_ADDRESS", "Host", "Network"]

_PREFIX = "livecue"
_SUBNET = "10.213.77"
"""Private addresses, RFC 1918, unlikely to be in use."""

CLIENTS_ADDRESS = f"{_SUBNET}.1"
"""Of this process, on the bridge."""

_STOP_S = 45.0
"""A gateway drains for up to 30 s."""


class Host:
    """One network namespace, and the processes that run in it.

    Attributes:
        name: of the namespace.
        address: of its only interface.
    """

    def __init__(self, name: str, number: int) -> None:
        self.name = f"{_PREFIX}-{name}"
        self.address = f"{_SUBNET}.{number}"
        self._link = f"{_PREFIX}{number}"
        self._processes: list[subprocess.Popen[str]] = []

    def create(self, bridge: str) -> None:
        """Create the namespace, and join it to a bridge of this machine."""
        _ip("netns", "add", self.name)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("link", "set", self._link, "master", bridge, "up")
        _ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        for interface in ("lo", "eth0"):
            _ip("-n", self.name, "link", "set", interface, "up")

    def delete(self) -> None:
        """Kill what runs in the namespace, and delete it and its interface."""
        for process in self._processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        _ip("link", "delete", self._link)  # else it exists until the kernel has torn down the namespace
        _ip("netns", "delete", self.name)

    def start(self, *command: str, until: str = "", environment: dict[str, str] | None = None) -> str:
        """Start a command, and return its first line of output that holds a text.

        Args:
            command: and its arguments.
            until: the text.
            environment: variables besides those of this process.

        Raises:
            LivecueError: it ended before.
        """
        process = subprocess.Popen(  # noqa: S603
            ["ip", "netns", "exec", self.name, *command],  # noqa: S607
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self._processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if until in line:
                return line.strip()
        raise LivecueError(f"{command[0]} ended with status {process.wait()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the newest process."""
        self._processes[-1].send_signal(number)

    def wait(self) -> int:
        """Return the exit status of the newest process, once it has ended."""
        return self._processes[-1].wait(_STOP_S)

    def unplug(self) -> None:
        """Take its network away, so that packets vanish; what runs in it goes on."""
        _ip("link", "set", self._link, "down")

    def plug(self) -> None:
        """Give it its network again."""
        _ip("link", "set", self._link, "up")


class Network:
    """A bridge, on which hosts are created; all are deleted at the end of the block."""

    def __init__(self) -> None:
        self._bridge = f"{_PREFIX}0"
        self._cleanup = ExitStack()
        self._last = 1

    def __enter__(self) -> Self:
        _ip("link", "add", self._bridge, "type", "bridge")
        self._cleanup.callback(_ip, "link", "delete", self._bridge)
        _ip("address", "add", f"{CLIENTS_ADDRESS}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def host(self, name: str) -> Host:
        """Return a new host."""
        self._last += 1
        host = Host(name, self._last)
        host.create(self._bridge)
        self._cleanup.callback(host.delete)
        return host

    @contextmanager
    def gateways(self, count: int, folder: Path, *options: str) -> Iterator[list[Host]]:
        """Run Redis and gateways that share it, each on a host of its own, port 8000.

        Args:
            count: of gateways.
            folder: for their data directories.
            options: of `livecue serve`.

        Raises:
            LivecueError: one does not start.
        """
        redis = self.host("redis")
        redis.start(
            *("redis-server", "--bind", redis.address, "--port", "6379", "--protected-mode", "no"),
            *("--save", "", "--dir", str(folder)),
            until="Ready to accept connections",
        )
        hosts = [self.host(f"gateway{number}") for number in range(1, count + 1)]
        for host in hosts:
            variables = {
                "LIVECUE_JOURNAL__URL": f"redis://{redis.address}:6379/0",
                "XDG_DATA_HOME": str(folder / host.name),
            }
            command = [sys.executable, "-m", "gateway", "serve", "--host", host.address, "--port", "8000", "--insecure"]
            host.start(*command, *options, until="livecue listens on", environment=variables)
        yield hosts


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise LivecueError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
