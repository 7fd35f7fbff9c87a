"""Who may connect, how often, and for how much audio: authentication by API key."""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio import to_thread

from gateway.access.accounts import Accounts
from gateway.access.api_key_marker import key_marker, write_key_markers
from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.api_keys import Account, TokenBucket, digest_of
from gateway.access.login_throttle import FailedLogins, network_of
from gateway.access.origin import is_loopback
from gateway.errors import ConfigurationError, GatewayError, RateLimited, Unauthorized
from gateway.settings import ServerSettings, Settings
from gateway.sqlite import StateDatabase, StateUnavailable, state_path

__all__ = ["Authenticator", "Caller", "open_authenticator"]

logger = logging.getLogger("livecue.auth")

_LOOKUPS_PER_MINUTE = 60
"""Extra database reads for keys that are unknown here, so that guessing keys cannot keep the database busy."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Attributes:
        name: of the key; None: there are no keys, and anyone may call.
        address: of the client; None: unknown.
    """

    name: str | None
    address: str | None = field(default=None, compare=False)


class Authenticator:
    """Authenticates callers by API key, and counts what each key uses.

    Without any key every caller is admitted, and the gateway binds loopback only. Once there has been a key, one is
    required, even after the last is revoked. Usage is counted in memory; `run` writes it to the database and reads
    what others have changed. While the database is unreachable, the keys stay as last read and no usage is lost.

    Args:
        static_keys: the keys of the settings, in clear; they allow everything.
        database: has the other keys.
        clock: monotonic, in seconds.
    """

    def __init__(self, static_keys: Iterable[str], database: StateDatabase, clock: Callable[[], float]) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        """Audio used since the start, by name of the key."""
        self.refusals: Counter[str] = Counter()
        """Requests refused, by error code."""
        self.failures = 0
        """Number of failures to reach the database."""
        self._database = database
        self._store = KeyStore(database)
        self._clock = clock
        self._accounts = Accounts()
        self.replace_static(static_keys)
        self._failures = FailedLogins(clock)
        self._lookups = TokenBucket(_LOOKUPS_PER_MINUTE, clock())
        self._syncing = anyio.Lock()
        self._is_failing = False

    @property
    def is_open(self) -> bool:
        """Whether every caller is admitted, since there has never been a key."""
        return self._accounts.is_empty

    @property
    def has_stored_keys(self) -> bool:
        """Whether the database has keys, be they revoked."""
        return self._accounts.has_stored

    @property
    def admits_nobody(self) -> bool:
        """Whether there were keys, and all are revoked."""
        return not self.is_open and not self._accounts.active

    async def admit(
        self, authorization: str | None, address: str | None = None, *, needs_credit: bool = True
    ) -> Caller:
        """Authenticate one request, and count it.

        Args:
            authorization: the Authorization header; None: missing.
            address: of the client.
            needs_credit: whether to refuse a key whose credit is used up; such a key may still read and delete.

        Raises:
            Unauthorized: there are keys, and this one is missing, unknown or revoked.
            RateLimited: the key sends too many requests, or the address too many wrong keys.
            InsufficientCredits: the key's credit is used up.
        """
        try:
            return await self._admit(authorization, address, needs_credit=needs_credit)
        except Unauthorized as error:
            self.count_failure(error, address)
            raise
        except GatewayError as error:
            self.refusals[error.code] += 1
            raise

    def admit_by_proxy(self, caller: Caller) -> None:
        """Count a request of a client to which a caller has given a secret, as one of the caller's own.

        Raises:
            Unauthorized, RateLimited, InsufficientCredits: as `admit`.
        """
        account = self._account(caller)
        if account is not None:
            account.admit(self._clock())

    def count_failure(self, error: Unauthorized, address: str | None) -> None:
        """Count a request that was refused for its credentials.

        Raises:
            RateLimited: there are too many from the address.
        """
        self.refusals[error.code] += 1
        self._failures.add(address)

    def tenant_of(self, caller: Caller) -> str | None:
        """Return the tenant that a caller belongs to when limits are shared; None: the limits are not shared.

        The tenant is the key where there are several keys; without a key, the address, unless it is this machine's.
        """
        if caller.name is not None:
            return f"key {caller.name}" if self._accounts.active > 1 else None
        address = caller.address
        return None if address is None or is_loopback(address) else f"address {network_of(address)}"

    def is_revoked(self, name: str) -> bool:
        """Return whether the key of that name has been revoked."""
        account = self._accounts.named(name)
        return account is not None and account.key.is_revoked

    def replace_static(self, static_keys: Iterable[str]) -> None:
        """Replace the keys of the settings; those that are missing now are revoked."""
        self._accounts.replace_static(static_keys, self._clock())

    def spend(self, caller: Caller, audio_s: float) -> None:
        """Count audio processed for a caller, in seconds."""
        account = self._account(caller)
        if account is not None:
            account.spend(audio_s)
            self.spent_s[account.key.name] += audio_s

    def charge(self, caller: Caller, audio_s: float) -> None:
        """Count audio processed for a caller, in seconds, and check that the caller may go on.

        Raises:
            Unauthorized: the key has been revoked meanwhile.
            InsufficientCredits: its credit is used up.
        """
        self.spend(caller, audio_s)
        account = self._account(caller)
        if account is not None:
            account.check()

    def allows_everything(self, caller: Caller) -> bool:
        """Return whether a caller may see all sessions: with a key of the settings, or where there are no keys."""
        return caller.name is None or self._accounts.is_static(caller.name)

    def left_s(self, caller: Caller) -> float | None:
        """Return the remaining credit of a caller, in seconds of audio; None: unlimited."""
        account = self._account(caller)
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
        async with self._syncing:
            spent = self._accounts.unwritten_s()
            try:
                stored = await self._database.run(lambda: self._store.charge(spent) if spent else self._store.changed())
            except StateUnavailable as error:
                self.failures += 1
                if not self._is_failing:
                    logger.warning("keys and credits are kept in memory until the database is reachable: %s", error)
                self._is_failing = True
                raise
            self._is_failing = False
            for each in stored or ():
                self._accounts.update_stored(each.key, self._clock(), spent.get(each.key.digest, 0.0))

    async def _admit(self, authorization: str | None, address: str | None, *, needs_credit: bool) -> Caller:
        if self.is_open:
            return Caller(None, address)
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("no API key: send the header 'Authorization: Bearer KEY'")
        digest = digest_of(secret.strip())
        account = self._accounts.with_digest(digest)
        if account is None or account.left_s == 0:  # the key may be new, or its credit may have been raised
            await self._sync_now()
            account = self._accounts.with_digest(digest)
        if account is None:
            raise Unauthorized("unknown API key")
        account.admit(self._clock(), needs_credit=needs_credit)
        return Caller(account.key.name, address)

    async def _sync_now(self) -> None:
        if self._is_failing:  # `run` notices when the database is back; no request has to wait for it
            return
        with suppress(RateLimited, StateUnavailable):
            self._lookups.take(self._clock())
            await self.sync()

    def _account(self, caller: Caller) -> Account | None:
        return None if caller.name is None else self._accounts.named(caller.name)


