"""API keys and what they allow: their terms, requests per minute, and seconds of audio. PURE."""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from gateway.access.scopes import Scope
from gateway.access.terms import DEFAULT_TERMS, Terms
from gateway.errors import InsufficientCredits, RateLimited, Unauthorized

__all__ = ["Account", "FormerSecret", "Key", "TokenBucket", "digest_of"]

_SECONDS_PER_MINUTE = 60.0

_ROUNDING_TOKENS = 1e-6
"""Tolerance for fractions of tokens whose sum should be a whole token."""


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 of a key, which is stored in its place.

    A slow password hash would not help: livecue's keys have 256 random bits, which cannot be guessed however fast the
    hash is, and every request would pay for a slow one.
    """
    return sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class FormerSecret:
    """The secret that a key had before it was rotated.

    Attributes:
        digest: of it.
        until_s: when it ceases to be accepted, in seconds since 1970.
    """

    digest: bytes
    until_s: float


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it allows.

    Attributes:
        name: unique, also among revoked keys.
        digest: of the key, which itself is not stored.
        requests_per_minute: at least 1; None: any number.
        credit_s: audio granted so far; None: unlimited.
        used_s: audio used so far, as far as it is in the database.
        is_revoked: whether it is no longer valid.
        terms: scopes, expiry, and where and how often at once it is accepted.
        former: its secret before the last rotation; None: it was never rotated.
    """

    name: str
    digest: bytes
    requests_per_minute: int | None = None
    credit_s: float | None = None
    used_s: float = 0.0
    is_revoked: bool = False
    terms: Terms = DEFAULT_TERMS
    former: FormerSecret | None = None

    def has_digest(self, digest: bytes, wall_s: float) -> bool:
        """Return, in constant time, whether a digest is that of its secret, or of its former one where still valid."""
        is_own = hmac.compare_digest(digest, self.digest)
        is_former = self.former is not None and hmac.compare_digest(digest, self.former.digest)
        return is_own or (is_former and self.former is not None and wall_s < self.former.until_s)


class TokenBucket:
    """Allows a burst of so many requests, and then as many spread over each minute.

    Args:
        per_minute: at least 1.
        now_s: on a monotonic clock.
    """

    def __init__(self, per_minute: int, now_s: float) -> None:
        self.per_minute = per_minute
        self._tokens = float(per_minute)
        self._filled_s = now_s

    def take(self, now_s: float) -> None:
        """Count one request.

        Raises:
            RateLimited: it exceeds the rate; it is not counted, and the error has the time until the next is allowed.
        """
        per_second = self.per_minute / _SECONDS_PER_MINUTE
        self._tokens = min(float(self.per_minute), self._tokens + (now_s - self._filled_s) * per_second)
        self._filled_s = now_s
        if self._tokens < 1 - _ROUNDING_TOKENS:
            wait_s = (1 - self._tokens) / per_second
            raise RateLimited(
                f"too many requests (limit {self.per_minute} per minute): retry in {wait_s:.1f} s", wait_s
            )
        self._tokens -= 1


class Account:
    """One key in memory: its row of the database, and its usage since that was read.

    Args:
        key: as it is in the database.
        now_s: on the clock of `take_request`.
    """

    def __init__(self, key: Key, now_s: float) -> None:
        self.unwritten_s = 0.0
        """Audio used that `key.used_s` does not include yet."""
        self._key = key
        self._bucket = _bucket(key, now_s)

    @property
    def key(self) -> Key:
        """The key as it was last read."""
        return self._key

    @property
    def left_s(self) -> float | None:
        """Remaining credit in seconds of audio, never below 0; None: unlimited."""
        key = self._key
        return None if key.credit_s is None else max(0.0, key.credit_s - key.used_s - self.unwritten_s)

    def take_request(self, now_s: float) -> None:
        """Count one request.

        Args:
            now_s: on the clock of the account.

        Raises:
            RateLimited: the key sends too many requests.
        """
        if self._bucket is not None:
            self._bucket.take(now_s)

    def check_terms(self, scope: Scope | None, wall_s: float) -> None:
        """Check that the key is valid, and may be used for this.

        Args:
            scope: what for; None: for what any key may do.
            wall_s: now, in seconds since 1970.

        Raises:
            Unauthorized: the key has been revoked, or has expired.
            InsufficientScope: it is not for this.
        """
        if self._key.is_revoked:
            raise Unauthorized("this API key has been revoked")
        self._key.terms.check(scope, wall_s)

    def check_credit(self) -> None:
        """Check that the key has credit left.

        Raises:
            InsufficientCredits: its credit is used up.
        """
        if self.left_s == 0:
            raise InsufficientCredits(f"the credit of this API key, {self._key.credit_s:g} s of audio, is used up")

    def spend(self, audio_s: float) -> None:
        """Count audio as used; where that is more than the remaining credit, none is left."""
        self.unwritten_s += audio_s

    def read(self, key: Key, now_s: float, written_s: float = 0.0) -> None:
        """Update the key from the database.

        Args:
            key: as it was read.
            now_s: on the clock of `take_request`.
            written_s: of the audio used here, what `key.used_s` includes for the first time.
        """
        if key.requests_per_minute != self._key.requests_per_minute:
            self._bucket = _bucket(key, now_s)
        self._key = key
        self.unwritten_s -= written_s


def _bucket(key: Key, now_s: float) -> TokenBucket | None:
    return None if key.requests_per_minute is None else TokenBucket(key.requests_per_minute, now_s)
