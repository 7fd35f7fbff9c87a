"""API keys and what they allow: requests a minute, and seconds of sound. PURE."""

from dataclasses import dataclass
from hashlib import sha256

from gateway.errors import InsufficientCredits, RateLimited, Unauthorized

__all__ = ["Account", "Key", "TokenBucket", "digest_of"]

_SECONDS_PER_MINUTE = 60.0

_ROUNDING_TOKENS = 1e-6
"""What fractions of tokens that add up to a whole one may fall short of it."""


def digest_of(secret: str) -> bytes:
    """Return what is kept of a key: its SHA-256.

    A slow password hash would be of no use. Keys that livecue makes have 256 random bits, which nobody guesses however
    fast the hash; and a slow one would be paid for by every request.
    """
    return sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and what it allows.

    Attributes:
        name: who uses it; never used for a second key.
        digest: of the key, which itself is not kept.
        requests_per_minute: at least 1; None: any number.
        credit_s: sound granted so far; None: any amount.
        used_s: sound spent so far, as far as it has been written down.
        is_revoked: whether it lets nobody in any more.
    """

    name: str
    digest: bytes
    requests_per_minute: int | None = None
    credit_s: float | None = None
    used_s: float = 0.0
    is_revoked: bool = False


class TokenBucket:
    """Allows so many requests at once, and then as many again spread over each minute.

    Args:
        per_minute: at least 1.
        now_s: on any clock that does not go back.
    """

    def __init__(self, per_minute: int, now_s: float) -> None:
        self.per_minute = per_minute
        self._tokens = float(per_minute)
        self._filled_s = now_s

    def take(self, now_s: float) -> None:
        """Count one request.

        Raises:
            RateLimited: it is one too many; it is not counted, and the error says when the next is allowed.
        """
        per_second = self.per_minute / _SECONDS_PER_MINUTE
        self._tokens = min(float(self.per_minute), self._tokens + (now_s - self._filled_s) * per_second)
        self._filled_s = now_s
        if self._tokens < 1 - _ROUNDING_TOKENS:
            wait_s = (1 - self._tokens) / per_second
            raise RateLimited(f"{self.per_minute} requests a minute are allowed: ask again in {wait_s:.1f} s", wait_s)
        self._tokens -= 1


class Account:
    """What a gateway knows of one key: what is written down, and what has been spent since.

    Args:
        key: as it is written down.
        now_s: on the clock of `admit`.
    """

    def __init__(self, key: Key, now_s: float) -> None:
        self.unwritten_s = 0.0
        """Sound spent that `key.used_s` does not hold yet."""
        self._key = key
        self._bucket = _bucket(key, now_s)

    @property
    def key(self) -> Key:
        """The key as it was last read."""
        return self._key

    @property
    def left_s(self) -> float | None:
        """Sound that may still be heard, never below 0; None: any amount."""
        key = self._key
        return None if key.credit_s is None else max(0.0, key.credit_s - key.used_s - self.unwritten_s)

    def admit(self, now_s: float, *, needs_credit: bool = True) -> None:
        """Count one request, and let it in.

        Args:
            now_s: on the clock of the account.
            needs_credit: whether it is refused where the sound is used up.

        Raises:
            Unauthorized: the key has been revoked.
            RateLimited: it asks too often.
            InsufficientCredits: its sound is used up.
        """
        if self._bucket is not None and not self._key.is_revoked:
            self._bucket.take(now_s)
        self.check(needs_credit=needs_credit)

    def check(self, *, needs_credit: bool = True) -> None:
        """See that the key may go on.

        Raises:
            Unauthorized: the key has been revoked.
            InsufficientCredits: its sound is used up.
        """
        if self._key.is_revoked:
            raise Unauthorized("this API key has been revoked")
        if needs_credit and self.left_s == 0:
            raise InsufficientCredits(f"the {self._key.credit_s:g} s of sound granted to this API key are used up")

    def spend(self, audio_s: float) -> None:
        """Count sound that has been heard; what is left may be less than that, and is then nothing."""
        self.unwritten_s += audio_s

    def read(self, key: Key, now_s: float, written_s: float = 0.0) -> None:
        """Take over what is written down now.

        Args:
            key: as it was read.
            now_s: on the clock of `admit`.
            written_s: of the sound spent here, what `key.used_s` holds for the first time.
        """
        if key.requests_per_minute != self._key.requests_per_minute:
            self._bucket = _bucket(key, now_s)
        self._key = key
        self.unwritten_s -= written_s


def _bucket(key: Key, now_s: float) -> TokenBucket | None:
    return None if key.requests_per_minute is None else TokenBucket(key.requests_per_minute, now_s)
