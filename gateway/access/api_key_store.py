"""The API keys in the state database: created, listed, changed, rotated, revoked, and charged for their usage."""

import re
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.access.accounts import STATIC_PREFIX
from gateway.access.api_keys import FormerSecret, Key, digest_of
from gateway.access.scopes import parse_scopes, scopes_text
from gateway.access.terms import DEFAULT_TERMS, Terms, parse_networks
from gateway.errors import ConfigurationError
from gateway.sqlite import Schema, StateDatabase

__all__ = ["KEYS_SCHEMA", "KeyStore", "StoredKey"]

KEYS_SCHEMA = Schema(
    "keys",
    (
        (
            """
            CREATE TABLE keys (
                name TEXT PRIMARY KEY,
                digest BLOB NOT NULL UNIQUE,
                last_four TEXT NOT NULL,
                created_s REAL NOT NULL,
                requests_per_minute INTEGER,
                credit_s REAL,
                used_s REAL NOT NULL DEFAULT 0,
                is_revoked INTEGER NOT NULL DEFAULT 0
            )
            """,
        ),
        (
            # what keys could do before there were scopes
            "ALTER TABLE keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'ingest,read,delete'",
            "ALTER TABLE keys ADD COLUMN expires_s REAL",
            "ALTER TABLE keys ADD COLUMN max_open INTEGER",
            "ALTER TABLE keys ADD COLUMN networks TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE keys ADD COLUMN owner TEXT",
            "ALTER TABLE keys ADD COLUMN former_digest BLOB",
            "ALTER TABLE keys ADD COLUMN former_until_s REAL",
        ),
    ),
)
"""A revoked key stays: its last usage is still charged to it, and its name is never used for another key."""

_KEY_PREFIX = "lc_"
"""Lets people, and scanners for leaked secrets, recognize a key."""

_RANDOM_BYTES = 32

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_TERMS = "scopes, expires_s, max_open, networks, owner"

_INSERT = f"""
    INSERT INTO keys (name, digest, last_four, created_s, requests_per_minute, credit_s, {_TERMS})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608  # of constants

_SELECT = f"""
    SELECT name, digest, last_four, created_s, requests_per_minute, credit_s, used_s, is_revoked, {_TERMS},
        former_digest, former_until_s
    FROM keys ORDER BY created_s, name
"""  # noqa: S608  # of constants

_CHANGE = "scopes = ?, expires_s = ?, max_open = ?, networks = ?, owner = ?"

_ROTATE = "former_digest = digest, former_until_s = ?, digest = ?, last_four = ?"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is listed.

    Attributes:
        last_four: its last characters.
        created_s: when it was created, in seconds since 1970.
    """

    key: Key
    last_four: str
    created_s: float


