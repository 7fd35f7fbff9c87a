"""The API keys in the state database: created, listed, revoked, granted credit, and charged for their usage."""

import re
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.access.accounts import STATIC_PREFIX
from gateway.access.api_keys import Key, digest_of
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
    ),
)
"""A revoked key stays: its last usage is still charged to it, and its name is never used for another key."""

_KEY_PREFIX = "lc_"
"""Lets people, and scanners for leaked secrets, recognize a key."""

_RANDOM_BYTES = 32

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_INSERT = """
    INSERT INTO keys (name, digest, last_four, created_s, requests_per_minute, credit_s) VALUES (?, ?, ?, ?, ?, ?)
"""

_SELECT = """
    SELECT name, digest, requests_per_minute, credit_s, used_s, is_revoked, last_four, created_s
    FROM keys ORDER BY created_s, name
"""


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
        self, name: str, created_s: float, requests_per_minute: int | None = None, credit_s: float | None = None
    ) -> str:
        """Create a key and return it; only its digest is stored.

        Args:
            name: 1 to 64 letters, digits, `.`, `_` and `-`, which no key has had, not even a revoked one.
            created_s: now, in seconds since 1970.
            requests_per_minute: at least 1; None: any number.
            credit_s: at least 0; None: any amount.

        Raises:
            ConfigurationError: the name is not allowed, or taken.
            StateUnavailable: the database cannot be written.
        """
        if not _NAME.fullmatch(name) or name.startswith(STATIC_PREFIX):
            raise ConfigurationError(
                f"name {name!r}: expected 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit, "
                f"but not with {STATIC_PREFIX!r}"
            )
        secret = _KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        row = (name, digest_of(secret), secret[-4:], created_s, requests_per_minute, credit_s)
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

    def charge(self, used_s: Mapping[bytes, float]) -> tuple[StoredKey, ...]:
        """Add audio to the usage of keys, and return every key as it is then.

        Args:
            used_s: digest → seconds of audio. Other gateways may charge the same keys; their charges are kept.

        Raises:
            StateUnavailable: the database cannot be written, and nothing has been charged.
        """

        def work(connection: sqlite3.Connection) -> tuple[StoredKey, ...]:
            rows = [(audio_s, digest) for digest, audio_s in used_s.items()]
            connection.executemany("UPDATE keys SET used_s = used_s + ? WHERE digest = ?", rows)
            return _select(connection)

        return self._database.write(work)

    def _update(self, name: str, assignment: str, *values: float) -> None:
        statement = f"UPDATE keys SET {assignment} WHERE name = ? AND NOT is_revoked"  # noqa: S608  # of constants
        is_there = self._database.exists()
        if not is_there or not self._database.write(lambda c: c.execute(statement, (*values, name)).rowcount):
            names = ", ".join(stored.key.name for stored in self.all() if not stored.key.is_revoked)
            raise ConfigurationError(f"name {name!r}: no such key; existing: {names or 'none'}")


def _select(connection: sqlite3.Connection) -> tuple[StoredKey, ...]:
    return tuple(
        StoredKey(Key(name, digest, limit, credit_s, used_s, bool(is_revoked)), last_four, created_s)
        for name, digest, limit, credit_s, used_s, is_revoked, last_four, created_s in connection.execute(_SELECT)
    )
