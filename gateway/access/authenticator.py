"""Who may connect, how often, and for how much sound: API keys, and pages of allowed origins."""

import hmac
import logging
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import anyio
from anyio import to_thread

from gateway.access.api_key_marker import mark_of_keys, mark_that_keys_exist
from gateway.access.api_key_store import KEYS_SCHEMA, STATIC_PREFIX, KeyStore, StoredKey
from gateway.access.api_keys import Account, Key, TokenBucket, digest_of
from gateway.access.login_throttle import FailedLogins, network_of
from gateway.errors import ConfigurationError, ForbiddenOrigin, GatewayError, RateLimited, Unauthorized
from gateway.settings import ServerSettings, Settings
from gateway.sqlite import StateDatabase, StateUnavailable, state_path

__all__ = ["Authenticator", "Caller", "check_origin", "is_loopback", "open_authenticator"]

logger = logging.getLogger("livecue.auth")

_MAX_SHOWN_CHARS = 100
"""Of an origin, in the refusal of it."""

_LOOKS_PER_MINUTE = 60
"""Extra looks into the database for keys that are not known here, so that who guesses keys cannot keep it busy."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has been let in.

    Attributes:
        name: of the key; None: anybody, for there are no keys.
        address: it came from; None: not known.
    """

    name: str | None
    address: str | None = field(default=None, compare=False)


class Authenticator:
    """Knows every key, lets in who has one, and counts what each uses.

    Without any key everybody may come in, and the gateway binds loopback only. Once there has been a key that is over,
    even when the last one is revoked. What is spent is counted in memory; `run` writes it down and reads what others
    have changed. While the database cannot be reached, the keys stay as they were last read and nothing is forgotten.

    Args:
        static_keys: the keys of the settings, in clear; they allow everything.
        database: where the others are.
        clock: seconds that do not go back.
    """

    def __init__(self, static_keys: Iterable[str], database: StateDatabase, clock: Callable[[], float]) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        """Sound spent since the start, by name of the key."""
        self.refusals: Counter[str] = Counter()
        """Requests refused, by error code."""
        self.failures = 0
        """Times the database could not be reached."""
        self._database = database
        self._store = KeyStore(database)
        self._clock = clock
        self._static: dict[str, Account] = {}
        self.replace_static(static_keys)
        self._stored: dict[str, Account] = {}
        self._failures = FailedLogins(clock)
        self._looks = TokenBucket(_LOOKS_PER_MINUTE, clock())
        self._syncing = anyio.Lock()
        self._is_failing = False

    @property
    def is_open(self) -> bool:
        """Whether everybody may come in, for there has never been a key."""
        return not self._static and not self._stored

    @property
    def has_stored_keys(self) -> bool:
        """Whether keys were ever made, be they revoked."""
        return bool(self._stored)

    @property
    def lets_nobody_in(self) -> bool:
        """Whether there were keys, and all are revoked."""
        accounts = (*self._static.values(), *self._stored.values())
        return bool(accounts) and all(account.key.is_revoked for account in accounts)

    async def admit(
        self, authorization: str | None, address: str | None = None, *, needs_credit: bool = True
    ) -> Caller:
        """Let one request in, and count it.

        Args:
            authorization: its Authorization header, or None where it is missing.
            address: it comes from.
            needs_credit: whether it is of no use without; a key that is used up may still read and delete its own.

        Raises:
            Unauthorized: there are keys, and this is none of them, or revoked.
            RateLimited: the key asks too often, or there come too many wrong ones from the address.
            InsufficientCredits: the key's sound is used up.
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
        """Count a request of somebody whom a caller has let in, as one of the caller's own.

        Raises:
            Unauthorized, RateLimited, InsufficientCredits: as `admit`.
        """
        account = self._account(caller)
        if account is not None:
            account.admit(self._clock())

    def count_failure(self, error: Unauthorized, address: str | None) -> None:
        """Count a request that was refused for what it showed.

        Raises:
            RateLimited: there come too many from the address.
        """
        self.refusals[error.code] += 1
        self._failures.add(address)

    def tenant_of(self, caller: Caller) -> str | None:
        """Return as whom a caller shares what there is with others; None: there are no others.

        That is a key where there are several; without one, an address that is not this machine's.
        """
        if caller.name is not None:
            accounts = (*self._static.values(), *self._stored.values())
            is_one_of_several = sum(not account.key.is_revoked for account in accounts) > 1
            return f"key {caller.name}" if is_one_of_several else None
        address = caller.address
        return None if address is None or is_loopback(address) else f"address {network_of(address)}"

    def is_revoked(self, name: str) -> bool:
        """Return whether a key of that name lets nobody in any more."""
        account = self._account(Caller(name))
        return account is not None and account.key.is_revoked

    def replace_static(self, static_keys: Iterable[str]) -> None:
        """Take over the keys of the settings as they are now: those that are gone let nobody in any more."""
        digests = dict.fromkeys(digest_of(key) for key in static_keys)
        for account in self._static.values():
            key = account.key
            account.read(replace(key, is_revoked=key.digest not in digests), self._clock())
            digests.pop(key.digest, None)
        for digest in digests:
            key = Key(f"{STATIC_PREFIX}{len(self._static) + 1}", digest)
            self._static[key.name] = Account(key, self._clock())

    def spend(self, caller: Caller, audio_s: float) -> None:
        """Count sound that has been heard for a caller, in seconds."""
        account = self._account(caller)
        if account is not None:
            account.spend(audio_s)
            self.spent_s[account.key.name] += audio_s

    def charge(self, caller: Caller, audio_s: float) -> None:
        """Count sound that has been heard for a caller, in seconds, and see that more may be.

        Raises:
            Unauthorized: the key has been revoked meanwhile.
            InsufficientCredits: its sound is used up.
        """
        self.spend(caller, audio_s)
        account = self._account(caller)
        if account is not None:
            account.check()

    def allows_everything(self, caller: Caller) -> bool:
        """Return whether a caller may see what others do: one with a key of the settings, or anybody without keys."""
        return caller.name is None or caller.name in self._static

    def left_s(self, caller: Caller) -> float | None:
        """Return how much sound may still be heard for a caller, in seconds; None: any amount."""
        account = self._account(caller)
        return None if account is None else account.left_s

    async def run(self, interval_s: float) -> None:
        """Write down what is spent and read what others have changed, again and again, until cancelled.

        Args:
            interval_s: between two times.
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
        """Write down what is spent, and read what others have changed.

        Raises:
            StateUnavailable: the database cannot be reached; nothing is forgotten.
        """
        async with self._syncing:
            accounts = self._stored.values()
            spent = {account.key.digest: account.unwritten_s for account in accounts if account.unwritten_s}
            try:
                stored = await self._database.run(lambda: self._store.charge(spent) if spent else self._store.changed())
            except StateUnavailable as error:
                self.failures += 1
                if not self._is_failing:
                    logger.warning("keys and credits are kept in memory until this is over: %s", error)
                self._is_failing = True
                raise
            self._is_failing = False
            for key in stored or ():
                self._take_over(key, spent.get(key.key.digest, 0.0))

    def _take_over(self, stored: StoredKey, written_s: float) -> None:
        key, now_s = stored.key, self._clock()
        account = self._stored.get(key.name)
        if account is None:
            self._stored[key.name] = Account(key, now_s)
        else:
            account.read(key, now_s, written_s)

    async def _admit(self, authorization: str | None, address: str | None, *, needs_credit: bool) -> Caller:
        if self.is_open:
            return Caller(None, address)
        scheme, _, secret = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("no API key: send the header 'Authorization: Bearer KEY'")
        digest = digest_of(secret.strip())
        account = self._owner(digest)
        if account is None or account.left_s == 0:  # it may just have been made, or granted more
            await self._look_again()
            account = self._owner(digest)
        if account is None:
            raise Unauthorized("this API key is not known here")
        account.admit(self._clock(), needs_credit=needs_credit)
        return Caller(account.key.name, address)

    async def _look_again(self) -> None:
        if self._is_failing:  # `run` finds out when that is over, and nobody has to wait for it
            return
        with suppress(RateLimited, StateUnavailable):
            self._looks.take(self._clock())
            await self.sync()

    def _owner(self, digest: bytes) -> Account | None:
        # every key is compared, so that the time taken does not tell which one was near
        accounts = (*self._static.values(), *self._stored.values())
        owners = [account for account in accounts if hmac.compare_digest(digest, account.key.digest)]
        return owners[0] if owners else None

    def _account(self, caller: Caller) -> Account | None:
        return None if caller.name is None else self._static.get(caller.name) or self._stored.get(caller.name)


