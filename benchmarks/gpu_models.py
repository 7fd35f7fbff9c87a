"""Whispers of any size with random weights whose text is set, so that what is decoded is as long as real text.

What a decode costs depends on shapes and on how many tokens come out, not on the weights. As in the module
`tools.synthetic_whisper`, the position embeddings carry the token that comes next. How much of that text there is in
the audio is set by the limit of each request, and how much of the draft agrees by spoiling its end.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from decoder.engines.torch_whisper.checkpoint import Checkpoint, random_checkpoint
from decoder.engines.torch_whisper.device_loop import AnyJob, DeviceLoop
from decoder.engines.torch_whisper.dims import Dims
from decoder.engines.torch_whisper.jobs import Generate
from decoder.engines.torch_whisper.slots import Start
from decoder.whisper.batch_plan import FRAMES_PER_SECOND
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["SIZES", "SpeakingLoop", "as_spoken", "speaking_checkpoint", "speaking_tokenizer", "speaking_vocabulary"]

SIZES = {
    "micro": Dims(80, 64, 2, 2, 2, 51_865),  # for rehearsals; no official size is this small
    "large-v3-turbo": Dims(128, 1280, 20, 32, 4, 51_866),
    "large-v3": Dims(128, 1280, 20, 32, 32, 51_866),
}

WORDS = ["".join(letters) for letters in product("bdfgklmnprstvz", "aeiou", "bdgklmnprst")]
"""They are not repeated in half a minute, so that no text is a loop."""

END_OF_TEXT = 50_257
TIMES = 1501

PROMPT_TOKENS = 4
"""<|startoftranscript|>, language and task, and then <|notimestamps|> or the first timestamp."""

LOUDNESS = 20.0
"""By how much a position's token outweighs the random rest."""

CERTAINTY = 24.0
"""The least logit of the token that comes next; the other 50 000 are about 1."""

QUIET = 0.01
"""What the decoder's layers are scaled by, so that they do not change what the positions say."""

ALIGNMENT_HEADS = 10
"""Of large-v3; a checkpoint that names none has half of all, 320."""

TOKENS_PER_S = 3.3
"""Of the 14.3 tokens of a partial of real speech, whose windows are 4.3 s long on average."""

SPOILED_TOKENS = 2
"""Of a draft: with it a partial takes 3.7 passes every 0.5 s and 5.3 every 1 s; of real speech, tiny.en and base take
3.3 to 3.8 and 5.0 to 5.5, and 73 to 79 % of the tokens agree with the draft."""

WRONG_TOKEN = 10


def speaking_tokenizer(dims: Dims) -> Tokenizer:
    """Return a byte-level tokenizer with Whisper's special tokens in their official places, and few words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = list(dict.fromkeys(pair for word in WORDS for pair in _merges(word)))
    vocabulary = {token: place for place, token in enumerate([*alphabet, *("".join(pair) for pair in merges)])}
    vocabulary |= {f"<|unused_{place}|>": place for place in range(len(vocabulary), END_OF_TEXT - 1)}
    vocabulary[""] = END_OF_TEXT - 1  # as in the official vocabulary; CTranslate2 knows by it that there are languages
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tasks = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    languages = dims.vocabulary - END_OF_TEXT - 2 - len(tasks) - TIMES
    tokenizer.add_special_tokens(
        [
            "<|endoftext|>",
            "<|startoftranscript|>",
            *(f"<|{code}|>" for code in _LANGUAGE_CODES[:languages]),
            *(f"<|{task}|>" for task in tasks),
            *(f"<|{step * 0.02:.2f}|>" for step in range(TIMES)),
        ]
    )
    return tokenizer


def speaking_vocabulary(dims: Dims) -> Vocabulary:
    """Return the vocabulary of `speaking_tokenizer`."""
    return Vocabulary(speaking_tokenizer(dims), _LANGUAGE_CODES, is_multilingual=True)


def speaking_checkpoint(dims: Dims, vocabulary: Vocabulary) -> Checkpoint:
    """Return random weights whose text is `spoken_tokens`.

    Args:
        dims: its sizes; the vocabulary has a whole tokenizer's.
        vocabulary: of `speaking_vocabulary`.
    """
    checkpoint = random_checkpoint(dims)
    tensors = dict(checkpoint.tensors)
    text = spoken_tokens(vocabulary)
    follows = [text[(place + 1 - PROMPT_TOKENS) % len(text)] for place in range(dims.text_positions)]
    follows[PROMPT_TOKENS - 2] = vocabulary.first_time
    embedding = tensors["decoder.embed_tokens.weight"]
    tensors["decoder.embed_positions.weight"] = LOUDNESS * embedding[follows]
    tensors["decoder.layer_norm.weight"] = tensors["decoder.layer_norm.weight"] * max(1.0, CERTAINTY / dims.width**0.5)
    for name, tensor in checkpoint.tensors.items():
        if name.startswith("decoder.layers.") and name.endswith(("out_proj.weight", "fc2.weight")):
            tensors[name] = tensor * QUIET
    return replace(checkpoint, tensors=tensors, alignment_heads=checkpoint.alignment_heads[:ALIGNMENT_HEADS])


def spoken_tokens(vocabulary: Vocabulary) -> Sequence[int]:
    """Return the tokens of the text that every decode yields, as far as its limit."""
    return vocabulary.tokens("".join(f" {word}" for word in WORDS))


def as_spoken(start: Start) -> Start:
    """Return a request with as many new tokens as its audio would have, and a draft that is wrong at its end. PURE."""
    audio_s = start.content * 2 / FRAMES_PER_SECOND
    tokens = max(1, round(audio_s * TOKENS_PER_S)) + start.is_timed
    kept = max(0, len(start.draft) - SPOILED_TOKENS)
    draft = (*start.draft[:kept], *[WRONG_TOKEN] * (len(start.draft) - kept))
    return replace(start, limit=min(start.limit, tokens), draft=draft)


class SpeakingLoop(DeviceLoop):
    """The loop of a device with a speaking checkpoint: texts are as long as their audio would make them."""

    def submit(self, job: AnyJob) -> None:
        """Let a job be computed, a text only to the length of its audio."""
        if isinstance(job, Generate):
            job.start = as_spoken(job.start)
        super().submit(job)


def _merges(word: str) -> list[tuple[str, str]]:
    parts = f"Ġ{word}"
    return [(parts[:place], parts[place]) for place in range(1, len(parts))]
