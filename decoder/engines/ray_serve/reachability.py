"""Checks that something listens at the address of a cluster: Ray itself tries for minutes."""

from socket import create_connection
from urllib.parse import urlsplit

from decoder.types import ModelError

__all__ = ["check_reachable"]

_TIMEOUT_S = 5.0


def check_reachable(address: str) -> None:
    """Check `HOST:PORT`, or `ray://HOST:PORT`; other addresses, such as `auto`, are left to Ray.

    Raises:
        ModelError: nothing listens there.
    """
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:  # not a port
        return
    if host is None or port is None:
        return
    try:
        create_connection((host, port), _TIMEOUT_S).close()
    except OSError as error:
        raise ModelError(f"Ray cannot be reached at {address}: {error.strerror or error}") from error
