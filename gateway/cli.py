"""The `livecue` command. It puts gateway and clients together; the work is theirs."""

import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, TextIO

import anyio
import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from clients.back_off import Change
from clients.connection import Connect, connect
from clients.media import MEDIA_FORMAT, MediaFile, paced
from clients.microphone import microphone, microphone_format
from clients.outputs import OutputFormat, open_output
from clients.stream import Lost, stream
from clients.terminal import CaptionView
from clients.watch import find_session
from clients.watch import watch as watch_session
from decoder.models import pull_model
from decoder.types import ModelError
from gateway.doctor import print_report
from gateway.errors import ConfigurationError
from gateway.keys_cli import app as keys_app
from gateway.local import local_connection
from gateway.log_records import ShortRecords
from gateway.run import serve as run_server
from gateway.sessions_cli import app as sessions_app
from gateway.settings import Settings, load_settings
from gateway.wire import SAMPLE_RATE_HZ, Ack, Finished, ServerEvent, Start
from vad.errors import LivecueError

__all__ = ["main"]

_EXIT_FAILED = 1
_EXIT_CONFIGURATION = 2

logger = logging.getLogger("livecue")

app = typer.Typer(
    help="Live speech in, subtitle cues out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys_app, name="keys")
app.add_typer(sessions_app, name="sessions")
_notices = Console(stderr=True)

_Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
_Set = Annotated[list[str] | None, typer.Option("--set", metavar="GROUP.KEY=VALUE", help="Any other setting.")]
_Engine = Annotated[str | None, typer.Option("--engine", help="auto, whisper, moonshine or upstream.")]
_Model = Annotated[str | None, typer.Option("--model", help="Model: tiny.en, a name of the hub, or a directory.")]
_Device = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")]
_ComputeType = Annotated[str | None, typer.Option("--compute-type", help="CTranslate2's: int8, float16 …")]
_Offline = Annotated[bool | None, typer.Option("--offline", help="Never ask the model hub.")]
_PartialWindow = Annotated[str | None, typer.Option(help="Whisper's window for partials: trimmed or full.")]
_FinalWindow = Annotated[str | None, typer.Option(help="Whisper's window for finals: full or trimmed.")]
_Partials = Annotated[str | None, typer.Option(help="Of the engine upstream: off, upstream or local.")]
_UpstreamUrl = Annotated[str | None, typer.Option(metavar="URL", help="An OpenAI-compatible API, https://HOST/v1.")]
_UpstreamModel = Annotated[str, typer.Option(help="Model to ask that for.")]
_UpstreamKeyFile = Annotated[Path | None, typer.Option(help="File with its API key.")]
_Url = Annotated[str | None, typer.Option("--url", help="A gateway, ws://HOST:PORT; without it one runs in-process.")]
_ApiKey = Annotated[str | None, typer.Option("--api-key", envvar="LIVECUE_API_KEY", help="Key for that gateway.")]
_Language = Annotated[str | None, typer.Option("--language", help="Code, tag or name; without it it is detected.")]
_Languages = Annotated[str | None, typer.Option("--languages", help="Detect among these: en,es.")]
_Prompt = Annotated[str, typer.Option("--prompt", help="Names and context the engine should know.")]
_Profile = Annotated[str | None, typer.Option("--profile", help="Cue profile: web, live, broadcast-eu, 608, teams.")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    engine: _Engine = None,
    model: _Model = None,
    device: _Device = None,
    compute_type: _ComputeType = None,
    offline: _Offline = None,
    partial_window: _PartialWindow = None,
    final_window: _FinalWindow = None,
    partials: _Partials = None,
    upstream_url: _UpstreamUrl = None,
    upstream_model: _UpstreamModel = "whisper-1",
    upstream_key_file: _UpstreamKeyFile = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help="Any address, no keys.")] = None,
    languages: _Languages = None,
    wyoming: Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="For Home Assistant.")] = None,
    record: Annotated[bool | None, typer.Option("--record", help="Keep the sound of sessions too.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    config: _Config = None,
    settings_list: _Set = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print all settings and exit.")] = False,
) -> None:
    """Serve captions over WebSockets. API keys: `livecue keys`, or LIVECUE_SERVER__API_KEYS, separated by commas."""
    flags: dict[str, object] = {
        "server.host": host,
        "server.port": port,
        "server.insecure": insecure,
        "server.wyoming": wyoming,
        "server.log_level": log_level,
        "session.languages": languages,
        "journal.record": record,
        "engine.partial_window": partial_window,
        "engine.final_window": final_window,
        **_engine_flags(engine, model, device, compute_type, offline),
        **_upstream_flags(engine, upstream_url, upstream_model, upstream_key_file, partials),
    }
    settings = _settings(flags, config, settings_list)
    if print_config:
        typer.echo(settings.model_dump_json(indent=2))
        return
    _set_up_logging(settings.server.log_level)
    read = partial(_read_settings, flags, config, settings_list)
    _run(lambda: run_server(settings, lambda url: typer.echo(f"livecue listens on {url}"), read))


@app.command()
def transcribe(
    file: Annotated[str, typer.Argument(help="Sound or video file, or - for standard input.")],
    url: _Url = None,
    speed: Annotated[str, typer.Option(help="Times real time, or max.")] = "max",
    output_format: Annotated[OutputFormat, typer.Option("--format", help="What to write.")] = OutputFormat.TXT,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to; else standard output.")] = None,
    language: _Language = None,
    languages: _Languages = None,
    prompt: _Prompt = "",
    profile: _Profile = None,
    api_key: _ApiKey = None,
    engine: _Engine = None,
    model: _Model = None,
    device: _Device = None,
    compute_type: _ComputeType = None,
    offline: _Offline = None,
    partials: _Partials = None,
    upstream_url: _UpstreamUrl = None,
    upstream_model: _UpstreamModel = "whisper-1",
    upstream_key_file: _UpstreamKeyFile = None,
    config: _Config = None,
    settings_list: _Set = None,
) -> None:
    """Turn a recording into captions."""
    flags = {
        "session.languages": languages,
        **_engine_flags(engine, model, device, compute_type, offline),
        **_upstream_flags(engine, upstream_url, upstream_model, upstream_key_file, partials),
    }
    settings, times = _settings(flags, config, settings_list), _speed(speed)
    _set_up_logging("warning")
    is_log = output_format is OutputFormat.JSONL
    start = Start(MEDIA_FORMAT, language, prompt, cue_profile=profile, languages=settings.session.languages)
    start = replace(start, partials=is_log, words=is_log, resumable=bool(url))

    async def run() -> None:
        with MediaFile(file) as media, _opened(output) as target, _progress(file, media.duration_s) as on_progress:
            writer, lost = open_output(output_format, target), Lost(on_change=_report_change)

            def on_event(event: ServerEvent) -> None:
                on_progress(event)
                writer.event(event)

            await stream(_gateway(url, api_key, settings), start, paced(media.frames(), times), on_event, lost)
            writer.close()
            if media.broken_packets:
                logger.warning("%s: %d broken pieces were left out", file, media.broken_packets)

    _run(run)


@app.command()
def listen(
    url: _Url = None,
    device_name: Annotated[str | None, typer.Option("--microphone", help="Name or number; else the default.")] = None,
    language: _Language = None,
    languages: _Languages = None,
    prompt: _Prompt = "",
    profile: _Profile = "live",
    api_key: _ApiKey = None,
    engine: _Engine = None,
    model: _Model = None,
    device: _Device = None,
    compute_type: _ComputeType = None,
    offline: _Offline = None,
    partials: _Partials = None,
    upstream_url: _UpstreamUrl = None,
    upstream_model: _UpstreamModel = "whisper-1",
    upstream_key_file: _UpstreamKeyFile = None,
    config: _Config = None,
    settings_list: _Set = None,
) -> None:
    """Caption what the microphone hears, live in the terminal; Ctrl-C ends it."""
    flags = {
        "session.languages": languages,
        **_engine_flags(engine, model, device, compute_type, offline),
        **_upstream_flags(engine, upstream_url, upstream_model, upstream_key_file, partials),
    }
    settings = _settings(flags, config, settings_list)
    _set_up_logging("warning")

    async def run() -> None:
        audio_format = microphone_format(device_name)
        start = Start(audio_format, language, prompt, cue_profile=profile, languages=settings.session.languages)
        start = replace(start, resumable=bool(url))
        gateway = _gateway(url, api_key, settings)
        with CaptionView(Console()) as view:
            lost = Lost(is_live=True, begins_anew=True, on_change=_report_change)
            await stream(gateway, start, microphone(device_name, audio_format), view.event, lost)

    _run(run)


@app.command()
def watch(
    url: Annotated[str, typer.Argument(help="A session's share link, or http://HOST:PORT with one session open.")],
    api_key: _ApiKey = None,
    output_format: Annotated[OutputFormat | None, typer.Option("--format", help="What to write.")] = None,
) -> None:
    """Show the captions of a session of somebody else, live in the terminal; Ctrl-C ends it."""

    async def run() -> None:
        session = await find_session(url, api_key)
        if output_format is None:
            with CaptionView(Console()) as view:
                await watch_session(session, view.event, _report_change)
            return
        writer = open_output(output_format, sys.stdout)
        await watch_session(session, writer.event, _report_change)
        writer.close()

    _run(run)


@app.command()
def pull(
    model: Annotated[str, typer.Argument(help="Hub name: base, large-v3-turbo, OWNER/NAME …, or moonshine-tiny-en.")],
) -> None:
    """Download a model."""
    with _reported_errors():
        typer.echo(pull_model(model))


@app.command()
def doctor() -> None:
    """Say what works on this machine, and what to install for the rest."""
    if not print_report(Console()):
        raise typer.Exit(_EXIT_FAILED)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(installed_version("livecue"))


def main() -> None:
    """Run the command line."""
    app()


def _engine_flags(*values: object) -> dict[str, object]:
    names = ("name", "model", "device", "compute_type", "offline")
    return {f"engine.{name}": value for name, value in zip(names, values, strict=True)}


def _upstream_flags(
    engine: str | None, url: str | None, model: str, key_file: Path | None, partials: str | None
) -> dict[str, object]:
    """Return the settings of one upstream; naming it names the engine."""
    flags: dict[str, object] = {"engine.pool": None if partials is None else {"partials": partials}}
    if url is None:
        return flags
    upstream = {"base_url": url, "model": model, **({} if key_file is None else {"key_file": key_file})}
    return {**flags, "engine.name": engine or "upstream", "engine.upstreams": [upstream]}


def _settings(flags: dict[str, object], config: Path | None, settings_list: list[str] | None) -> Settings:
    with _reported_errors():
        return _read_settings(flags, config, settings_list)


def _read_settings(flags: dict[str, object], config: Path | None, settings_list: list[str] | None) -> Settings:
    """Return all settings; a flag that was not given is None and leaves its setting alone."""
    overrides: dict[str, dict[str, object]] = {}
    for key, value in [*flags.items(), *(_assignment(text) for text in settings_list or ())]:
        group, _, name = key.partition(".")
        if value is not None:
            overrides.setdefault(group, {})[name] = value
    return load_settings(overrides, config)


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key:
        raise ConfigurationError(f"--set {text}: expected GROUP.KEY=VALUE")
    return key.strip(), value.strip()


def _speed(text: str) -> float | None:
    with _reported_errors():
        try:
            speed = None if text == "max" else float(text)
        except ValueError:
            speed = 0.0
        if speed is not None and not 0 < speed < float("inf"):
            raise ConfigurationError(f"--speed {text}: expected a number above 0, or max")
        return speed


def _gateway(url: str | None, api_key: str | None, settings: Settings) -> Connect:
    return partial(connect, url, api_key) if url else partial(local_connection, settings)


def _report_change(change: Change) -> None:
    # not through a console of its own: so rich shows it above what is live
    sys.stderr.write(f"livecue: {change}\n")


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        file = path.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigurationError(f"--output {path}: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _progress(name: str, duration_s: float | None) -> Iterator[Callable[[ServerEvent], None]]:
    """Show how much of a recording has been answered, where somebody is looking."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_notices, transient=True, disable=not _notices.is_terminal) as progress:
        task = progress.add_task(Path(name).name, total=duration_s)

        def on_event(event: ServerEvent) -> None:
            if isinstance(event, Ack):
                progress.update(task, completed=event.processed_samples / SAMPLE_RATE_HZ)
            elif isinstance(event, Finished):
                progress.update(task, completed=event.audio_samples / SAMPLE_RATE_HZ)

        yield on_event


def _set_up_logging(level: str) -> None:
    if level.upper() not in logging.getLevelNamesMapping():
        with _reported_errors():
            raise ConfigurationError(f"server.log_level = {level!r}: expected debug, info, warning or error")
    handler = RichHandler(console=_notices, show_path=False, markup=False)
    handler.addFilter(ShortRecords())
    logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s", handlers=[handler])
    logging.getLogger("livecue").setLevel(level.upper())


def _run(main_task: Callable[[], Awaitable[None]]) -> None:
    uses_uvloop = find_spec("uvloop") is not None
    with _reported_errors():
        anyio.run(main_task, backend_options={"use_uvloop": uses_uvloop})


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Turn livecue's own errors into one line and an exit code; others are faults of ours and keep their traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None  # as shells have it: 128 + SIGINT
    except LivecueError as error:
        _report(error)
    except BaseExceptionGroup as group:  # a task group wraps what its body raises
        ours = _first_of_ours(group)
        if ours is None:
            raise
        _report(ours)


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> LivecueError | None:
    for error in group.exceptions:
        found = _first_of_ours(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, LivecueError):
            return found
    return None


def _report(error: LivecueError) -> None:
    _notices.print(f"livecue: {error}", style="red", markup=False, soft_wrap=True)
    is_setting = isinstance(error, ConfigurationError | ModelError)
    raise typer.Exit(_EXIT_CONFIGURATION if is_setting else _EXIT_FAILED)
