"""Selects the engine: the configured one, or the best one available on this machine."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import cast

from decoder.engine import ENGINES, Engine
from decoder.model_hub import is_cached, resolve_model
from decoder.packaged_models import EMBEDDED, MOONSHINE, PACKAGED, moonshine_model, packaged_model
from decoder.settings import EngineSettings
from decoder.types import ModelError

__all__ = ["DEFAULT_MODEL", "Choice", "choose", "create_engine"]

logger = logging.getLogger("livecue.engine")

DEFAULT_MODEL = "base"
"""The largest Whisper that keeps up with live speech on two CPU cores: 15 s take one of them 0.2 s, int8."""

BETTER = f"`livecue pull {DEFAULT_MODEL}` gets a better one, of 99 languages"


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine that was chosen.

    Attributes:
        settings: with its name, and its model where that was chosen, too.
        reason: which, why, and what would be better, for a person; empty where the settings named the engine.
        is_second_best: whether something would be better.
    """

    settings: EngineSettings
    reason: str = ""
    is_second_best: bool = False


def create_engine(settings: EngineSettings) -> Engine:
    """Return the engine the settings ask for, its model not loaded yet.

    Raises:
        ModelError: no engine has that name, a model is named that it does not take, or there is no model.
    """
    choice = choose(settings)
    if choice.settings.name not in ENGINES:
        raise ModelError(f"engine {choice.settings.name!r} is unknown: expected auto, {', '.join(ENGINES)}")
    if choice.reason:
        logger.log(logging.WARNING if choice.is_second_best else logging.INFO, "%s", choice.reason)
    factory = cast("Callable[[EngineSettings], Engine]", resolve_name(ENGINES[choice.settings.name]))
    return factory(choice.settings)


def choose(settings: EngineSettings) -> Choice:
    """Return what `auto` comes to: the model that is named, a Whisper that is cached or can be had, or the embedded.

    Raises:
        ModelError: it comes to nothing, or to a model that is not what it should be.
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
        name = "moonshine" if settings.model == MOONSHINE or _holds_moonshine(settings.model) else "whisper"
        return choose(replace(settings, name=name))
    whisper = replace(settings, name="whisper")
    if is_cached(DEFAULT_MODEL) is not None:
        return Choice(replace(whisper, model=DEFAULT_MODEL), f"engine whisper, model {DEFAULT_MODEL}: it is cached")
    try:
        resolve_model(DEFAULT_MODEL, offline=settings.offline)
    except ModelError:
        why = (
            f"{DEFAULT_MODEL} is not cached, and {'the hub is not asked' if settings.offline else 'the hub gave none'}"
        )
        return _embedded(whisper, why)
    return Choice(replace(whisper, model=DEFAULT_MODEL), f"engine whisper, model {DEFAULT_MODEL}: the hub has it")


def _embedded(whisper: EngineSettings, why: str) -> Choice:
    if packaged_model(EMBEDDED) is not None:
        reason = f"engine whisper, model {EMBEDDED} (English), which comes with livecue: {why}; {BETTER}"
        return Choice(replace(whisper, model=EMBEDDED), reason, is_second_best=True)
    package = PACKAGED[EMBEDDED]
    missing = f"package {package.package}, which holds {EMBEDDED}, is missing"
    directory = moonshine_model()
    if directory is not None:
        reason = f"engine moonshine, model {MOONSHINE} (English): {why}, and {missing}; {BETTER}"
        return Choice(replace(whisper, name="moonshine", model=str(directory)), reason, is_second_best=True)
    raise ModelError(f"no speech model: {why}, and {missing}; {BETTER}, and so does --model DIRECTORY")


def _moonshine() -> Path:
    directory = moonshine_model()
    if directory is None:
        raise ModelError(
            f"model {MOONSHINE} is not here: `livecue pull {MOONSHINE}` gets it, or `pip install "
            "'livecue[moonshine]'`, or --model names its directory"
        )
    return directory


def _holds_moonshine(model: str) -> bool:
    """Whether a directory holds an encoder and a decoder for ONNX Runtime, as no Whisper here does."""
    return any(Path(model).expanduser().glob("encoder_model.*"))
