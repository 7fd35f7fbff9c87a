"""A Whisper with random weights that is small enough for tests, and whose texts vary, and Whisper's rules in Python."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers
from torch import Tensor

from decoder.engines.torch_whisper.checkpoint import Checkpoint, random_checkpoint
from decoder.engines.torch_whisper.dims import Dims
from decoder.engines.torch_whisper.rules import Rules
from decoder.whisper.batch_plan import LATEST_FIRST_TIME
from decoder.whisper.vocabulary import Vocabulary
from tests.checkpoints import write_hugging_face

__all__ = ["DIMS", "checkpoint", "rules", "rules_log_probs", "tokenizer", "vocabulary", "write_small_whisper"]

TIMES = 101

SPECIALS = (
    *("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>"),
    *("<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
    *(f"<|{step * 0.02:.2f}|>" for step in range(TIMES)),
)

DIMS = Dims(
    mels=80,
    width=32,
    heads=4,
    encoder_layers=2,
    decoder_layers=2,
    vocabulary=256 + len(SPECIALS),
    audio_positions=256,
    text_positions=96,
)


def tokenizer() -> tokenizers.Tokenizer:
    """Return a tokenizer of single bytes, with Whisper's special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(SPECIALS))
    return made


@cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary of the small models."""
    return Vocabulary(tokenizer(), ("en",), is_multilingual=False)


@cache
def rules() -> Rules:
    """Return the rules over it."""
    return Rules(vocabulary(), DIMS.vocabulary, torch.device("cpu"))


@cache
def checkpoint(dims: Dims = DIMS, seed: int = 0) -> Checkpoint:
    """Return float32 weights that make texts vary: every place and every audio has other tokens, and texts end."""
    drawn = random_checkpoint(dims, seed)
    tensors = {name: tensor.float().clone() for name, tensor in drawn.tensors.items()}
    tensors["decoder.embed_positions.weight"] *= 16
    for layer in range(dims.decoder_layers):
        tensors[f"decoder.layers.{layer}.encoder_attn.q_proj.weight"] *= 8
        tensors[f"decoder.layers.{layer}.encoder_attn.out_proj.weight"] *= 3
    embedding = tensors["decoder.embed_tokens.weight"]
    embedding *= 4
    embedding[vocabulary().eot] *= 2.2
    embedding[vocabulary().first_time :] *= 0.9
    return replace(drawn, tensors=tensors)


def write_small_whisper(directory: Path, dims: Dims, seed: int = 0) -> Path:
    """Write a small model in Hugging Face's format, and return its directory."""
    write_hugging_face(directory, checkpoint(dims, seed).tensors, dims)
    (directory / "tokenizer.json").write_text(tokenizer().to_str(), encoding="utf-8")
    return directory


def rules_log_probs(logits: Tensor, text: Sequence[int], *, is_timed: bool) -> Tensor:
    """Return the log probability of every next token, as openai/whisper's filters of logits have it.

    Args:
        logits: float32[vocabulary].
        text: tokens after the prompt.
        is_timed: whether `ApplyTimestampRules` are applied, or only the tokens that never occur are left out.
    """
    words, logits = vocabulary(), logits.clone()
    first_time, end = words.first_time, words.eot
    logits[list(words.suppressed)] = -np.inf
    if not is_timed:
        return logits.log_softmax(-1)
    was_time = bool(text) and text[-1] >= first_time
    was_closed = len(text) < 2 or text[-2] >= first_time
    if was_time:
        logits[first_time if was_closed else 0 : None if was_closed else end] = -np.inf
    times = [token for token in text if token >= first_time]
    if times:
        logits[first_time : times[-1] + (0 if was_time and not was_closed else 1)] = -np.inf
    if not text:
        logits[:first_time] = -np.inf
        logits[first_time + LATEST_FIRST_TIME + 1 :] = -np.inf
    log_probs = logits.log_softmax(-1)
    if log_probs[first_time:].logsumexp(-1) > log_probs[:first_time].max():
        logits[:first_time] = -np.inf
    return logits.log_softmax(-1)
