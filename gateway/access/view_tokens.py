"""Tokens with which somebody without a key watches and reads one session, and nothing else, until they expire."""

import re
import secrets
import time
from collections.abc import Callable

from gateway.access.api_keys import digest_of
from gateway.errors import Unauthorized
from gateway.journal.journal import Journal
from gateway.journal.store import ViewToken

__all__ = ["PREFIX", "ViewTokens", "is_view_token"]

PREFIX = "vt_"
"""What every token begins with. An API key must not."""

_RANDOM_BYTES = 32

_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
"""Whatever else is no token, and the journal need not be asked."""


def is_view_token(secret: str) -> bool:
    """Return whether something is to be taken for a view token, and not for a key."""
    return secret.startswith(PREFIX)


class ViewTokens:
    """Makes tokens and knows those that have not expired, by their hash in the journal's file. They survive a restart.

    Args:
        journal: keeps them.
        is_revoked: returns whether a key lets nobody in any more: then the tokens that it made do not either.
        clock: seconds since 1970.
    """

    def __init__(
        self, journal: Journal, is_revoked: Callable[[str], bool], clock: Callable[[], float] = time.time
    ) -> None:
        self._is_revoked = is_revoked
        self._journal = journal
        self._clock = clock

    async def create(self, session_id: str, lifetime_s: int, owner: str | None) -> tuple[str, int]:
        """Return a new token for a session, and when it expires, in seconds since 1970. A key owns it, or nobody.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        expires_at = int(self._clock()) + lifetime_s
        await self._journal.add_view_token(digest_of(token), ViewToken(session_id, owner, expires_at))
        return token, expires_at

    async def revoke_all(self, session_id: str) -> None:
        """Let no token show a session any more.

        Raises:
            StateUnavailable: the journal cannot be written.
        """
        await self._journal.delete_view_tokens(session_id)

    async def redeem(self, token: str, session_id: str) -> ViewToken:
        """Return what a token stands for that shows a session.

        Raises:
            Unauthorized: it does not.
            StateUnavailable: the journal cannot be read.
        """
        shown = await self._journal.view_token(digest_of(token)) if _TOKEN.fullmatch(token) else None
        if shown is None or (shown.owner is not None and self._is_revoked(shown.owner)):
            raise Unauthorized("this view token is not known here, has expired or was revoked")
        if shown.session_id != session_id:
            raise Unauthorized("this view token is for another session")
        return shown
