"""Selects the engine: the configured one, or the best one available on this machine."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import cast

from decoder.engine import ENGINES, Engine
from decoder.engine_process.engine import ProcessEngine
from decoder.model_hub import is_cached, resolve_model
from decoder.packaged_models import EMBEDDED, MOONSHINE, PACKAGED, moonshine_model, packaged_model
from decoder.settings import EngineSettings
from decoder.types import ModelError

__all__ = ["DEFAULT_MODEL", "Choice", "choose", "create_engine"]

logger = logging.getLogger("livecue.engine")

DEFAULT_MODEL = "base"
"""The largest Whisper that keeps up with live speech on two CPU cores: one core decodes 15 s in 0.2 s, int8."""

ADVICE = f"run `livecue pull {DEFAULT_MODEL}` for a better model in 99 languages"


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen engine.

    Attributes:
        settings: with the engine's name, and its model if that was chosen too.
        reason: which engine, why, and how to get a better one, for the log; empty if the settings name the engine.
        is_second_best: whether a better model exists but is not available.
    """

    settings: EngineSettings
    reason: str = ""
    is_second_best: bool = False


def create_engine(settings: EngineSettings) -> Engine:
    """Return the engine that the settings select; its model is not loaded yet.

    Raises:
        ModelError: the engine is unknown, does not support the model, or no model is available.
    """
    choice = choose(settings)
    if choice.settings.name not in ENGINES:
        raise ModelError(f"engine {choice.settings.name!r} is unknown: expected auto, {', '.join(ENGINES)}")
    if choice.reason:
        logger.log(logging.WARNING if choice.is_second_best else logging.INFO, "%s", choice.reason)
    name = choice.settings.name
    if choice.settings.own_process and name != "upstream":
        return ProcessEngine(choice.settings)
    try:
        factory = cast("Callable[[EngineSettings], Engine]", resolve_name(ENGINES[name]))
        return factory(choice.settings)
    except ModuleNotFoundError as error:
        raise ModelError(f"engine {name} needs {error.name}: run `pip install 'livecue[{name}]'`") from error


def choose(settings: EngineSettings) -> Choice:
    """Resolve `auto`: the model named, else a Whisper that is cached or can be downloaded, else the embedded model.

    Raises:
        ModelError: no model is available, or its files are not those expected.
    """
    match settings.name:
        case "auto":
            return _automatic(settings)
        case "whisper" if settings.model is None:
            return Choice(replace(settings, model=DEFAULT_MODEL))
        case "moonshine" if settings.model in (None, MOONSHINE):
            return Choice(replace(settings, model=str(_moonshine())))
        case _:
            return Choice(settings)


def _automatic(settings: EngineSettings) -> Choice:
    if settings.model is not None:
        return choose(replace(settings, name=_engine_for(settings.model)))
    whisper = replace(settings, name="whisper")
    if is_cached(DEFAULT_MODEL) is not None:
        return Choice(replace(whisper, model=DEFAULT_MODEL), f"engine whisper, model {DEFAULT_MODEL}: cached")
    try:
        resolve_model(DEFAULT_MODEL, offline=settings.offline)
    except ModelError:
        why = f"{DEFAULT_MODEL} is not cached and {'offline is set' if settings.offline else 'could not be downloaded'}"
        return _embedded(whisper, why)
    return Choice(replace(whisper, model=DEFAULT_MODEL), f"engine whisper, model {DEFAULT_MODEL}: downloaded")


def _embedded(whisper: EngineSettings, why: str) -> Choice:
    if packaged_model(EMBEDDED) is not None:
        reason = f"engine whisper, embedded model {EMBEDDED} (English): {why}; {ADVICE}"
        return Choice(replace(whisper, model=EMBEDDED), reason, is_second_best=True)
    package = PACKAGED[EMBEDDED]
    missing = f"package {package.package} with {EMBEDDED} is not installed"
    directory = moonshine_model()
    if directory is not None:
        reason = f"engine moonshine, model {MOONSHINE} (English): {why}, and {missing}; {ADVICE}"
        return Choice(replace(whisper, name="moonshine", model=str(directory)), reason, is_second_best=True)
    raise ModelError(f"no speech model: {why}, and {missing}; {ADVICE}, or set --model DIRECTORY")


def _moonshine() -> Path:
    directory = moonshine_model()
    if directory is None:
        raise ModelError(
            f"model {MOONSHINE} is not installed: run `livecue pull {MOONSHINE}` or `pip install "
            "'livecue[moonshine]'`, or set --model DIRECTORY"
        )
    return directory


def _engine_for(model: str) -> str:
    """Return the engine that reads a model: whisper, unless it is a directory that only another one can read."""
    directory = Path(model).expanduser()
    if model == MOONSHINE or any(directory.glob("encoder_model.*")):  # of ONNX Runtime, which no Whisper here has
        return "moonshine"
    is_for_torch = any(directory.glob("*.safetensors")) or any(directory.glob("*.pt"))
    return "torch" if is_for_torch and not (directory / "model.bin").exists() else "whisper"
