"""`livecue keys`: create, list, change, rotate and revoke API keys, and grant them credit."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from gateway.access.api_key_marker import write_key_markers
from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore, StoredKey
from gateway.access.api_keys import Account
from gateway.access.audit_record import AuditEvent
from gateway.access.scopes import parse_scopes, scopes_text
from gateway.access.terms import DEFAULT_TERMS, Terms
from gateway.cli.auditing import Record, open_audit
from gateway.cli.key_terms import networks_of, parse_duration_s, parse_expiry_s, time_text
from gateway.cli.running import reported_errors
from gateway.cli.tables import print_table
from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from gateway.sqlite import StateDatabase, state_path

__all__ = ["app"]

_HEADINGS = (
    "name",
    "created",
    "key",
    "scopes",
    "expires",
    "from",
    "open at once",
    "requests/min",
    "credit left",
    "used",
)

app = typer.Typer(help="Create, list, change and revoke API keys, and grant them credit.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Name of the key: letters, digits, '.', '_' and '-'.")]
_Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, as for `serve`.")]
_Database = Annotated[Path | None, typer.Option("--database", help="State database; default: that of the settings.")]
_Scopes = Annotated[str | None, typer.Option(help="Of ingest, read, delete, admin; default: ingest,read,delete.")]
_Expires = Annotated[str | None, typer.Option(metavar="90d|DATE|never", help="When it expires; default: never.")]
_MaxOpen = Annotated[int | None, typer.Option(min=0, help="Sessions and files at once; 0: any number, the default.")]
_From = Annotated[str | None, typer.Option("--from", metavar="NETWORKS", help="Accepted addresses; default: any.")]
_Owner = Annotated[str | None, typer.Option(help="Name of a key whose sessions it shares; default: its own.")]


@app.command()
def create(
    name: _Name,
    scopes: _Scopes = None,
    expires: _Expires = None,
    max_open: _MaxOpen = None,
    accepted_from: _From = None,
    owner: _Owner = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Default: unlimited.")] = None,
    credit_seconds: Annotated[
        float | None, typer.Option(help="Credit in seconds of audio; default: unlimited.")
    ] = None,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Create a key and print it; it cannot be displayed again."""
    with _opened(config, database) as keys:
        if credit_seconds is not None:
            _check_seconds("--credit-seconds", credit_seconds, is_zero_allowed=True)
        terms = _changed(DEFAULT_TERMS, scopes, expires, max_open, accepted_from)
        terms = replace(terms, owner=owner)
        secret = keys.store.create(name, time.time(), requests_per_minute, credit_seconds, terms)
        keys.record(AuditEvent.KEY_CREATED, key=name, **_facts(terms))
        typer.echo(secret)
        write_key_markers(keys.store.path)
    typer.echo(f"Store the key of {name} now: it cannot be displayed again.", err=True)


@app.command("list")
def list_keys(config: _Config = None, database: _Database = None) -> None:
    """List the valid keys, with their last four characters."""
    with _opened(config, database) as keys:
        rows = [_row(stored) for stored in keys.store.all() if not stored.key.is_revoked]
    print_table(_HEADINGS, rows)


@app.command()
def change(
    name: _Name,
    scopes: _Scopes = None,
    expires: _Expires = None,
    max_open: _MaxOpen = None,
    accepted_from: _From = None,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Change what a key allows; what is not given stays. Live sessions follow."""
    with _opened(config, database) as keys:
        terms = _changed(keys.store.find(name).key.terms, scopes, expires, max_open, accepted_from)
        keys.store.change(name, terms)
        keys.record(AuditEvent.KEY_CHANGED, key=name, **_facts(terms))


@app.command()
def rotate(
    name: _Name,
    overlap: Annotated[
        str | None, typer.Option(metavar="24h", help="How long the present key stays valid; default: not at all.")
    ] = None,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Replace a key and print the new one; its usage, credit and sessions stay."""
    with _opened(config, database) as keys:
        overlap_s = 0.0 if overlap is None else parse_duration_s(overlap)
        secret = keys.store.rotate(name, time.time() + overlap_s)
        keys.record(AuditEvent.KEY_ROTATED, key=name, overlap=overlap or "none")
        typer.echo(secret)
    typer.echo(f"Store the new key of {name} now: it cannot be displayed again.", err=True)


@app.command()
def revoke(name: _Name, config: _Config = None, database: _Database = None) -> None:
    """Revoke a key; its name cannot be used again."""
    with _opened(config, database) as keys:
        keys.store.revoke(name)
        keys.record(AuditEvent.KEY_REVOKED, key=name)


@app.command()
def grant(
    name: _Name,
    seconds: Annotated[float, typer.Argument(help="Seconds of audio, above 0.")],
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Add credit to a key."""
    with _opened(config, database) as keys:
        _check_seconds("SECONDS", seconds, is_zero_allowed=False)
        keys.store.grant(name, seconds)
        keys.record(AuditEvent.KEY_GRANTED, key=name, seconds=f"{seconds:g}")


def _changed(
    terms: Terms, scopes: str | None, expires: str | None, max_open: int | None, accepted_from: str | None
) -> Terms:
    """Return terms with those that are given as options; None: not given."""
    if scopes is not None:
        terms = replace(terms, scopes=parse_scopes(scopes.split(",")))
    if expires is not None:
        terms = replace(terms, expires_s=parse_expiry_s(expires, time.time()))
    if max_open is not None:
        terms = replace(terms, max_open=max_open or None)
    if accepted_from is not None:
        terms = replace(terms, networks=networks_of(accepted_from))
    return terms


def _facts(terms: Terms) -> dict[str, str]:
    return {"scopes": scopes_text(terms.scopes), "expires": time_text(terms.expires_s), "from": _networks_text(terms)}


def _networks_text(terms: Terms) -> str:
    return ",".join(map(str, terms.networks)) or "any"


def _row(stored: StoredKey) -> tuple[str, ...]:
    key = stored.key
    left_s = Account(key, now_s=0.0).left_s
    terms = key.terms
    return (
        key.name,
        time_text(stored.created_s),
        f"…{stored.last_four}",
        scopes_text(terms.scopes),
        "expired" if terms.has_expired(time.time()) else time_text(terms.expires_s),
        _networks_text(terms),
        "any" if terms.max_open is None else str(terms.max_open),
        "any" if key.requests_per_minute is None else str(key.requests_per_minute),
        "any" if left_s is None else f"{left_s:.1f} s",
        f"{key.used_s:.1f} s",
    )


def _check_seconds(what: str, seconds: float, *, is_zero_allowed: bool) -> None:
    if not (0 < seconds < float("inf") or (is_zero_allowed and seconds == 0)):
        raise ConfigurationError(f"{what} = {seconds:g}: expected a number {'from' if is_zero_allowed else 'above'} 0")


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys, and the audit log of what is done with them."""

    store: KeyStore
    record: Record


@contextmanager
def _opened(config: Path | None, database: Path | None) -> Iterator[_Keys]:
    """Open the keys; report errors as one line and an exit code."""
    with reported_errors():
        settings = load_settings(file=config)
        record = open_audit(settings.audit)
        with closing(StateDatabase(database or state_path(settings.state), (KEYS_SCHEMA,))) as opened:
            yield _Keys(KeyStore(opened), record)
