"""`livecue transcribe`: turns recordings and streams into caption files, and reports what is missing."""

import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from clients.caption_writers import OutputFormat, open_output, opened
from clients.connection import Connect, connect
from clients.missing_audio import Incomplete, MissingAudio
from clients.output_paths import Job, plan
from clients.paced_media import MEDIA_FORMAT
from clients.stream import Lost, stream
from decoder.settings import SchedulerSettings
from decoder.types import ModelError
from gateway.captions.cue_profiles import DEFAULT_PROFILE, PROFILES, CueProfile
from gateway.cli import options
from gateway.cli.file_output import FileOutput
from gateway.cli.reading import RECONNECT_FOR_S, SourceReading, opened_audio
from gateway.cli.running import (
    EXIT_FAILED,
    notices,
    report,
    report_change,
    report_notes,
    reported_errors,
    run,
    set_up_logging,
)
from gateway.errors import ConfigurationError
from gateway.in_process import local_gateway
from gateway.settings import SessionSettings, Settings
from gateway.wire import SAMPLE_RATE_HZ, Ack, Finished, ServerEvent, Start
from vad.errors import LivecueError

__all__ = ["transcribe"]

logger = logging.getLogger("livecue")


def transcribe(
    files: Annotated[
        list[str], typer.Argument(help="Audio and video files, folders of them, URLs, or - for standard input.")
    ],
    url: options.Url = None,
    speed: Annotated[str, typer.Option(help="Times real time, or max.")] = "max",
    output_format: Annotated[
        OutputFormat | None,
        typer.Option("--format", help="Output format; default: by the suffix of --output, or txt."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File, or folder for several; default: standard output.")
    ] = None,
    track: options.Track = None,
    allow_host: options.AllowHost = None,
    public_only: options.PublicOnly = False,
    reconnect_for: options.ReconnectFor = RECONNECT_FOR_S,
    language: options.Language = None,
    languages: options.Languages = None,
    prompt: options.Prompt = "",
    profile: options.Profile = None,
    api_key: options.ApiKey = None,
    engine: options.Engine = None,
    model: options.Model = None,
    device: options.Device = None,
    compute_type: options.ComputeType = None,
    offline: options.Offline = None,
    partials: options.Partials = None,
    upstream_url: options.UpstreamUrl = None,
    upstream_model: options.UpstreamModel = "whisper-1",
    upstream_key_file: options.UpstreamKeyFile = None,
    config: options.Config = None,
    settings_list: options.Set = None,
) -> None:
    """Turn recordings, and streams by URL, into captions; Ctrl-C ends a live stream."""
    flags = {
        "session.languages": languages,
        **options.engine_flags(engine, model, device, compute_type, offline),
        **options.upstream_flags(engine, upstream_url, upstream_model, upstream_key_file, partials),
    }
    settings, times = options.read_settings(flags, config, settings_list), _speed(speed)
    set_up_logging("warning")
    with reported_errors():
        jobs = plan(files, output, output_format)
        chosen = _profile_of(profile, settings)
    start = Start(MEDIA_FORMAT, language, prompt, cue_profile=profile, languages=settings.session.languages)
    start = replace(start, resumable=bool(url), file=times is None)
    gateway = _remote(url, api_key) if url else local_gateway(_without_timeout(settings))
    reading = SourceReading(times, track, tuple(allow_host or ()), public_only, reconnect_for)
    run(partial(_transcribe_all, gateway, [partial(_Work, job, start, reading, chosen) for job in jobs]))


async def _transcribe_all(
    gateway: AbstractAsyncContextManager[Connect], planned: Sequence[Callable[[Connect], "_Work"]]
) -> None:
    async with gateway as connect:
        transcribed = [await _is_transcribed(work(connect)) for work in planned]
    if not all(transcribed):
        raise typer.Exit(EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class _Work:
    """One recording to be transcribed.

    Attributes:
        job: source and output.
        start: of the session.
        reading: how its audio is read.
        profile: of the cues; None: that of the format.
        connect: opens a connection to the gateway.
    """

    job: Job
    start: Start
    reading: SourceReading
    profile: CueProfile | None
    connect: Connect


async def _is_transcribed(work: _Work) -> bool:
    """Transcribe one recording, and return whether it succeeded; report an error, so that others still run."""
    failure: LivecueError | None = None
    try:
        await _transcribe(work)
    except (ConfigurationError, ModelError):
        raise
    except LivecueError as error:
        failure = error
    if failure is not None:
        report(failure)
    return failure is None


async def _transcribe(work: _Work) -> None:
    job, gaps = work.job, MissingAudio()
    is_log = job.format is OutputFormat.JSONL
    async with opened_audio(job.source, work.reading) as source:
        start = replace(work.start, partials=is_log, words=True, file=work.start.file and not source.is_live)
        start = replace(start, cue_profile=work.start.cue_profile if is_log else None)
        with opened(job.output) as target, _progress(job.name, source.duration_s) as on_progress:
            writer = open_output(job.format, target)
            if not is_log:
                writer = FileOutput(writer, _profile_for(job.format, work.profile))

            def on_event(event: ServerEvent) -> None:
                on_progress(event)
                writer.event(event)
                gaps.add(event)

            lost = Lost(is_live=source.is_live, on_change=report_change)
            with _incomplete_reported(job, gaps):
                try:
                    await stream(work.connect, start, source.audio, on_event, lost)
                finally:
                    report_notes(job.name, writer.close())
            if broken_packets := source.broken_packets():
                logger.warning("%s: %d broken packets were skipped", job.name, broken_packets)
    if (missing := gaps.sentence()) is not None:
        raise Incomplete(f"{job.name}: {missing}")


@contextmanager
def _incomplete_reported(job: Job, gaps: MissingAudio) -> Iterator[None]:
    """Report how far the captions go where they are incomplete."""
    where = "standard output" if job.output is None else str(job.output)
    try:
        yield
    except LivecueError as error:
        if not gaps.has_begun:
            raise
        missing = gaps.sentence(is_whole=False)
        before = f"; before, {missing}" if missing else ""
        raise Incomplete(
            f"{job.name}: {error}; {where} has the words up to {gaps.answered_until}, the rest is missing{before}"
        ) from error
    except anyio.get_cancelled_exc_class():
        sys.stderr.write(f"livecue: interrupted: {where} has the words up to {gaps.answered_until}\n")
        raise


@asynccontextmanager
async def _remote(url: str, api_key: str | None) -> AsyncIterator[Connect]:
    yield partial(connect, url, api_key)


def _profile_of(name: str | None, settings: Settings) -> CueProfile | None:
    """Return the profile for the cues of a recording, which are laid out here; None: that of the format."""
    default = SessionSettings().cue_profile
    chosen = name or (settings.session.cue_profile if settings.session.cue_profile != default else None)
    if chosen is not None and chosen not in PROFILES:
        raise ConfigurationError(f"unknown cue profile {chosen!r}: expected one of {', '.join(PROFILES)}")
    return None if chosen is None else PROFILES[chosen]


def _profile_for(output_format: OutputFormat, chosen: CueProfile | None) -> CueProfile:
    if output_format is OutputFormat.SCC:  # its writer transliterates, and counts what that replaces
        return replace(chosen or PROFILES["608"], latin_only=False)
    return chosen or PROFILES[DEFAULT_PROFILE]


def _without_timeout(settings: Settings) -> Settings:
    """Return the settings without the engine's timeout for files, for a gateway that serves only this command."""
    if settings.scheduler.file_timeout_s != SchedulerSettings().file_timeout_s:
        return settings
    return settings.model_copy(update={"scheduler": replace(settings.scheduler, file_timeout_s=inf)})


def _speed(text: str) -> float | None:
    with reported_errors():
        try:
            speed = None if text == "max" else float(text)
        except ValueError:
            speed = 0.0
        if speed is not None and not 0 < speed < float("inf"):
            raise ConfigurationError(f"--speed {text}: expected a number above 0, or max")
        return speed


@contextmanager
def _progress(name: str, duration_s: float | None) -> Iterator[Callable[[ServerEvent], None]]:
    """Display the progress of a recording, where standard error is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices, transient=True, disable=not notices.is_terminal) as progress:
        task = progress.add_task(Path(name).name, total=duration_s)

        def on_event(event: ServerEvent) -> None:
            if isinstance(event, Ack):
                progress.update(task, completed=event.processed_samples / SAMPLE_RATE_HZ)
            elif isinstance(event, Finished):
                progress.update(task, completed=event.audio_samples / SAMPLE_RATE_HZ)

        yield on_event
