"""Whisper on CTranslate2, on CPU or CUDA."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ctranslate2

from decoder.cpu_cores import shared_cores
from decoder.engines.whisper.network import CTranslate2Network, load_model
from decoder.model_hub import CTRANSLATE2
from decoder.settings import EngineSettings
from decoder.types import ModelError
from decoder.whisper.engine import Backend, WhisperEngine
from decoder.whisper.utterance_cache import UtteranceStore

__all__ = ["backend", "create"]

DEVICES = ("cpu", "cuda")


def create(settings: EngineSettings) -> WhisperEngine:
    """Return an engine that loads its model in `warm_up`.

    Raises:
        ModelError: the settings name no model.
    """
    return WhisperEngine(settings, backend(settings))


def backend(settings: EngineSettings, network: type[CTranslate2Network] = CTranslate2Network) -> Backend:
    """Return the CTranslate2 backend for these settings.

    Args:
        settings: device, compute type, workers, threads and batch.
        network: class that each worker instantiates with the loaded model.
    """
    device = _chosen_device(settings.device)
    settings = _with_workers(settings, device)

    def load(directory: Path, utterances: UtteranceStore) -> Sequence[CTranslate2Network]:
        _check_device(device, settings.compute_type)
        loaded = load_model(directory, settings, device)
        return [network(loaded, utterances) for _ in range(settings.workers)]

    return Backend("whisper", device, settings.workers, settings.max_batch, (CTRANSLATE2,), load)


def _check_device(device: str, compute_type: str) -> None:
    if device not in DEVICES:
        raise ModelError(f"device {device!r}: allowed are auto, {', '.join(DEVICES)}")
    if device == "cuda" and ctranslate2.get_cuda_device_count() == 0:
        raise ModelError("device cuda: CTranslate2 finds no usable GPU; allowed are auto, cpu")
    allowed = ("default", "auto", *sorted(ctranslate2.get_supported_compute_types(device)))
    if compute_type not in allowed:
        raise ModelError(f"compute type {compute_type!r} on {device}: allowed are {', '.join(allowed)}")


def _chosen_compute_type(compute_type: str, device: str) -> str:
    """Return CTranslate2's type for `auto`: int8 on a CPU, elsewhere the type the model is stored in."""
    if compute_type != "auto":
        return compute_type
    return "int8" if device == "cpu" and "int8" in ctranslate2.get_supported_compute_types(device) else "default"


def _chosen_device(device: str) -> str:
    if device != "auto":
        return device
    return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"


def _with_workers(settings: EngineSettings, device: str) -> EngineSettings:
    """Return the settings with the number of workers, and the cores divided among them."""
    settings = replace(settings, compute_type=_chosen_compute_type(settings.compute_type, device))
    if device != "cpu":
        return replace(settings, workers=settings.workers or 1)
    workers, cpu_threads = shared_cores(settings)
    return replace(settings, workers=workers, cpu_threads=cpu_threads)
