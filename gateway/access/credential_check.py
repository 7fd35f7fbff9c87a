"""Checks credentials: whose they are, and whether they allow what is asked for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.access.account_sync import AccountSync
from gateway.access.accounts import Accounts
from gateway.access.api_keys import Account, digest_of
from gateway.access.audit_log import AuditLog
from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.access.scopes import Scope
from gateway.access.terms import check_scope
from gateway.errors import ForbiddenAddress, InsufficientScope, Unauthorized

if TYPE_CHECKING:
    from gateway.access.token_verifier import TokenVerifier

__all__ = ["AccessServices", "CredentialCheck"]


@dataclass(frozen=True, slots=True)
class AccessServices:
    """What is used beside the keys.

    Attributes:
        tokens: verifies JSON Web Tokens; None: they are not accepted.
        audit: records refusals.
        wall_clock: seconds since 1970.
    """

    tokens: "TokenVerifier | None" = None
    audit: AuditLog = field(default_factory=lambda: AuditLog(None))
    wall_clock: Callable[[], float] = time.time


class CredentialCheck:
    """Checks keys and tokens, at the start of a request and while it lasts.

    Args:
        accounts: of all keys.
        synced: reads keys that are not in memory yet.
        clock: of the accounts, monotonic, in seconds.
        services: verification of tokens, audit log, wall clock.
    """

    def __init__(
        self, accounts: Accounts, synced: AccountSync, clock: Callable[[], float], services: AccessServices
    ) -> None:
        self._accounts = accounts
        self._synced = synced
        self._clock = clock
        self._tokens, self._audit, self._wall_clock = services.tokens, services.audit, services.wall_clock

    async def admit(self, authorization: str | None, address: str | None, scope: Scope | None) -> Caller:
        """Return the caller of a request that its credentials allow; arguments and errors as `Authenticator.admit`."""
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("no API key: send the header 'Authorization: Bearer KEY'")
        secret = secret.strip()
        account = self._account_of(secret)
        if account is None and self._tokens is not None and self._tokens.is_token(secret):
            caller = await self._tokens.verify(secret, address)
            with self._recording_denial(caller, scope):
                check_scope(caller.scopes, scope)
            return caller
        if account is None or account.left_s == 0:  # the key may be new, or its credit may have been raised
            await self._synced.look_up()
            account = self._account_of(secret)
        if account is None:
            raise Unauthorized("unknown API key")
        terms = account.key.terms
        caller = Caller(account.key.name, address, terms.scopes, terms.owner)
        with self._recording_denial(caller, scope):
            self._check_key(account, caller, scope)
        account.take_request(self._clock())
        if scope is Scope.INGEST:
            account.check_credit()
        return caller

    def admit_by_proxy(self, caller: Caller) -> None:
        """Count a request of a client to which a caller has given a secret; errors as `Authenticator.admit`.

        The addresses from which a key is accepted do not bind such clients.
        """
        account = self._accounts.of(caller)
        if account is not None:
            account.check_terms(Scope.INGEST, self._wall_clock())
            account.take_request(self._clock())
            account.check_credit()
        elif self._tokens is not None:
            self._tokens.check_live(caller)

    def check(self, caller: Caller, scope: Scope) -> None:
        """Check that a caller that was admitted may still do something.

        Raises:
            Unauthorized: the key has been revoked or has expired meanwhile, or the token has, and sessions end with it.
            InsufficientScope, ForbiddenAddress: the key was changed meanwhile.
        """
        account = self._accounts.of(caller)
        if account is not None:
            self._check_key(account, caller, scope)
        elif self._tokens is not None:
            self._tokens.check_live(caller)

    def max_open(self, caller: Caller) -> int | None:
        """Return how many sessions and files a caller may have open at once; None: any number."""
        account = self._accounts.of(caller)
        if account is not None:
            return account.key.terms.max_open
        return self._tokens.max_open if self._tokens is not None and caller.expires_s is not None else None

    def _account_of(self, secret: str) -> Account | None:
        return self._accounts.with_digest(digest_of(secret), self._wall_clock())

    def _check_key(self, account: Account, caller: Caller, scope: Scope | None) -> None:
        account.check_terms(scope, self._wall_clock())
        account.key.terms.check_address(caller.address)

    @contextmanager
    def _recording_denial(self, caller: Caller, scope: Scope | None) -> Iterator[None]:
        try:
            yield
        except (ForbiddenAddress, InsufficientScope) as error:
            self._audit.record(AuditEvent.ACCESS_DENIED, caller, code=error.code, scope=scope or "any")
            raise
