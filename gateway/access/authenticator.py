"""Who may connect, how often, and for how much audio: authentication by API key."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress

import anyio

from gateway.access.account_sync import AccountSync
from gateway.access.accounts import Accounts
from gateway.access.audit_record import AuditEvent
from gateway.access.caller import Caller
from gateway.access.credential_check import AccessServices, CredentialCheck
from gateway.access.login_throttle import FailedLogins, network_of
from gateway.access.origin import is_loopback
from gateway.access.scopes import ALL_SCOPES, Scope
from gateway.errors import GatewayError, Unauthorized
from gateway.sqlite import StateDatabase, StateUnavailable

__all__ = ["Authenticator", "Caller"]

_OIDC_USAGE = "oidc"
"""Under which the audio of all tokens is counted: there may be any number of subjects."""


class Authenticator:
    """Authenticates callers by API key, and counts what each key uses.

    Without any key every caller is admitted, and the gateway binds loopback only. Once there has been a key, one is
    required, even after the last is revoked. Usage is counted in memory; `run` writes it to the database and reads
    what others have changed. While the database is unreachable, the keys stay as last read and no usage is lost.

    Args:
        static_keys: the keys of the settings, in clear; they allow everything.
        database: has the other keys.
        clock: monotonic, in seconds.
        services: verification of tokens, audit log, wall clock.
    """

    def __init__(
        self,
        static_keys: Iterable[str],
        database: StateDatabase,
        clock: Callable[[], float],
        services: AccessServices | None = None,
    ) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        """Audio used since the start, by name of the key; of all tokens together, `oidc`."""
        self.refusals: Counter[str] = Counter()
        """Requests refused, by error code."""
        services = services or AccessServices()
        self._tokens, self._audit, self._wall_clock = services.tokens, services.audit, services.wall_clock
        self._clock = clock
        self._accounts = Accounts()
        self.replace_static(static_keys)
        self._failures = FailedLogins(clock, self._record_failures)
        self._synced = AccountSync(self._accounts, database, clock)
        self.credentials = CredentialCheck(self._accounts, self._synced, clock, services)
        """Checks what a caller may still do."""

    @property
    def failures(self) -> int:
        """Number of failures to reach the database."""
        return self._synced.failures

    @property
    def jwks_failures(self) -> int:
        """Number of failures to fetch the keys of tokens."""
        return 0 if self._tokens is None else self._tokens.jwks.failures

    @property
    def is_open(self) -> bool:
        """Whether every caller is admitted, since there has never been a key, and tokens are not accepted."""
        return self._accounts.is_empty and self._tokens is None

    @property
    def has_stored_keys(self) -> bool:
        """Whether the database has keys, be they revoked."""
        return self._accounts.has_stored

    @property
    def admits_nobody(self) -> bool:
        """Whether there were keys, all are revoked, and tokens are not accepted."""
        return not self.is_open and not self._accounts.active and self._tokens is None

    async def admit(
        self, authorization: str | None, address: str | None = None, *, scope: Scope | None = Scope.INGEST
    ) -> Caller:
        """Authenticate one request, check that it is allowed, and count it.

        Args:
            authorization: the Authorization header; None: missing.
            address: of the client.
            scope: what the request needs; None: any valid key. Audio also needs credit; a key without it may still
                read and delete.

        Raises:
            Unauthorized: there are keys, and this one is missing, unknown, revoked or expired.
            InsufficientScope, ForbiddenAddress: the key is valid, but not for this, or not from there.
            RateLimited: the key sends too many requests, or the address too many wrong keys.
            InsufficientCredits: the key's credit is used up.
            Unavailable: the keys of a token's issuer, or a required audit log, are out of reach.
        """
        try:
            self._audit.check()
            if self.is_open:
                return Caller(None, address, ALL_SCOPES)
            return await self.credentials.admit(authorization, address, scope)
        except Unauthorized as error:
            self.count_failure(error, address)
            raise
        except GatewayError as error:
            self.refusals[error.code] += 1
            raise

    def admit_by_proxy(self, caller: Caller) -> None:
        """Count a request of a client to which a caller has given a secret, as one of the caller's own.

        The addresses from which a key is accepted do not bind its clients.

        Raises:
            Unauthorized, InsufficientScope, RateLimited, InsufficientCredits, Unavailable: as `admit`.
        """
        self._audit.check()
        self.credentials.admit_by_proxy(caller)

    def count_failure(self, error: Unauthorized, address: str | None) -> None:
        """Count a request that was refused for its credentials.

        Raises:
            RateLimited: there are too many from the address.
        """
        self.refusals[error.code] += 1
        self._failures.add(address)

    def tenant_of(self, caller: Caller) -> str | None:
        """Return the tenant that a caller belongs to when limits are shared; None: the limits are not shared.

        The tenant is the owner of sessions where there are several keys, or tokens; without a key, the address, unless
        it is this machine's.
        """
        if caller.name is not None:
            return f"key {caller.owner}" if self._accounts.active > 1 or self._tokens is not None else None
        address = caller.address
        return None if address is None or is_loopback(address) else f"address {network_of(address)}"

    def is_revoked(self, name: str) -> bool:
        """Return whether the key of that name has been revoked, or has expired."""
        account = self._accounts.named(name)
        return account is not None and (account.key.is_revoked or account.key.terms.has_expired(self._wall_clock()))

    def replace_static(self, static_keys: Iterable[str]) -> None:
        """Replace the keys of the settings; those that are missing now are revoked."""
        self._accounts.replace_static(static_keys, self._clock())

    def spend(self, caller: Caller, audio_s: float) -> None:
        """Count audio processed for a caller, in seconds."""
        account = self._accounts.of(caller)
        if account is not None:
            account.spend(audio_s)
            self.spent_s[account.key.name] += audio_s
        elif caller.expires_s is not None:
            self.spent_s[_OIDC_USAGE] += audio_s

    def charge(self, caller: Caller, audio_s: float) -> None:
        """Count audio processed for a caller, in seconds, and check that the caller may go on.

        Raises:
            Unauthorized, InsufficientScope, ForbiddenAddress: as `CredentialCheck.check`.
            InsufficientCredits: its credit is used up.
        """
        self.spend(caller, audio_s)
        self.credentials.check(caller, Scope.INGEST)
        account = self._accounts.of(caller)
        if account is not None:
            account.check_credit()

    def left_s(self, caller: Caller) -> float | None:
        """Return the remaining credit of a caller, in seconds of audio; None: unlimited."""
        account = self._accounts.of(caller)
        return None if account is None else account.left_s

    async def run(self, interval_s: float) -> None:
        """Sync with the database until cancelled.

        Args:
            interval_s: between two syncs.
        """
        while True:
            await anyio.sleep(interval_s)
            self._failures.report()
            with suppress(StateUnavailable):
                await self.sync()

    def report_failures(self) -> None:
        """Log the failures that have not been logged yet."""
        self._failures.report(at_end=True)

    async def sync(self) -> None:
        """Write the usage to the database, and read what others have changed.

        Raises:
            StateUnavailable: the database is unreachable; no usage is lost.
        """
        await self._synced.run()

    def _record_failures(self, address: str, times: int) -> None:
        self._audit.record(AuditEvent.AUTHENTICATION_FAILED, Caller(None, address), times=str(times))
