"""The addresses under which others reach the gateway."""

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.settings import ServerSettings

__all__ = ["is_for_this_machine", "lan_address", "listening_urls", "share_base"]

_UNUSED_ADDRESS = ("192.0.2.1", 9)
"""RFC 5737: a documentation address. Nothing is sent there; the system only selects the route."""


def listening_urls(server: ServerSettings, host: str, port: int, lan: str | None) -> list[str]:
    """Return the base URLs to print at the start, the one for this machine first.

    Args:
        server: the settings.
        host, port: of the listening socket.
        lan: as of `lan_address`.
    """
    if not _is_unspecified(host):
        hosts = [host]
    else:
        hosts = ["::1" if ":" in host else "127.0.0.1", *([] if lan is None else [lan])]
    scheme = "http" if server.tls_cert is None else "https"
    urls = [f"{scheme}://{_bracketed(each)}:{port}" for each in hosts]
    return [*urls, *([] if server.public_url is None else [server.public_url.rstrip("/")])]


def share_base(requested: str, server: ServerSettings, lan: str | None) -> str:
    """Return the base URL of links for others, without a slash at its end.

    Args:
        requested: base URL by which the sharing user reached the gateway.
        server: the settings.
        lan: as of `lan_address`.
    """
    if server.public_url is not None:
        return server.public_url.rstrip("/")
    parts = urlsplit(requested)
    host = parts.hostname or ""
    if is_for_this_machine(requested) and _is_unspecified(server.host) and lan is not None:
        host = lan
    elif _is_unspecified(host):
        host = "127.0.0.1"
    else:
        return requested.rstrip("/")
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{_bracketed(host)}{port}{parts.path.rstrip('/')}"


def is_for_this_machine(url: str) -> bool:
    """Return whether a URL reaches only this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def lan_address() -> str | None:
    """Return this machine's address in its network; None: no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_UNUSED_ADDRESS)
        except OSError:
            return None
        host = str(probe.getsockname()[0])
    return None if is_for_this_machine(f"http://{host}") else host


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return host == ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