class KeyStore:
    """The keys in the state database, whose file is created with the first key. All methods block.

    Args:
        database: with `KEYS_SCHEMA` among its schemas.
    """

    def __init__(self, database: StateDatabase) -> None:
        self._database = database
        self._read_version: int | None = None

    @property
    def path(self) -> Path:
        """File of the database."""
        return self._database.path

    def create(
        self,
        name: str,
        created_s: float,
        requests_per_minute: int | None = None,
        credit_s: float | None = None,
        terms: Terms = DEFAULT_TERMS,
    ) -> str:
        """Create a key and return it; only its digest is stored.

        Args:
            name: 1 to 64 letters, digits, `.`, `_` and `-`, which no key has had, not even a revoked one.
            created_s: now, in seconds since 1970.
            requests_per_minute: at least 1; None: any number.
            credit_s: at least 0; None: any amount.
            terms: scopes, expiry and the like.

        Raises:
            ConfigurationError: a name is not allowed, or taken.
            StateUnavailable: the database cannot be written.
        """
        _check_name(name)
        secret = _new_secret()
        row = (name, digest_of(secret), secret[-4:], created_s, requests_per_minute, credit_s, *_terms_row(terms))
        try:
            self._database.write(lambda connection: connection.execute(_INSERT, row))
        except sqlite3.IntegrityError:
            raise ConfigurationError(f"name {name!r}: a key has, or had, that name") from None
        return secret

    def all(self) -> tuple[StoredKey, ...]:
        """Return every key, including revoked ones, the oldest first.

        Raises:
            StateUnavailable: the database cannot be read.
        """
        return self._database.read(_select) if self._database.exists() else ()

    def changed(self) -> tuple[StoredKey, ...] | None:
        """Return every key as `all` does, or None where no other connection has written since the last read.

        Raises:
            StateUnavailable: the database cannot be read.
        """
        if not self._database.exists():
            return None
        # changes when another connection writes; takes microseconds
        ((version,),) = self._database.read(lambda connection: connection.execute("PRAGMA data_version").fetchall())
        if version == self._read_version:
            return None
        stored = self.all()
        self._read_version = version
        return stored

    def revoke(self, name: str) -> None:
        """Revoke a key.

        Raises:
            ConfigurationError: no such key.
            StateUnavailable: the database cannot be written.
        """
        self._update(name, "is_revoked = 1")

    def grant(self, name: str, audio_s: float) -> None:
        """Add to the credit of a key.

        Args:
            name: of a key with limited credit.
            audio_s: seconds of audio, above 0.

        Raises:
            ConfigurationError: no such key, or its credit is unlimited.
            StateUnavailable: the database cannot be written.
        """
        if any(stored.key.name == name and stored.key.credit_s is None for stored in self.all()):
            raise ConfigurationError(f"name {name!r}: the credit of this key is unlimited")
        self._update(name, "credit_s = credit_s + ?", audio_s)

    def change(self, name: str, terms: Terms) -> None:
        """Replace the terms of a key.

        Raises:
            ConfigurationError: no such key, or the name of the owner is not allowed.
            StateUnavailable: the database cannot be written.
        """
        self._update(name, _CHANGE, *_terms_row(terms))

    def rotate(self, name: str, former_until_s: float) -> str:
        """Give a key a new secret, and return it; the present one stays valid for a while, any older one does not.

        Args:
            name: of the key, which keeps its usage, credit and sessions.
            former_until_s: when the present secret ceases to be accepted, in seconds since 1970.

        Raises:
            ConfigurationError: no such key.
            StateUnavailable: the database cannot be written.
        """
        secret = _new_secret()
        self._update(name, _ROTATE, former_until_s, digest_of(secret), secret[-4:])
        return secret

    def find(self, name: str) -> StoredKey:
        """Return a key that is not revoked.

        Raises:
            ConfigurationError: no such key.
            StateUnavailable: the database cannot be read.
        """
        valid = {stored.key.name: stored for stored in self.all() if not stored.key.is_revoked}
        if name not in valid:
            raise ConfigurationError(f"name {name!r}: no such key; existing: {', '.join(valid) or 'none'}")
        return valid[name]

    def charge(self, used_s: Mapping[str, float]) -> tuple[StoredKey, ...]:
        """Add audio to the usage of keys, and return every key as it is then.

        Args:
            used_s: name → seconds of audio. Other gateways may charge the same keys; their charges are kept.

        Raises:
            StateUnavailable: the database cannot be written, and nothing has been charged.
        """

        def work(connection: sqlite3.Connection) -> tuple[StoredKey, ...]:
            rows = [(audio_s, name) for name, audio_s in used_s.items()]
            connection.executemany("UPDATE keys SET used_s = used_s + ? WHERE name = ?", rows)
            return _select(connection)

        return self._database.write(work)

    def _update(self, name: str, assignment: str, *values: float | bytes | str | None) -> None:
        statement = f"UPDATE keys SET {assignment} WHERE name = ? AND NOT is_revoked"  # noqa: S608  # of constants
        is_there = self._database.exists()
        if not is_there or not self._database.write(lambda c: c.execute(statement, (*values, name)).rowcount):
            self.find(name)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith(STATIC_PREFIX):
        raise ConfigurationError(
            f"name {name!r}: expected 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit, "
            f"but not with {STATIC_PREFIX!r}"
        )


def _new_secret() -> str:
    return _KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def _terms_row(terms: Terms) -> tuple[str, float | None, int | None, str, str | None]:
    """Return the values of the columns `_TERMS`."""
    if terms.owner is not None:
        _check_name(terms.owner)
    networks = ",".join(map(str, terms.networks))
    return scopes_text(terms.scopes), terms.expires_s, terms.max_open, networks, terms.owner


def _terms_of(scopes: str, expires_s: float | None, max_open: int | None, networks: str, owner: str | None) -> Terms:
    parsed = parse_networks(networks.split(",")) if networks else ()
    return Terms(parse_scopes(scopes.split(",")), expires_s, max_open, parsed, owner)


def _select(connection: sqlite3.Connection) -> tuple[StoredKey, ...]:
    return tuple(
        StoredKey(
            Key(
                name,
                digest,
                requests_per_minute,
                credit_s,
                used_s,
                bool(is_revoked),
                _terms_of(*terms),
                None if former_digest is None else FormerSecret(former_digest, former_until_s),
            ),
            last_four,
            created_s,
        )
        for (
            name,
            digest,
            last_four,
            created_s,
            requests_per_minute,
            credit_s,
            used_s,
            is_revoked,
            *terms,
            former_digest,
            former_until_s,
        ) in connection.execute(_SELECT)
    )
