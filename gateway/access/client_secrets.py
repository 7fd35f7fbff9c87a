"""Secrets that a server gives to its own clients: each opens sessions of one kind for some minutes. Kept in memory."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.admission import Shares
from gateway.access.api_keys import digest_of
from gateway.access.authenticator import Caller
from gateway.errors import Overloaded, Unauthorized
from gateway.wire.openai_realtime.session_config import SessionConfig

__all__ = ["PREFIX", "ClientSecret", "ClientSecrets"]

PREFIX = "ek_"
"""As OpenAI's begin. An API key must not."""

MAX_SECRETS = 4_096
"""At once. Each holds the wishes of a session, 16 KiB at most: 64 MiB in all."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """What a secret stands for.

    Attributes:
        caller: who made it, and pays.
        wishes: what its sessions begin with.
        expires_at: in seconds since 1970; sessions that are open then go on.
    """

    caller: Caller
    wishes: SessionConfig
    expires_at: int


class ClientSecrets:
    """Makes secrets and knows those that have not expired, by their hash.

    Args:
        clock: seconds since 1970.
        shares: how many of them are for one tenant.
    """

    def __init__(self, clock: Callable[[], float], shares: Shares | None = None) -> None:
        self._shares = shares or Shares()
        self._clock = clock
        self._secrets: dict[bytes, ClientSecret] = {}

    def create(self, caller: Caller, wishes: SessionConfig, lifetime_s: int) -> tuple[str, ClientSecret]:
        """Return a new secret, and what it stands for.

        Raises:
            Overloaded: too many have not expired.
        """
        now_s = self._clock()
        self._secrets = {digest: kept for digest, kept in self._secrets.items() if kept.expires_at > now_s}
        if len(self._secrets) >= MAX_SECRETS:
            raise Overloaded(f"{len(self._secrets)} client secrets have not expired: there is room for no more")
        if (tenant := self._shares.tenant_of(caller)) is not None:
            own = sum(self._shares.tenant_of(kept.caller) == tenant for kept in self._secrets.values())
            if own >= self._shares.of(MAX_SECRETS):
                raise Overloaded(f"{own} client secrets of {tenant} have not expired, which is its share")
        secret = PREFIX + secrets.token_hex(32)
        kept = ClientSecret(caller, wishes, int(now_s) + lifetime_s)
        self._secrets[digest_of(secret)] = kept
        return secret, kept

    def redeem(self, secret: str) -> ClientSecret:
        """Return what a secret stands for; it may be redeemed again until it expires.

        Raises:
            Unauthorized: it is not known, or has expired.
        """
        kept = self._secrets.get(digest_of(secret))
        if kept is None or kept.expires_at <= self._clock():
            raise Unauthorized("this client secret is not known here, or has expired")
        return kept
