"""The engines that the contract is checked on, and requests for them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from decoder.engine import Engine
from decoder.engine_selection import create_engine
from decoder.engines.moonshine import engine as moonshine
from decoder.engines.whisper import engine as whisper
from decoder.packaged_models import EMBEDDED
from decoder.settings import EngineSettings, PoolSettings, RaySettings
from decoder.types import DecodeRequest, EngineError, Hypothesis, RequestKind
from tests.upstreams import ServedEngine
from tools.real_models import model_directory
from tools.synthetic_whisper import SIZES, write_model
from vad.audio import Float32

LANGUAGES = ("en", "zh", "de", "es", "ru", "ko", "fr", "ja")
SENTENCE = " one two three, four five six seven eight nine ten."

_END_OF_TEXT = 50_257
_OFFICIAL_LANGUAGES = 99
_TIMES = 1501


def digits_model() -> Path | None:
    """Return the directory of a small Whisper trained on English digits; None if it is missing."""
    found = Path(__file__).resolve().parents[2].parent / "shared" / "models" / "digits-ct2-int8"
    return found if found.is_dir() else None


def write_micro_whisper(directory: Path, sentence: str = SENTENCE) -> Path:
    """Write a Whisper that outputs the sentence for any audio, and return its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer()
    described = directory / "described.json"
    tokenizer.save(str(described))
    write_model(SIZES["micro"], directory, described, tokenizer.encode(sentence).ids)
    described.unlink()
    return directory


def request(samples: Float32, **fields: object) -> DecodeRequest:
    """Return a request with defaults for fields that do not matter to the test."""
    defaults: dict[str, object] = {
        "session_id": "session",
        "utterance_id": 1,
        "revision": 1,
        "kind": RequestKind.PARTIAL,
        "start_sample": 0,
        "deadline_s": 0.0,
        "language": "en",
    }
    build: Callable[..., DecodeRequest] = DecodeRequest
    return build(samples=samples, **{**defaults, **fields})


def same(one: Hypothesis | EngineError, other: Hypothesis | EngineError) -> bool:
    """Return whether two answers are equal except for rounding of probabilities."""
    if isinstance(one, EngineError) or isinstance(other, EngineError):
        return type(one) is type(other) and str(one) == str(other)
    return (
        (one.session_id, one.utterance_id, one.revision, one.language)
        == (other.session_id, other.utterance_id, other.revision, other.language)
        and [(word.text, word.start_sample, word.end_sample) for word in one.words]
        == [(word.text, word.start_sample, word.end_sample) for word in other.words]
        and one.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-3)
    )


