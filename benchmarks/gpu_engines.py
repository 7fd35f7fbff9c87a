"""The engines whose streams are counted on a GPU: Whisper in torch, and CTranslate2's, of the same shape."""

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch

from benchmarks.gpu_models import (
    SpeakingLoop,
    speaking_checkpoint,
    speaking_tokenizer,
    speaking_vocabulary,
    spoken_tokens,
)
from decoder.engines.torch_whisper.device import Device
from decoder.engines.torch_whisper.dims import Dims
from decoder.engines.torch_whisper.network import TorchNetwork
from decoder.model_hub import ModelFormat
from decoder.settings import EngineSettings
from decoder.whisper.engine import Backend, WhisperEngine
from decoder.whisper.utterance_cache import UtteranceStore
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["SpeakingModel", "ctranslate2_engine", "has_ctranslate2_gpu", "loaded_model"]

NO_FILES = ModelFormat("random weights", ())

TEXT_TOKENS = 16
"""Of every text of the CTranslate2 model, whatever its audio: of real speech partials have 14.3 and finals 25."""


class SpeakingModel:
    """A speaking checkpoint on a device, for engines one after the other.

    Args:
        dims: of the model.
        device: where to.
        dtype: of the weights on it.
        slots: requests in flight.
    """

    def __init__(self, dims: Dims, device: torch.device, dtype: torch.dtype, slots: int) -> None:
        self.vocabulary: Vocabulary = speaking_vocabulary(dims)
        self._device, self._slots = device, slots
        checkpoint = speaking_checkpoint(dims, self.vocabulary)
        self.loop = SpeakingLoop(Device(checkpoint, self.vocabulary, device, dtype, slots))

    def engine(self, final_window: Literal["trimmed", "full"]) -> WhisperEngine:
        """Return an engine that uses it, and that must not be closed."""
        settings = EngineSettings(
            name="torch",
            model=str(Path(__file__).parent),
            slots=self._slots,
            final_window=final_window,
            final_temperatures=(0.0,),
            offline=True,
        )
        return WhisperEngine(settings, Backend("torch", self._device.type, self._slots, 1, (NO_FILES,), self._load))

    def _load(self, _directory: Path, _utterances: UtteranceStore) -> Sequence[TorchNetwork]:
        return [TorchNetwork(self.loop, slot, self.vocabulary) for slot in range(self._slots)]


@contextmanager
def loaded_model(dims: Dims, device: torch.device, dtype: torch.dtype, slots: int) -> Iterator[SpeakingModel]:
    """Load a model for a while."""
    model = SpeakingModel(dims, device, dtype, slots)
    try:
        yield model
    finally:
        model.loop.close()


def has_ctranslate2_gpu() -> bool:
    """Return whether CTranslate2 is installed and finds a GPU."""
    if importlib.util.find_spec("ctranslate2") is None:
        return False
    import ctranslate2

    count: int = ctranslate2.get_cuda_device_count()
    return count > 0


def ctranslate2_engine(name: str, dims: Dims, folder: Path, device: str, quantization: str | None) -> WhisperEngine:
    """Write a synthetic model of CTranslate2, and return an engine with it.

    Args:
        name: in `tools.synthetic_whisper.SIZES`.
        dims: of that size.
        folder: to write to; gigabytes.
        device: cpu or cuda.
        quantization: CTranslate2's type of the weights.
    """
    from decoder.engines.whisper.engine import create
    from tools.synthetic_whisper import SIZES, write_model

    tokenizer = folder / "speaking.json"
    speaking_tokenizer(dims).save(str(tokenizer))
    tokens = spoken_tokens(speaking_vocabulary(dims))[:TEXT_TOKENS]
    write_model(SIZES[name], folder / name, tokenizer, tokens, quantization=quantization)
    return create(
        EngineSettings(name="whisper", model=str(folder / name), device=device, final_temperatures=(0.0,), offline=True)
    )
