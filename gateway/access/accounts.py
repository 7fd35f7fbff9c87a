"""The accounts of all API keys: those of the settings, and those of the state database. PURE."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.access.api_keys import Account, Key, digest_of
from gateway.access.caller import Caller
from gateway.access.scopes import ALL_SCOPES
from gateway.access.terms import Terms

__all__ = ["STATIC_PREFIX", "Accounts"]

STATIC_PREFIX = "static-"
"""Of the names that the keys in the settings get."""

_STATIC_TERMS = Terms(ALL_SCOPES)


class Accounts:
    """Accounts by name and by digest. A key that is removed from the settings counts as revoked."""

    def __init__(self) -> None:
        self._static: dict[str, Account] = {}
        self._stored: dict[str, Account] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there has never been a key."""
        return not self._static and not self._stored

    @property
    def has_stored(self) -> bool:
        """Whether the database has keys, be they revoked."""
        return bool(self._stored)

    @property
    def active(self) -> int:
        """Number of keys that are not revoked."""
        return sum(not account.key.is_revoked for account in self._all())

    def named(self, name: str) -> Account | None:
        """Return the account of a key by its name; None: no such key."""
        return self._static.get(name) or self._stored.get(name)

    def of(self, caller: Caller) -> Account | None:
        """Return the account of a caller's key; None: it has no key."""
        return None if caller.name is None else self.named(caller.name)

    def with_digest(self, digest: bytes, wall_s: float) -> Account | None:
        """Return the account of a key by a digest of its secret; None: no such key.

        Args:
            digest: of the secret.
            wall_s: now, in seconds since 1970, for secrets that have been replaced.
        """
        # compares every key, so that the time taken does not reveal which one was close
        found = [account for account in self._all() if account.key.has_digest(digest, wall_s)]
        return found[0] if found else None

    def replace_static(self, static_keys: Iterable[str], now_s: float) -> None:
        """Replace the keys of the settings.

        Args:
            static_keys: the keys, in clear.
            now_s: on the clock of the accounts.
        """
        digests = dict.fromkeys(digest_of(key) for key in static_keys)
        for account in self._static.values():
            key = account.key
            account.read(replace(key, is_revoked=key.digest not in digests), now_s)
            digests.pop(key.digest, None)
        for digest in digests:
            key = Key(f"{STATIC_PREFIX}{len(self._static) + 1}", digest, terms=_STATIC_TERMS)
            self._static[key.name] = Account(key, now_s)

    def update_stored(self, key: Key, now_s: float, written_s: float) -> None:
        """Add a key of the database, or update it.

        Args:
            key: as it was read.
            now_s: on the clock of the accounts.
            written_s: of the audio used here, what `key.used_s` includes for the first time.
        """
        account = self._stored.get(key.name)
        if account is None:
            self._stored[key.name] = Account(key, now_s)
        else:
            account.read(key, now_s, written_s)

    def unwritten_s(self) -> dict[str, float]:
        """Return the audio used that the database does not have yet, in seconds, by name of the key."""
        return {account.key.name: account.unwritten_s for account in self._stored.values() if account.unwritten_s}

    def _all(self) -> tuple[Account, ...]:
        return (*self._static.values(), *self._stored.values())
