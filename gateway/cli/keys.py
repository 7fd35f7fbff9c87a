"""`livecue keys`: create, list and revoke API keys, and grant them credit."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.access.api_key_marker import write_key_markers
from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore, StoredKey
from gateway.access.api_keys import Account
from gateway.cli.running import reported_errors
from gateway.cli.tables import print_table
from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from gateway.sqlite import StateDatabase, state_path

__all__ = ["app"]

_HEADINGS = ("name", "created", "key", "requests/min", "credit left", "used")

app = typer.Typer(help="Create, list and revoke API keys, and grant them credit.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Name of the key: letters, digits, '.', '_' and '-'.")]
_Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, as for `serve`.")]
_Database = Annotated[Path | None, typer.Option("--database", help="State database; default: that of the settings.")]


@app.command()
def create(
    name: _Name,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Default: unlimited.")] = None,
    credit_seconds: Annotated[
        float | None, typer.Option(help="Credit in seconds of audio; default: unlimited.")
    ] = None,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Create a key and print it; it cannot be displayed again."""
    with _opened(config, database) as store:
        if credit_seconds is not None:
            _check_seconds("--credit-seconds", credit_seconds, is_zero_allowed=True)
        typer.echo(store.create(name, time.time(), requests_per_minute, credit_seconds))
        write_key_markers(store.path)
    typer.echo(f"Store the key of {name} now: it cannot be displayed again.", err=True)


@app.command("list")
def list_keys(config: _Config = None, database: _Database = None) -> None:
    """List the valid keys, with their last four characters."""
    with _opened(config, database) as store:
        rows = [_row(stored) for stored in store.all() if not stored.key.is_revoked]
    print_table(_HEADINGS, rows)


@app.command()
def revoke(name: _Name, config: _Config = None, database: _Database = None) -> None:
    """Revoke a key; its name cannot be used again."""
    with _opened(config, database) as store:
        store.revoke(name)


@app.command()
def grant(
    name: _Name,
    seconds: Annotated[float, typer.Argument(help="Seconds of audio, above 0.")],
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Add credit to a key."""
    with _opened(config, database) as store:
        _check_seconds("SECONDS", seconds, is_zero_allowed=False)
        store.grant(name, seconds)


def _row(stored: StoredKey) -> tuple[str, ...]:
    key = stored.key
    left_s = Account(key, now_s=0.0).left_s
    return (
        key.name,
        datetime.fromtimestamp(stored.created_s, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        f"…{stored.last_four}",
        "any" if key.requests_per_minute is None else str(key.requests_per_minute),
        "any" if left_s is None else f"{left_s:.1f} s",
        f"{key.used_s:.1f} s",
    )


def _check_seconds(what: str, seconds: float, *, is_zero_allowed: bool) -> None:
    if not (0 < seconds < float("inf") or (is_zero_allowed and seconds == 0)):
        raise ConfigurationError(f"{what} = {seconds:g}: expected a number {'from' if is_zero_allowed else 'above'} 0")


@contextmanager
def _opened(config: Path | None, database: Path | None) -> Iterator[KeyStore]:
    """Open the keys; report errors as one line and an exit code."""
    with reported_errors():
        path = database or state_path(load_settings(file=config).state)
        with closing(StateDatabase(path, (KEYS_SCHEMA,))) as opened:
            yield KeyStore(opened)