@asynccontextmanager
async def open_authenticator(settings: Settings) -> AsyncIterator[Authenticator]:
    """Read the keys, and sync them with the database while the block lasts and once at its end.

    Raises:
        ConfigurationError: there is no key, and the address requires one, or there were keys before.
        StateUnavailable: there is a state database, and it cannot be read and written.
    """
    path = state_path(settings.state)
    static_keys = (key.get_secret_value() for key in settings.server.api_keys)
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        authenticator = Authenticator(static_keys, database, time.monotonic)
        await authenticator.sync()
        if authenticator.has_stored_keys:
            await to_thread.run_sync(write_key_markers, path)
        if authenticator.is_open:
            _check_open_access(settings.server, path)
        elif authenticator.admits_nobody:
            logger.warning(
                "the gateway refuses all callers: all keys are revoked; make one with 'livecue keys create NAME', "
                "or set server.api_keys"
            )
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(authenticator.run, settings.state.write_interval_s)
                yield authenticator
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                authenticator.report_failures()
                await _sync_last(authenticator)


async def _sync_last(authenticator: Authenticator) -> None:
    try:
        await authenticator.sync()
    except StateUnavailable as error:
        logger.error("usage of keys since the last write is lost: %s", error)


def _check_open_access(server: ServerSettings, database: Path) -> None:
    """Refuse to start without keys where that would be unsafe.

    Raises:
        ConfigurationError: it would be.
    """
    if server.insecure:
        return
    if (marker := key_marker(database)) is not None:
        raise ConfigurationError(
            f"there were API keys (marker file {marker}), but state.database = '{database}' has none: it is missing, "
            "empty or another one; restore it, make a key with 'livecue keys create NAME', set server.api_keys, or "
            "use --insecure to admit every caller"
        )
    if is_loopback(server.host):
        return
    raise ConfigurationError(
        f"server.host = {server.host!r} without an API key: anyone there could use this gateway; make a key with "
        "'livecue keys create', set server.api_keys, or use --insecure"
    )
