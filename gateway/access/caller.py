"""Who sends a request."""

from dataclasses import dataclass, field

from gateway.access.scopes import Scope, allows

__all__ = ["OIDC_PREFIX", "Caller"]

OIDC_PREFIX = "oidc:"
"""Of the names of callers with a token. No key's name has a colon."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Attributes:
        name: of the key, or `oidc:` and the subject of a token; None: no key, where none is needed.
        address: of the client; None: unknown.
        scopes: what it may do.
        shared_owner: name under which its sessions are shared with other keys; None: its own.
        expires_s: when its token expires, in seconds since 1970; None: it has no token.
    """

    name: str | None
    address: str | None = field(default=None, compare=False)
    scopes: frozenset[Scope] = field(default=frozenset(), compare=False)
    shared_owner: str | None = field(default=None, compare=False)
    expires_s: float | None = field(default=None, compare=False)

    @property
    def owner(self) -> str | None:
        """Owner of the sessions that it opens and may see; None: they have no owner."""
        return self.shared_owner or self.name

    @property
    def sees_all(self) -> bool:
        """Whether the sessions of all others count as its own: with the scope admin, or where there are no keys."""
        return allows(self.scopes, Scope.ADMIN)