@asynccontextmanager
async def open_authenticator(settings: Settings) -> AsyncIterator[Authenticator]:
    """Read the keys, and keep them and what they have used up to date while the block lasts and once at its end.

    Raises:
        ConfigurationError: there is no key, and the address may not be served without, or there were keys once.
        StateUnavailable: there is a state database, and it cannot be read and written.
    """
    path = state_path(settings.state)
    static_keys = (key.get_secret_value() for key in settings.server.api_keys)
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        authenticator = Authenticator(static_keys, database, time.monotonic)
        await authenticator.sync()
        if authenticator.has_stored_keys:
            await to_thread.run_sync(mark_that_keys_exist, path)
        if authenticator.is_open:
            _refuse_open_door(settings.server, path)
        elif authenticator.lets_nobody_in:
            logger.warning(
                "the gateway is closed: all keys are revoked; make one with 'livecue keys create NAME', "
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
                await _write_down_the_last(authenticator)


async def _write_down_the_last(authenticator: Authenticator) -> None:
    try:
        await authenticator.sync()
    except StateUnavailable as error:
        logger.error("what keys have spent since it was last written down is forgotten: %s", error)


def _refuse_open_door(server: ServerSettings, database: Path) -> None:
    if server.insecure:
        return
    if (mark := mark_of_keys(database)) is not None:
        raise ConfigurationError(
            f"there were API keys ({mark} says where), and state.database = '{database}' has none: it is missing, "
            "empty or another one; bring it back, make a key with 'livecue keys create NAME', set server.api_keys, "
            "or say --insecure to let everybody in"
        )
    if is_loopback(server.host):
        return
    raise ConfigurationError(
        f"server.host = {server.host!r} without an API key: anybody there could use this gateway; make one with "
        "'livecue keys create', or set server.api_keys, or say --insecure"
    )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches that address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_origin(origin: str | None, host: str | None, allowed: Collection[str]) -> None:
    """Accept a WebSocket by the page that opens it; CORS does not protect WebSockets, so any page could try.

    Args:
        origin: the Origin header, which every browser sends; None where it is missing, which no page can bring about.
        host: the Host header: the gateway as the client knows it, whose own pages are welcome.
        allowed: other origins, `https://HOST[:PORT]`, or `*` for all.

    Raises:
        ForbiddenOrigin: it is a page of somebody else.
    """
    if origin is None or "*" in allowed or origin in allowed or urlsplit(origin).netloc == host:
        return
    raise ForbiddenOrigin(f"pages of {origin[:_MAX_SHOWN_CHARS]} may not connect: server.allowed_origins lists who may")