def _tokenizer() -> Tokenizer:
    """Return a byte-level tokenizer with Whisper's special tokens at their official indices, and few words."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator([SENTENCE] * 8, trainer)
    trained.decoder = decoders.ByteLevel()
    described = json.loads(trained.to_str())
    vocabulary = described["model"]["vocab"]
    # The last is empty, as in the official multilingual vocabulary: CTranslate2 detects a multilingual model by it.
    vocabulary |= {f"<|unused_{place}|>": place for place in range(len(vocabulary), _END_OF_TEXT - 1)}
    vocabulary[""] = _END_OF_TEXT - 1
    tokenizer = Tokenizer.from_str(json.dumps(described))
    unused = [f"<|unused_language_{place}|>" for place in range(_OFFICIAL_LANGUAGES - len(LANGUAGES))]
    tasks = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    tokenizer.add_special_tokens(
        [
            "<|endoftext|>",
            "<|startoftranscript|>",
            *(f"<|{code}|>" for code in LANGUAGES),
            *unused,
            *(f"<|{task}|>" for task in tasks),
            *(f"<|{step * 0.02:.2f}|>" for step in range(_TIMES)),
        ]
    )
    return tokenizer


@dataclass(frozen=True, slots=True)
class EngineCase:
    """One engine that the contract is checked on.

    Attributes:
        name: part of the test's name.
        make: creates the engine, given an empty directory; None if the model is missing.
        languages: two that it supports, or one twice.
        refused_language: one that it does not support; None if it accepts any.
    """

    name: str
    make: Callable[[Path], Engine | None]
    languages: tuple[str, str]
    refused_language: str | None


def _micro_whisper(directory: Path) -> Engine:
    return _whisper(write_micro_whisper(directory))


def _micro_whisper_process(directory: Path) -> Engine:
    model = str(write_micro_whisper(directory))
    return create_engine(EngineSettings("whisper", model, device="cpu", cpu_threads=1, own_process=True))


def _ray_micro_whisper(directory: Path) -> Engine | None:
    if find_spec("ray") is None:
        return None
    model = str(write_micro_whisper(directory))
    replicas = RaySettings(engine="whisper", replicas=2, cpus=0.5)
    return create_engine(EngineSettings("ray", model, device="cpu", cpu_threads=1, ray=replicas))


def _digits_whisper(directory: Path) -> Engine | None:
    model = digits_model()
    return None if model is None else _whisper(model)


def _embedded_whisper(directory: Path) -> Engine:
    """Create an engine without temperature fallback: real weights doubt noise, and would be sampled on it."""
    settings = EngineSettings(model=EMBEDDED, device="cpu", cpu_threads=1, final_temperatures=(0.0,))
    return whisper.create(settings)


def _trimmed_whisper(directory: Path) -> Engine | None:
    model = digits_model()
    return None if model is None else _whisper(model, final_window="trimmed")


def _whisper(model: Path, final_window: Literal["trimmed", "full"] = "full") -> Engine:
    return whisper.create(EngineSettings(model=str(model), device="cpu", cpu_threads=1, final_window=final_window))


def _micro_torch(directory: Path) -> Engine | None:
    return _torch(write_micro_whisper(directory))


def _digits_torch(_directory: Path) -> Engine | None:
    model = digits_model()
    return None if model is None else _torch(model.with_name("digits-hf"), final_window="trimmed")


def _torch(model: Path, final_window: Literal["trimmed", "full"] = "full") -> Engine | None:
    if find_spec("torch") is None:
        return None
    settings = EngineSettings(model=str(model), device="cpu", cpu_threads=1, final_window=final_window)
    return create_engine(replace(settings, name="torch"))


def _upstream(_directory: Path) -> Engine:
    return ServedEngine(PoolSettings(partial_share=100.0, eager_share=100.0), formats=("verbose_json", "json"))


def _upstream_with_partials(_directory: Path) -> Engine:
    return ServedEngine(PoolSettings(partials="upstream", partial_share=100.0, eager_share=100.0))


def _moonshine(_directory: Path) -> Engine | None:
    model = model_directory("moonshine-tiny-en")
    return None if model is None else moonshine.create(EngineSettings(model=str(model), cpu_threads=1))


ENGINE_CASES = (
    EngineCase("micro-whisper", _micro_whisper, ("en", "ja"), "xx"),
    EngineCase("micro-whisper-process", _micro_whisper_process, ("en", "ja"), "xx"),
    EngineCase("ray-micro-whisper", _ray_micro_whisper, ("en", "ja"), "xx"),
    EngineCase("digits-whisper", _digits_whisper, ("en", "de"), "xx"),
    EngineCase("trimmed-whisper", _trimmed_whisper, ("en", "de"), "xx"),
    EngineCase("tiny.en", _embedded_whisper, ("en", "en"), "de"),
    EngineCase("micro-torch", _micro_torch, ("en", "ja"), "xx"),
    EngineCase("digits-torch", _digits_torch, ("en", "de"), "xx"),
    EngineCase("moonshine", _moonshine, ("en", "en"), "de"),
    EngineCase("upstream", _upstream, ("en", "de"), None),
    EngineCase("upstream-partials", _upstream_with_partials, ("en", "de"), None),
)
