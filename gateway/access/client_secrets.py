"""Client secrets, kept in memory: short-lived credentials that a server gives its clients, for one session config."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.admission import Shares
from gateway.access.api_keys import digest_of
from gateway.access.caller import Caller
from gateway.errors import Overloaded, Unauthorized
from gateway.wire.openai_realtime.session_config import SessionConfig

__all__ = ["PREFIX", "ClientSecret", "ClientSecrets"]

PREFIX = "ek_"
"""As OpenAI's secrets begin. An API key must not."""

MAX_SECRETS = 4_096
"""At once. Each holds a session configuration of at most 16 KiB: 64 MiB in all."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """What a secret grants.

    Attributes:
        caller: who created it, and is charged.
        config: initial configuration of its sessions.
        expires_at: in seconds since 1970; sessions that are open then continue.
    """

    caller: Caller
    config: SessionConfig
    expires_at: int


class ClientSecrets:
    """Creates secrets, and keeps the hashes of those that have not expired.

    Args:
        clock: seconds since 1970.
        shares: each tenant's share of the secrets.
    """

    def __init__(self, clock: Callable[[], float], shares: Shares | None = None) -> None:
        self._shares = shares or Shares()
        self._clock = clock
        self._secrets: dict[bytes, ClientSecret] = {}

    def create(self, caller: Caller, config: SessionConfig, lifetime_s: int) -> tuple[str, ClientSecret]:
        """Return a new secret, and what it grants.

        Raises:
            Overloaded: too many unexpired secrets, in all or of the caller.
        """
        now_s = self._clock()
        self._secrets = {digest: kept for digest, kept in self._secrets.items() if kept.expires_at > now_s}
        if len(self._secrets) >= MAX_SECRETS:
            raise Overloaded(f"{len(self._secrets)} client secrets have not expired (limit {MAX_SECRETS})")
        if (tenant := self._shares.tenant_of(caller)) is not None:
            own = sum(self._shares.tenant_of(kept.caller) == tenant for kept in self._secrets.values())
            if own >= self._shares.of(MAX_SECRETS):
                raise Overloaded(f"{own} client secrets of {tenant} have not expired, which is its share")
        secret = PREFIX + secrets.token_hex(32)
        kept = ClientSecret(caller, config, int(now_s) + lifetime_s)
        self._secrets[digest_of(secret)] = kept
        return secret, kept

    def redeem(self, secret: str) -> ClientSecret:
        """Return what a secret grants; it may be redeemed again until it expires.

        Raises:
            Unauthorized: it is unknown, or has expired.
        """
        kept = self._secrets.get(digest_of(secret))
        if kept is None or kept.expires_at <= self._clock():
            raise Unauthorized("unknown or expired client secret")
        return kept
