"""TCP connections to addresses that were checked: a name is resolved once, and that address is connected to."""

import socket
import ssl
from collections.abc import Callable

from clients.sources.address_policy import AddressPolicy
from clients.sources.errors import SourceError

__all__ = ["TIMEOUT_S", "Resolve", "connected", "resolved"]

TIMEOUT_S = 10.0
"""Without any byte of a stream for so long, its connection counts as lost: players wait as long."""

Resolve = Callable[[str, int], list[str]]
"""Returns the addresses of a host and port; raises `OSError`."""


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host, in the order of preference.

    Raises:
        OSError: its name cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def checked_addresses(host: str, port: int, policy: AddressPolicy, resolve: Resolve = resolved) -> list[str]:
    """Return the addresses of a host that may be contacted.

    Raises:
        SourceRefused: the host or one of its addresses is not allowed.
        SourceError: its name cannot be resolved.
    """
    policy.check_host(host)
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"host {host} cannot be resolved ({error})") from error
    return list(policy.checked(host, addresses))


def connected(
    host: str, port: int, policy: AddressPolicy, *, uses_tls: bool, resolve: Resolve = resolved
) -> socket.socket:
    """Return a connection to a host, whose certificate is checked if it uses TLS.

    Raises:
        SourceRefused: the host or one of its addresses is not allowed.
        SourceError: it cannot be reached, or its certificate is not valid.
    """
    failure: OSError | None = None
    for address in checked_addresses(host, port, policy, resolve):
        try:
            plain = socket.create_connection((address, port), TIMEOUT_S)
            if not uses_tls:
                return plain
            return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        except OSError as error:
            failure = error
    raise SourceError(f"{host}:{port} cannot be reached ({failure})") from failure
