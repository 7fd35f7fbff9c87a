"""The terms on which a key is valid: what it allows, until when, from where, and how often at once. PURE."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gateway.access.scopes import DEFAULT_SCOPES, Scope, allows
from gateway.errors import ConfigurationError, ForbiddenAddress, InsufficientScope, Unauthorized

__all__ = ["DEFAULT_TERMS", "Network", "Terms", "check_scope", "is_within", "parse_networks"]

Network = IPv4Network | IPv6Network

_MAPPED_BITS = 96
"""Before the IPv4 address in an IPv4-mapped IPv6 address, RFC 4291 §2.5.5.2."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a key.

    Attributes:
        scopes: what it allows.
        expires_s: when it expires, in seconds since 1970; None: never.
        max_open: sessions and files at once, at least 1; None: any number.
        networks: addresses from which it is accepted; empty: any.
        owner: name under which its sessions are shared with other keys; None: its own.
    """

    scopes: frozenset[Scope] = DEFAULT_SCOPES
    expires_s: float | None = None
    max_open: int | None = None
    networks: tuple[Network, ...] = ()
    owner: str | None = None

    def has_expired(self, wall_s: float) -> bool:
        """Return whether it has expired by now, in seconds since 1970."""
        return self.expires_s is not None and wall_s >= self.expires_s

    def check(self, scope: Scope | None, wall_s: float) -> None:
        """Check that a key may be used.

        Args:
            scope: what for; None: for what any key may do.
            wall_s: now, in seconds since 1970.

        Raises:
            Unauthorized: it has expired.
            InsufficientScope: not for this.
        """
        if self.has_expired(wall_s):
            raise Unauthorized("this API key has expired")
        check_scope(self.scopes, scope)

    def check_address(self, address: str | None) -> None:
        """Check that a key may be used from an address; None: it is unknown.

        Raises:
            ForbiddenAddress: it may not.
        """
        if self.networks and not is_within(address, self.networks):
            raise ForbiddenAddress(f"this API key is not accepted from address {address or 'unknown'}")


DEFAULT_TERMS = Terms()
"""Of a key for which nothing was chosen."""


def check_scope(scopes: frozenset[Scope], needed: Scope | None) -> None:
    """Check that scopes include what is needed; None: nothing.

    Raises:
        InsufficientScope: they do not.
    """
    if needed is not None and not allows(scopes, needed):
        has = ", ".join(scope for scope in Scope if scope in scopes) or "none"
        raise InsufficientScope(f"this request needs the scope {needed}; the credentials have: {has}")


def is_within(address: str | None, networks: Iterable[Network]) -> bool:
    """Return whether an address is in one of the networks; one that is unknown, or no IP address, is in none.

    An IPv4-mapped IPv6 address counts as the IPv4 address, as a socket for both reports IPv4 clients.
    """
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return False
    plain: IPv4Address | IPv6Address = parsed
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        plain = parsed.ipv4_mapped
    return any(plain in network for network in networks)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks, from addresses and from networks such as `192.0.2.0/24`; in order, each once.

    Raises:
        ConfigurationError: a text is neither.
    """
    return tuple(dict.fromkeys(_network(text.strip()) for text in texts))


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ConfigurationError(f"{error}: expected an IP address, or a network as 192.0.2.0/24") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
