"""View tokens: credentials, without a key, to watch and read a session, or those of a caption event, for some time."""

import re
import secrets
import time
from collections.abc import Callable

from gateway.access.api_keys import digest_of
from gateway.errors import Unauthorized
from gateway.journal.store import JournalStore, ViewToken

__all__ = ["PREFIX", "ViewTokens", "is_view_token"]

PREFIX = "vt_"
"""Of every token. An API key must not begin with it."""

_RANDOM_BYTES = 32

_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
"""Anything else is not a token, and needs no look-up in the journal."""


def is_view_token(secret: str) -> bool:
    """Return whether a secret is a view token rather than a key."""
    return secret.startswith(PREFIX)


class ViewTokens:
    """Creates tokens, and keeps the hashes of unexpired ones in the journal's store, where they survive a restart.

    Args:
        store: of the journal; the tokens themselves are not stored.
        is_revoked: returns whether a key is revoked, and with it the tokens that it created.
        clock: seconds since 1970.
    """

    def __init__(
        self, store: JournalStore, is_revoked: Callable[[str], bool], clock: Callable[[], float] = time.time
    ) -> None:
        self._is_revoked = is_revoked
        self._store = store
        self._clock = clock

    async def create(self, subject: str, lifetime_s: int, owner: str | None) -> tuple[str, int]:
        """Return a new token, and its expiry in seconds since 1970.

        Args:
            subject: what it gives access to, as of `ViewToken`.
            lifetime_s: until it expires.
            owner: name of the key that creates it; None: there are no keys.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        expires_at = int(self._clock()) + lifetime_s
        await self._store.add_view_token(digest_of(token), ViewToken(subject, owner, expires_at))
        return token, expires_at

    async def revoke_all(self, subject: str) -> None:
        """Revoke all tokens of a session, or of a caption event.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self._store.delete_view_tokens(subject)

    async def redeem(self, token: str) -> ViewToken:
        """Return a token's record, if it is valid; the caller checks what it covers.

        Raises:
            Unauthorized: it is not.
            StateUnavailable: the journal cannot be read.
        """
        is_token = _TOKEN.fullmatch(token)
        found = await self._store.view_token(digest_of(token), self._clock()) if is_token else None
        if found is None or (found.owner is not None and self._is_revoked(found.owner)):
            raise Unauthorized("unknown, expired or revoked view token")
        return found
