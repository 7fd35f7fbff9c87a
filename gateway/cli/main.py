"""The `livecue` command, which puts gateway and clients together."""

import sys
from dataclasses import replace
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clients.caption_writers import OutputFormat, open_output
from clients.connection import Connect, connect
from clients.interrupts import interruptible, until
from clients.loopback import LOOPBACK_FORMAT, loopback
from clients.microphone import microphone, microphone_format
from clients.stream import Lost, stream
from clients.terminal import CaptionView
from clients.watch import find_session
from clients.watch import watch as watch_session
from decoder.model_hub import pull_model
from gateway.cli.bench import app as bench_app
from gateway.cli.capacity import capacity
from gateway.cli.check import check
from gateway.cli.doctor import doctor
from gateway.cli.keys import app as keys_app
from gateway.cli.options import (
    ApiKey,
    ComputeType,
    Config,
    Device,
    Engine,
    FinalWindow,
    Language,
    Languages,
    Model,
    Offline,
    Partials,
    PartialWindow,
    Profile,
    Prompt,
    Set,
    Sinks,
    UpstreamKeyFile,
    UpstreamModel,
    UpstreamUrl,
    Url,
    engine_flags,
    read_settings,
    settings_of,
    sink_targets,
    upstream_flags,
)
from gateway.cli.relay import relay
from gateway.cli.running import report_change, report_notes, reported_errors, run, set_up_logging
from gateway.cli.sessions import app as sessions_app
from gateway.cli.sinks import app as sinks_app
from gateway.cli.top import top
from gateway.cli.transcribe import transcribe
from gateway.in_process import local_connection
from gateway.serve import serve as run_server
from gateway.settings import Settings
from gateway.settings_reference import to_toml
from gateway.wire import Start

__all__ = ["main"]

app = typer.Typer(
    help="Live speech in, subtitle cues out.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(keys_app, name="keys")
app.add_typer(sessions_app, name="sessions")
app.add_typer(bench_app, name="bench")
app.add_typer(sinks_app, name="sinks")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(installed_version("livecue"))
        raise typer.Exit


@app.callback()
def livecue(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Live speech in, subtitle cues out."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    engine: Engine = None,
    model: Model = None,
    device: Device = None,
    compute_type: ComputeType = None,
    offline: Offline = None,
    partial_window: PartialWindow = None,
    final_window: FinalWindow = None,
    partials: Partials = None,
    upstream_url: UpstreamUrl = None,
    upstream_model: UpstreamModel = "whisper-1",
    upstream_key_file: UpstreamKeyFile = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help="Serve any address without keys.")] = None,
    languages: Languages = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file of a certificate: https and wss.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its key; SIGHUP reloads both.")] = None,
    jwks_url: Annotated[str | None, typer.Option(help="https://… of the keys of an OpenID provider.")] = None,
    jwt_issuer: Annotated[str | None, typer.Option(help="Issuer of its tokens.")] = None,
    jwt_audience: Annotated[str | None, typer.Option(help="Audience of its tokens.")] = None,
    wyoming: Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="For Home Assistant.")] = None,
    record: Annotated[bool | None, typer.Option("--record", help="Record the audio of sessions, too.")] = None,
    sinks: Sinks = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json, an object a line.")] = None,
    traces: Annotated[bool | None, typer.Option("--traces", help="Export traces: OTEL_* variables say where.")] = None,
    config: Config = None,
    settings_list: Set = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print settings for --config, exit.")] = False,
) -> None:
    """Serve captions over WebSockets. API keys: `livecue keys`, or LIVECUE_SERVER__API_KEYS, separated by commas."""
    flags: dict[str, object] = {
        "server.host": host,
        "server.port": port,
        "server.insecure": insecure,
        "server.tls_cert": tls_cert,
        "server.tls_key": tls_key,
        "server.wyoming": wyoming,
        "oidc.jwks_url": jwks_url,
        "oidc.issuer": jwt_issuer,
        "oidc.audience": jwt_audience,
        "server.log_level": log_level,
        "server.log_format": log_format,
        "server.traces": traces,
        "session.languages": languages,
        "journal.record": record,
        "sinks.targets": sink_targets(sinks),
        "engine.partial_window": partial_window,
        "engine.final_window": final_window,
        **engine_flags(engine, model, device, compute_type, offline),
        **upstream_flags(engine, upstream_url, upstream_model, upstream_key_file, partials),
    }
    settings = read_settings(flags, config, settings_list)
    if print_config:
        typer.echo(to_toml(settings), nl=False)
        return
    set_up_logging(settings.server.log_level, settings.server.log_format)
    read = partial(settings_of, flags, config, settings_list)
    run(lambda: run_server(settings, lambda url: typer.echo(f"livecue listens on {url}"), read))


