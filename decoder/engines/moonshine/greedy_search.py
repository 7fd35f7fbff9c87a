"""PURE: generates the text of one utterance greedily, verifying a draft of it in one pass if there is one."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from decoder.engines.moonshine.tokenizer import BEGIN, END
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["DecoderStep", "StepOutput", "Text", "generate", "repetition_start", "token_limit"]

TOKENS_PER_S = 10
"""Limits the length of the text. Moonshine's model card stops at 6.5, against loops. English at 5 words a second takes
7, a sequence of digits up to 12 for a short time; loops are detected separately."""

SLACK_TOKENS = 6
"""Allowance for words truncated at the start or the end of the audio."""

REACH = 4
"""After a mismatch, the draft is resumed if the token is among its next `REACH` ones."""

LOOP_TOKENS = 21
LOOP_REPEATS = 3
MAX_UNIT_TOKENS = 16
"""A text that ends in the same phrase three times, 21 tokens or more, is a loop: people say no ten times, which is 20
tokens with its commas, but no sentence three times."""


@dataclass(frozen=True, slots=True)
class DecoderStep:
    """The next input of the decoder.

    Attributes:
        kept: number of tokens kept of those read so far, `BEGIN` included; later ones are discarded.
        tokens: tokens read after them, at least one.
    """

    kept: int
    tokens: tuple[int, ...]


StepOutput = tuple[Float32, Float32]
"""The logits after each token, float32[tokens, vocabulary], and its attention, float32[tokens, positions]."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """The text generated for an utterance.

    Attributes:
        tokens: without `END`, and without the repetitions of a loop.
        logprobs: of each token, and of `END` if it was reached, in nats.
        attention: float32[1 + tokens, positions], of `BEGIN` and of each token.
        end_probability: probability of an empty text, 0..1.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    attention: Float32
    end_probability: float


def generate(forced: Sequence[int], draft: Sequence[int], limit: int) -> Generator[DecoderStep, StepOutput, Text]:
    """Generate the text whose every token is the likeliest, and return it.

    The generator yields the steps for the decoder and is sent their outputs, so that many texts can share each step.

    Args:
        forced: tokens that the text must begin with; fewer than `limit`.
        draft: a guess of the text; may be empty.
        limit: maximum tokens.
    """
    unverified = tuple(draft if tuple(draft[: len(forced)]) == tuple(forced) else forced)[:limit]
    rest = unverified  # of the draft, read or not
    following, attention = yield DecoderStep(0, (BEGIN, *unverified))
    end_probability = float(np.exp(_log_softmax(following[0])[END]))
    tokens: list[int] = []
    logprobs: list[float] = []
    while len(tokens) < limit:
        likelihoods = _log_softmax(following[0])
        token = forced[len(tokens)] if len(tokens) < len(forced) else int(np.argmax(likelihoods))
        logprobs.append(float(likelihoods[token]))
        if token == END:
            break
        tokens.append(token)
        end = repetition_start(tokens)
        if end is not None:
            tokens, logprobs = tokens[:end], logprobs[:end]
            break
        if unverified[:1] == (token,):
            unverified = rest = unverified[1:]
            following = following[1:]
        else:
            if token in rest[:REACH]:
                unverified = rest = rest[rest.index(token) + 1 :][: limit - len(tokens)]
            else:
                unverified = ()
            following, new_attention = yield DecoderStep(len(tokens), (token, *unverified))
            attention = np.concatenate([attention[: len(tokens)], new_attention])
    return Text(tuple(tokens), tuple(logprobs), attention[: 1 + len(tokens)], end_probability)


def token_limit(samples: int) -> int:
    """Return the maximum number of tokens for this many samples of audio."""
    return SLACK_TOKENS + samples * TOKENS_PER_S // SAMPLE_RATE_HZ


def repetition_start(tokens: Sequence[int]) -> int | None:
    """Return the index at which a loop at the end of the text begins to repeat its unit; None without a loop."""
    for period in range(1, MAX_UNIT_TOKENS + 1):
        length = max(LOOP_TOKENS, LOOP_REPEATS * period)
        if len(tokens) >= length and tokens[-length:-period] == tokens[period - length :]:
            return len(tokens) - length + period
    return None


def _log_softmax(logits: Float32) -> Float32:
    shifted = logits - logits.max()
    likelihoods: Float32 = shifted - np.log(np.exp(shifted).sum())
    return likelihoods
