"""`livecue relay`: sends a stream by URL to a gateway, for as long as the stream lasts."""

from dataclasses import replace
from functools import partial
from math import inf
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import typer
from rich.console import Console

from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT
from clients.reconnect import BackOff
from clients.sources.source_url import parse_source_url
from clients.stream import Lost, stream
from clients.terminal import CaptionView
from gateway.cli import options
from gateway.cli.reading import RECONNECT_FOR_S, SourceReading, opened_audio
from gateway.cli.running import report_change, reported_errors, run, set_up_logging
from gateway.wire import Ready, ServerEvent, Start

__all__ = ["relay"]

_DEFAULT_GATEWAY = "ws://127.0.0.1:8000"


def relay(
    source: Annotated[str, typer.Argument(metavar="URL", help="rtsp, rtmp, srt, http or https; HLS by its playlist.")],
    gateway: Annotated[str, typer.Argument(metavar="[GATEWAY]", help="ws://HOST:PORT")] = _DEFAULT_GATEWAY,
    track: options.Track = None,
    language: options.Language = None,
    languages: options.Languages = None,
    prompt: options.Prompt = "",
    profile: options.Profile = "live",
    api_key: options.ApiKey = None,
    allow_host: options.AllowHost = None,
    public_only: options.PublicOnly = False,
    reconnect_for: options.ReconnectFor = RECONNECT_FOR_S,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait for a stream that has not begun.")] = 0.0,
) -> None:
    """Caption a stream in a session of a gateway, until the stream ends; Ctrl-C ends it earlier."""
    set_up_logging("warning")
    with reported_errors():
        parse_source_url(source)
    start = Start(MEDIA_FORMAT, language, prompt, cue_profile=profile, languages=tuple(_names(languages)))
    reading = SourceReading(None, track, tuple(allow_host or ()), public_only, reconnect_for, wait)
    run(partial(_relay, source, reading, gateway, api_key, replace(start, resumable=True)))


async def _relay(source: str, reading: SourceReading, gateway: str, api_key: str | None, start: Start) -> None:
    console = Console()
    with CaptionView(console) as view:

        def on_event(event: ServerEvent) -> None:
            if isinstance(event, Ready):
                console.print(f"captions: {_watch_url(gateway, event.session_id)}", soft_wrap=True, highlight=False)
            view.event(event)

        async with opened_audio(source, reading) as opened:
            # it lives as long as the stream, however long the gateway is gone
            lost = Lost(opened.is_live, True, report_change, BackOff(give_up_s=inf))
            await stream(partial(connect, gateway, api_key), start, opened.audio, on_event, lost)


def _watch_url(gateway: str, session_id: str) -> str:
    """Return the address at which viewers watch a session."""
    parts = urlsplit(gateway if "://" in gateway else f"ws://{gateway}")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, f"/watch/{session_id}", "", ""))


def _names(languages: str | None) -> list[str]:
    return [name.strip() for name in (languages or "").split(",") if name.strip()]
