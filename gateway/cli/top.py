"""The command `livecue top`: the live sessions of a gateway, in the terminal."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import anyio
import msgspec
import typer
from anyio import to_thread
from rich.console import Console
from rich.live import Live

from clients.connection import ConnectionFailed, reason_of
from gateway.cli.options import ApiKey
from gateway.cli.running import reported_errors, run
from gateway.cli.tables import print_table
from gateway.cli.top_view import HEADINGS, Load, Overview, load_of, rows_of, sessions_of, summary_of, view_of
from gateway.errors import ConfigurationError

__all__ = ["top"]

_TIMEOUT_S = 10.0

_LINES_BESIDE_ROWS = 5
"""The summary, a blank line, the headings, the keys, and the cursor's line."""

_REFUSED = (401, 403)

_KEYS_BYTES = 64
"""Read at once: more than anybody types between two reads."""


def top(
    url: Annotated[str, typer.Argument(help="The gateway: http://HOST:PORT.")] = "http://127.0.0.1:8000",
    api_key: ApiKey = None,
    interval_s: Annotated[float, typer.Option("--interval", min=0.2, help="Seconds between two displays.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print the sessions once, and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a line for each interval.")] = False,
) -> None:
    """Show the live sessions of a gateway: those of the key; with a key of the settings, all. The key q quits."""
    with reported_errors():
        gateway = _base_of(url)
    console = Console()

    async def overviews() -> AsyncIterator[Overview]:
        while True:
            yield await to_thread.run_sync(_overview, gateway, api_key)
            if once:
                return
            await anyio.sleep(interval_s)

    async def show() -> None:
        if as_json or once or not console.is_terminal:
            async for overview in overviews():
                _print(overview, as_json=as_json)
        else:
            await _display(overviews(), console)

    run(show)


async def _display(overviews: AsyncIterator[Overview], console: Console) -> None:
    """Display each overview in place of the last, until q is pressed."""
    async with anyio.create_task_group() as tasks:

        async def update() -> None:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                async for overview in overviews:
                    rows = max(0, console.height - _LINES_BESIDE_ROWS)
                    live.update(view_of(overview, rows), refresh=True)

        tasks.start_soon(update)
        with _single_keys():
            await _pressed("q")
        tasks.cancel_scope.cancel()


def _print(overview: Overview, *, as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(overview).decode())
        return
    typer.echo(summary_of(overview))
    if overview.sessions:
        print_table(HEADINGS, rows_of(overview))
    typer.echo("")


@contextmanager
def _single_keys() -> Iterator[None]:
    """Let single keys be read from the terminal while the block lasts, where the system and standard input allow it."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


async def _pressed(key: str) -> None:
    """Wait until a key is pressed; for ever where keys cannot be read, and Ctrl-C ends the command."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        await anyio.sleep_forever()
    while True:
        await anyio.wait_readable(sys.stdin)
        typed = os.read(sys.stdin.fileno(), _KEYS_BYTES)
        if key.encode() in typed or not typed:  # nothing: the terminal is gone
            return


def _base_of(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.netloc:
        raise ConfigurationError(f"{url}: expected http://HOST:PORT")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _overview(gateway: str, api_key: str | None) -> Overview:
    body = _get(f"{gateway}/v1/sessions", api_key)
    try:
        sessions = sessions_of(body)
    except msgspec.DecodeError as error:
        raise ConnectionFailed(f"{gateway}: got no list of sessions; is it livecue?") from error
    load: Load | None = None
    note = ""
    try:
        load = load_of(_get(f"{gateway}/metrics", api_key).decode())
    except ConnectionFailed as error:
        if error.status not in _REFUSED:
            raise
        note = "the metrics need a key of the gateway's settings"
    return Overview(time.time(), sessions, load, note)


def _get(url: str, api_key: str | None) -> bytes:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # http or https
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            body: bytes = response.read()
            return body
    except urllib.error.HTTPError as error:
        with error:
            reason = reason_of(error.read())
        raise ConnectionFailed(f"{url}: HTTP {error.code}: {reason}", error.code) from error
    except OSError as error:
        raise ConnectionFailed(f"{url} cannot be reached: {error}") from error
