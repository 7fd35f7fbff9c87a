"""Options that several commands share, and their translation to settings."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.running import reported_errors
from gateway.errors import ConfigurationError
from gateway.settings import Settings, load_settings

__all__ = [
    "AllowHost",
    "ApiKey",
    "ComputeType",
    "Config",
    "Device",
    "Engine",
    "FinalWindow",
    "Language",
    "Languages",
    "Model",
    "Offline",
    "PartialWindow",
    "Partials",
    "Profile",
    "Prompt",
    "PublicOnly",
    "ReconnectFor",
    "Set",
    "Sinks",
    "Track",
    "UpstreamKeyFile",
    "UpstreamModel",
    "UpstreamUrl",
    "Url",
    "engine_flags",
    "read_settings",
    "settings_of",
    "sink_targets",
    "upstream_flags",
]

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="GROUP.KEY=VALUE", help="Any other setting.")]
Sinks = Annotated[
    list[str] | None, typer.Option("--sink", metavar="NAME=URL", help="Send captions there, too: docs/sinks.md.")
]
Engine = Annotated[str | None, typer.Option("--engine", help="auto, whisper, torch, moonshine, upstream or ray.")]
Model = Annotated[str | None, typer.Option("--model", help="Model: tiny.en, a name of the hub, or a directory.")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda.")]
ComputeType = Annotated[str | None, typer.Option("--compute-type", help="CTranslate2's: int8, float16 …")]
Offline = Annotated[bool | None, typer.Option("--offline", help="Never contact the model hub.")]
PartialWindow = Annotated[str | None, typer.Option(help="Whisper's window for partials: trimmed or full.")]
FinalWindow = Annotated[str | None, typer.Option(help="Whisper's window for finals: full or trimmed.")]
Partials = Annotated[str | None, typer.Option(help="Of the engine upstream: off, upstream or local.")]
UpstreamUrl = Annotated[str | None, typer.Option(metavar="URL", help="An OpenAI-compatible API, https://HOST/v1.")]
UpstreamModel = Annotated[str, typer.Option(help="Model of the upstream.")]
UpstreamKeyFile = Annotated[Path | None, typer.Option(help="File with its API key.")]
Url = Annotated[str | None, typer.Option("--url", help="A gateway, ws://HOST:PORT; default: one in this process.")]
ApiKey = Annotated[str | None, typer.Option("--api-key", envvar="LIVECUE_API_KEY", help="Key for that gateway.")]
Language = Annotated[str | None, typer.Option("--language", help="Code, tag or name; default: detected.")]
Languages = Annotated[str | None, typer.Option("--languages", help="Detect among these: en,es.")]
Prompt = Annotated[str, typer.Option("--prompt", help="Names and context for the engine.")]
Profile = Annotated[
    str | None,
    typer.Option("--profile", help="Cue profile: web, live, broadcast-eu, 608, teams, netflix, bbc or ebu."),
]

AllowHost = Annotated[
    list[str] | None,
    typer.Option(help="Another host that a stream may lead to: a name, *.example.com, or public for all public ones."),
]
PublicOnly = Annotated[bool, typer.Option("--public-only", help="Refuse private addresses: for URLs of strangers.")]
ReconnectFor = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long a lost stream is waited for before it counts as over.")
]
Track = Annotated[int | None, typer.Option(min=1, help="Audio track, from 1; default: the one that players choose.")]


def engine_flags(*values: object) -> dict[str, object]:
    names = ("name", "model", "device", "compute_type", "offline")
    return {f"engine.{name}": value for name, value in zip(names, values, strict=True)}


def upstream_flags(
    engine: str | None, url: str | None, model: str, key_file: Path | None, partials: str | None
) -> dict[str, object]:
    """Return the settings of one upstream, which also select the engine."""
    flags: dict[str, object] = {"engine.pool": None if partials is None else {"partials": partials}}
    if url is None:
        return flags
    upstream = {"base_url": url, "model": model, **({} if key_file is None else {"key_file": key_file})}
    return {**flags, "engine.name": engine or "upstream", "engine.upstreams": [upstream]}


def sink_targets(sinks: list[str] | None) -> list[dict[str, str]] | None:
    """Return the sinks of the command line, in place of those of the settings; None: there are none."""
    if not sinks:
        return None
    pairs = [text.partition("=") for text in sinks]
    with reported_errors():
        for name, equals, _ in pairs:
            if not equals or ":" in name:
                raise ConfigurationError(f"--sink {name[:40]}: expected NAME=URL")
    return [{"name": name.strip(), "url": url.strip()} for name, _, url in pairs]


def read_settings(flags: dict[str, object], config: Path | None, settings_list: list[str] | None) -> Settings:
    """Return all settings, or report the error in them and exit."""
    with reported_errors():
        return settings_of(flags, config, settings_list)


def settings_of(flags: dict[str, object], config: Path | None, settings_list: list[str] | None) -> Settings:
    """Return all settings; a flag of None leaves its setting unchanged.

    Raises:
        ConfigurationError: a setting is wrong.
    """
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
