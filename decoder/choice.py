"""From settings to an engine: the one that is named, or the best one this machine has."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pkgutil import resolve_name
from typing import cast

from decoder.engine import ENGINES, Engine
from decoder.models import is_cached, resolve_model
from decoder.settings import EngineSettings
from decoder.types import ModelError

__all__ = ["DEFAULT_MODEL", "choose", "create_engine"]

logger = logging.getLogger("livecue.engine")

DEFAULT_MODEL = "base"
"""The largest Whisper that keeps up with live speech on two CPU cores: 15 s take one of them 0.2 s, int8."""


def create_engine(settings: EngineSettings) -> Engine:
    """Return the engine the settings ask for, its model not loaded yet.

    Raises:
        ModelError: no engine has that name, or a model is named that it does not take.
    """
    chosen = choose(settings)
    if chosen.name not in ENGINES:
        raise ModelError(f"no engine {chosen.name!r}: there are auto, {', '.join(ENGINES)}")
    factory = cast("Callable[[EngineSettings], Engine]", resolve_name(ENGINES[chosen.name]))
    return factory(chosen)


def choose(settings: EngineSettings) -> EngineSettings:
    """Return the settings without `auto`: Whisper when a model is named, cached or can be had, else pocketsphinx."""
    if settings.name != "auto":
        return replace(settings, model=settings.model or DEFAULT_MODEL) if settings.name == "whisper" else settings
    if settings.model is not None:
        return replace(settings, name="whisper")
    if is_cached(DEFAULT_MODEL) is None:
        try:
            resolve_model(DEFAULT_MODEL, offline=settings.offline)
        except ModelError as error:
            logger.warning("no Whisper model at hand, so the embedded pocketsphinx engine is used: %s", error)
            return replace(settings, name="sphinx")
    return replace(settings, name="whisper", model=DEFAULT_MODEL)
