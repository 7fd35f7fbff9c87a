"""`livecue sinks`: lists the sinks of the settings, and sends a test caption to one."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from gateway.cli.options import Config
from gateway.cli.running import reported_errors, run
from gateway.cli.tables import print_table
from gateway.settings import load_settings
from gateway.sinks.service import configured_sinks
from gateway.sinks.sink import Delivery, SessionFacts, SinkTarget, item_of, kind_of
from gateway.sinks.target import address_of, parse_target
from gateway.wire import Cue, CueEvent, CueState, Final, Finished, Latency, Ready, ServerEvent
from vad.audio import SAMPLE_RATE_HZ

__all__ = ["app"]

_TEXT = "This is a test caption of livecue."

app = typer.Typer(help="List the sinks of the settings, and try one.", no_args_is_help=True)

_Target = Annotated[str, typer.Argument(metavar="URL|NAME", help="URL of a sink, or the name of a configured one.")]


@app.command("list")
def list_sinks(config: Config = None) -> None:
    """List the sinks of the settings, without their secrets."""
    with reported_errors():
        sinks = configured_sinks(load_settings(file=config).sinks)
    rows = [
        (
            each.target.name,
            each.target.kind,
            address_of(each.target),
            "all sessions" if each.is_automatic else "chosen by clients",
            ", ".join(sorted(each.keys)) or "any",
        )
        for each in sinks
    ]
    print_table(("sink", "kind", "address", "used by", "keys"), rows)


@app.command("test")
def send_test(url: _Target, config: Config = None) -> None:
    """Send a test caption to a sink, and report whether it was taken."""
    with reported_errors():
        target = _target(url, config)
    run(lambda: _send(target))
    typer.echo(f"{target.kind} {address_of(target)} has taken the test caption")


def _target(url: str, config: Path | None) -> SinkTarget:
    if ":" in url:
        return parse_target("test", url)
    configured = {each.target.name: each.target for each in configured_sinks(load_settings(file=config).sinks)}
    return configured[url] if url in configured else parse_target("test", url)


async def _send(target: SinkTarget) -> None:
    kind, session = kind_of(target.kind), SessionFacts(f"test-{uuid4().hex}", time.time())
    taken = kind.takes(target)
    async with kind.open(target, session) as sink:
        number = 1
        for event in _events(session.session_id):
            item = item_of(event)
            if item in taken and item is not None:
                await sink.send(Delivery(event, item, number, session, session.opened_s))
                number += 1


def _events(session_id: str) -> Iterator[ServerEvent]:
    """Yield a session of one utterance."""
    yield Ready(1, session_id, "none", "none", "none", None)
    yield CueEvent(2, Cue("1.1", 1, 1, 0, 2 * SAMPLE_RATE_HZ, (_TEXT,), 0, CueState.FINAL))
    yield Final(3, 1, 0, 2 * SAMPLE_RATE_HZ, _TEXT, "en", Latency(0.0, 0.0, 0.0, 0.0))
    yield Finished(4, 2 * SAMPLE_RATE_HZ, 1)
