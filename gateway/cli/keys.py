"""`livecue keys`: makes, lists and revokes API keys, and grants them audio."""

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
from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from gateway.sqlite import StateDatabase, state_path
from vad.errors import LivecueError

__all__ = ["app"]

_EXIT_FAILED = 1
_EXIT_CONFIGURATION = 2

_HEADINGS = ("name", "created", "key", "requests/min", "credit left", "used")

app = typer.Typer(help="Make, list and revoke API keys, and grant them audio.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="Who uses the key: letters, digits, '.', '_' and '-'.")]
_Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings, as `serve` has it.")]
_Database = Annotated[Path | None, typer.Option("--database", help="State database; else that of the settings.")]


@app.command()
def create(
    name: _Name,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Without it any number.")] = None,
    credit_seconds: Annotated[float | None, typer.Option(help="Audio it may use; without it any amount.")] = None,
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Make a key and print it; it is not shown again."""
    with _opened(config, database) as store:
        if credit_seconds is not None:
            _check_seconds("--credit-seconds", credit_seconds, is_zero_allowed=True)
        typer.echo(store.create(name, time.time(), requests_per_minute, credit_seconds))
        write_key_markers(store.path)
    typer.echo(f"Keep this key of {name} safe: it is not shown again.", err=True)


@app.command("list")
def list_keys(config: _Config = None, database: _Database = None) -> None:
    """List the keys that let somebody in, with their last four characters."""
    with _opened(config, database) as store:
        rows = [_HEADINGS, *(_row(stored) for stored in store.all() if not stored.key.is_revoked)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def revoke(name: _Name, config: _Config = None, database: _Database = None) -> None:
    """Let a key in no more; its name stays taken."""
    with _opened(config, database) as store:
        store.revoke(name)


@app.command()
def grant(
    name: _Name,
    seconds: Annotated[float, typer.Argument(help="Audio, in seconds, above 0.")],
    config: _Config = None,
    database: _Database = None,
) -> None:
    """Add to the audio that a key may use."""
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
    """Open the keys; errors of livecue's own become one line and an exit code."""
    try:
        path = database or state_path(load_settings(file=config).state)
        with closing(StateDatabase(path, (KEYS_SCHEMA,))) as opened:
            yield KeyStore(opened)
    except LivecueError as error:
        typer.secho(f"livecue: {error}", fg="red", err=True)
        raise typer.Exit(_EXIT_CONFIGURATION if isinstance(error, ConfigurationError) else _EXIT_FAILED) from None
