"""Whisper in torch: drafts verified, silence grafted, the requests of all sessions decoded together step by step."""

import json
from collections.abc import Sequence
from pathlib import Path

import tokenizers
import torch
from faster_whisper.tokenizer import _LANGUAGE_CODES

from decoder.cpu_cores import core_count
from decoder.engines.torch_whisper.checkpoint import Checkpoint, read_checkpoint
from decoder.engines.torch_whisper.device import Device
from decoder.engines.torch_whisper.device_loop import DeviceLoop
from decoder.engines.torch_whisper.network import TorchNetwork
from decoder.model_hub import CTRANSLATE2, HUGGING_FACE, OPENAI
from decoder.settings import EngineSettings
from decoder.types import ModelError
from decoder.whisper.engine import Backend, WhisperEngine
from decoder.whisper.utterance_cache import UtteranceStore
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["create", "read_vocabulary"]

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

FORMATS = (HUGGING_FACE, CTRANSLATE2, OPENAI)
"""Hugging Face's is mapped as it is, and has the most models."""

CPU_SLOTS = 4
"""Few: a partial in flight is decoded to its end, and cannot be replaced by a newer one as in the queue."""

CUDA_SLOTS = 64
"""Four lanes of 16: 2.6 GB of keys and values for large-v3-turbo, 20 GB for large-v3, in float16."""


def create(settings: EngineSettings) -> WhisperEngine:
    """Return an engine that loads its model in `warm_up`.

    Raises:
        ModelError: no model is named, or the device or the type is not available.
    """
    return WhisperEngine(settings, backend(settings))


def backend(settings: EngineSettings) -> Backend:
    """Return how torch computes with these settings.

    Args:
        settings: device, compute type, threads and slots.

    Raises:
        ModelError: the device or the type is not available.
    """
    devices = _devices(settings.device)
    dtype = _dtype(settings.compute_type, devices[0])
    slots = settings.slots or (CPU_SLOTS if devices[0].type == "cpu" else CUDA_SLOTS)

    def load(directory: Path, _utterances: UtteranceStore) -> Sequence[TorchNetwork]:
        if devices[0].type == "cpu":
            torch.set_num_threads(settings.cpu_threads or core_count())
        checkpoint = read_checkpoint(directory)
        vocabulary = read_vocabulary(directory, checkpoint)
        loops: list[DeviceLoop] = []
        for device in devices:
            try:
                loops.append(DeviceLoop(Device(checkpoint, vocabulary, device, dtype, slots)))
            except RuntimeError as error:
                for loop in loops:
                    loop.close()
                raise ModelError(f"model {directory} cannot be put on {device}: {error}") from error
        # In turns, so that few requests spread over all devices.
        return [TorchNetwork(loop, slot, vocabulary) for slot in range(slots) for loop in loops]

    return Backend("torch", devices[0].type, slots * len(devices), 1, FORMATS, load)


def _devices(name: str) -> list[torch.device]:
    count = torch.cuda.device_count()
    match name:
        case "cpu":
            return [torch.device("cpu")]
        case "cuda" | "auto" if count:
            return [torch.device("cuda", index) for index in range(count)]
        case "auto":
            return [torch.device("cpu")]
        case "cuda":
            raise ModelError("device cuda: torch finds no usable GPU; allowed are auto, cpu")
        case _:
            raise ModelError(f"device {name!r}: allowed are auto, cpu, cuda")


def _dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the type of the weights: float16, in which they were published, on a GPU, and float32 on a CPU."""
    if name in ("auto", "default"):
        return torch.float32 if device.type == "cpu" else torch.float16
    if name not in DTYPES:
        raise ModelError(f"compute type {name!r} of torch: allowed are auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def read_vocabulary(directory: Path, checkpoint: Checkpoint) -> Vocabulary:
    """Return the vocabulary beside a model's weights.

    Args:
        directory: of the model, or its file.
        checkpoint: its weights.

    Raises:
        ModelError: there is no usable tokenizer.json.
    """
    file = directory / "tokenizer.json" if directory.is_dir() else directory.with_name("tokenizer.json")
    try:
        # tokenizers raises a bare Exception for a corrupt file; this raises ValueError.
        text = file.read_text(encoding="utf-8")
        json.loads(text)
        tokenizer = tokenizers.Tokenizer.from_str(text)
    except (ValueError, OSError) as error:
        raise ModelError(f"model {directory} has no usable tokenizer.json: {error}") from error
    languages = _LANGUAGE_CODES if checkpoint.is_multilingual else ("en",)
    return Vocabulary(tokenizer, languages, is_multilingual=checkpoint.is_multilingual)
