"""Which hosts and addresses may be contacted for a stream. PURE.

A stream leads to other addresses: by redirects, by the entries of a playlist, by the name service. Without a check,
whoever controls it could make this machine send requests within its own network (server-side request forgery).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from clients.sources.errors import SourceRefused

__all__ = ["PUBLIC", "AddressPolicy"]

PUBLIC = "public"
"""In `AddressPolicy.hosts`: any host whose addresses are all public."""

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052 §2.1: the last 32 bits are an IPv4 address."""

_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The hosts that may be contacted.

    Attributes:
        hosts: names and addresses; `*.example.com` stands for all names below example.com, `public` for all hosts with
            public addresses.
        public_only: whether the hosts must have public addresses, even those that are named.
    """

    hosts: tuple[str, ...]
    public_only: bool = False

    def check_host(self, host: str) -> None:
        """Check a host before its name is resolved.

        Raises:
            SourceRefused: it is not in the list.
        """
        if not self._is_named(host) and PUBLIC not in self.hosts:
            allowed = ", ".join(self.hosts)
            raise SourceRefused(f"host {host} is not allowed: expected {allowed} (--allow-host {host} allows it)")

    def check_address(self, host: str, address: str) -> None:
        """Check one of the addresses of a host.

        Args:
            host: as in `check_host`.
            address: IPv4 or IPv6.

        Raises:
            SourceRefused: the address may not be contacted.
        """
        self.check_host(host)
        parsed = _embedded(ip_address(address.partition("%")[0]))
        is_literal = host == address and self._is_named(host)
        if _is_special(parsed) and not is_literal:
            raise SourceRefused(f"host {host} has the link-local or special address {address}, which is not allowed")
        if not parsed.is_global and (self.public_only or not self._is_named(host)):
            raise SourceRefused(f"host {host} has the private address {address}: expected a public one")

    def checked(self, host: str, addresses: Sequence[str]) -> Sequence[str]:
        """Return the addresses of a host if all may be contacted.

        Raises:
            SourceRefused: one of them may not be contacted.
        """
        for address in addresses:
            self.check_address(host, address)
        return addresses

    def _is_named(self, host: str) -> bool:
        host = host.lower().rstrip(".")
        return any(
            host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
            for allowed in (name.lower().rstrip(".") for name in self.hosts if name != PUBLIC)
        )


def _embedded(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (address, address))[1]


def _is_special(address: _Address) -> bool:
    # 169.254.169.254 holds the credentials of machines in clouds
    is_reserved = address.version == 4 and address.is_reserved  # of IPv6, ::1 counts as reserved too
    return address.is_link_local or address.is_multicast or address.is_unspecified or is_reserved