app.command()(transcribe)
app.command()(relay)


@app.command()
def listen(
    url: Url = None,
    device_name: Annotated[
        str | None, typer.Option("--microphone", help="Name or number; default: the system's.")
    ] = None,
    plays: Annotated[
        bool, typer.Option("--loopback", help="Caption what this computer plays instead (Linux).")
    ] = False,
    output_device: Annotated[
        str | None, typer.Option(help="With --loopback: name of the output; default: the system's.")
    ] = None,
    language: Language = None,
    languages: Languages = None,
    prompt: Prompt = "",
    profile: Profile = "live",
    api_key: ApiKey = None,
    engine: Engine = None,
    model: Model = None,
    device: Device = None,
    compute_type: ComputeType = None,
    offline: Offline = None,
    partials: Partials = None,
    upstream_url: UpstreamUrl = None,
    upstream_model: UpstreamModel = "whisper-1",
    upstream_key_file: UpstreamKeyFile = None,
    config: Config = None,
    settings_list: Set = None,
) -> None:
    """Caption the microphone, or what this computer plays, live in the terminal; Ctrl-C ends it."""
    flags = {
        "session.languages": languages,
        **engine_flags(engine, model, device, compute_type, offline),
        **upstream_flags(engine, upstream_url, upstream_model, upstream_key_file, partials),
    }
    settings = read_settings(flags, config, settings_list)
    set_up_logging("warning")

    async def show() -> None:
        audio_format = LOOPBACK_FORMAT if plays else microphone_format(device_name)
        start = Start(audio_format, language, prompt, cue_profile=profile, languages=settings.session.languages)
        start = replace(start, resumable=bool(url))
        gateway = _gateway(url, api_key, settings)
        with CaptionView(Console()) as view:
            lost = Lost(is_live=True, starts_new_session=True, on_change=report_change)
            async with interruptible() as has_ended:
                audio = loopback(output_device) if plays else microphone(device_name, audio_format)
                await stream(gateway, start, until(has_ended, audio), view.event, lost)

    run(show)


@app.command()
def watch(
    url: Annotated[str, typer.Argument(help="A session's share link, or http://HOST:PORT with one session open.")],
    api_key: ApiKey = None,
    output_format: Annotated[OutputFormat | None, typer.Option("--format", help="Output format.")] = None,
) -> None:
    """Show the captions of another session, live in the terminal; Ctrl-C ends it."""

    async def show() -> None:
        session = await find_session(url, api_key)
        if output_format is None:
            with CaptionView(Console()) as view:
                await watch_session(session, view.event, report_change)
            return
        writer = open_output(output_format, sys.stdout)
        await watch_session(session, writer.event, report_change)
        report_notes(url, writer.close())

    run(show)


@app.command()
def pull(
    model: Annotated[str, typer.Argument(help="Hub name: base, large-v3-turbo, OWNER/NAME …, or moonshine-tiny-en.")],
) -> None:
    """Download a model."""
    with reported_errors():
        typer.echo(pull_model(model))


app.command()(top)


app.command()(check)
app.command()(doctor)
app.command()(capacity)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("livecue"))


def main() -> None:
    """Run the command line."""
    app()


def _gateway(url: str | None, api_key: str | None, settings: Settings) -> Connect:
    return partial(connect, url, api_key) if url else partial(local_connection, settings)
