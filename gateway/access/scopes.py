"""Scopes: what a caller may do. PURE."""

from collections.abc import Iterable
from enum import StrEnum

from gateway.errors import ConfigurationError

__all__ = ["ALL_SCOPES", "DEFAULT_SCOPES", "Scope", "allows", "parse_scopes", "scopes_text"]


class Scope(StrEnum):
    """One thing that a caller may do."""

    INGEST = "ingest"
    """Send audio: live sessions, files, and client secrets for them."""
    READ = "read"
    """List, watch and read its own sessions, and create and revoke their view tokens."""
    DELETE = "delete"
    """Delete its own sessions."""
    SINKS = "sinks"
    """Bring sinks of its own: have captions sent to public addresses of its choice."""
    ADMIN = "admin"
    """Delete sessions, read metrics, and operate the gateway; `read` then covers the sessions of all callers."""


ALL_SCOPES = frozenset(Scope)
"""Of the keys in the settings, and of every caller of a gateway without keys."""

DEFAULT_SCOPES = frozenset({Scope.INGEST, Scope.READ, Scope.DELETE})
"""Of a key in the database for which nothing else was chosen: what any key could do before there were scopes."""


def allows(scopes: frozenset[Scope], needed: Scope) -> bool:
    """Return whether one of the scopes is, or contains, the needed one."""
    return needed in scopes or (needed is Scope.DELETE and Scope.ADMIN in scopes)


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes of those names.

    Raises:
        ConfigurationError: there is none, or a name is unknown.
    """
    try:
        scopes = frozenset(Scope(name.strip()) for name in names)
    except ValueError as error:
        raise ConfigurationError(f"{error}: expected one or more of {', '.join(Scope)}") from None
    if not scopes:
        raise ConfigurationError(f"no scope: expected one or more of {', '.join(Scope)}")
    return scopes


def scopes_text(scopes: frozenset[Scope]) -> str:
    """Return the names of scopes, in the order of their definition, separated by commas."""
    return ",".join(scope for scope in Scope if scope in scopes)
