"""PURE: the text of one utterance, read greedily, or verified where there is a draft of it."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from decoder.engines.moonshine.tokenizer import BEGIN, END
from vad.audio import SAMPLE_RATE_HZ, Float32

__all__ = ["Looked", "Read", "Text", "echo_start", "token_limit", "write"]

TOKENS_PER_S = 10
"""Moonshine's model card stops at 6.5, against loops. English at 5 words a second takes 7, digits one after the other
up to 12 for a short time; loops are looked for on their own."""

SLACK_TOKENS = 6
"""So that a word cut short by the start or the end of the audio has room."""

REACH = 4
"""Tokens of the draft among which it is found again after a place where it does not hold."""

LOOP_TOKENS = 21
LOOP_REPEATS = 3
LONGEST_UNIT = 16
"""Tokens. A text that ends in three times the same phrase, 21 tokens or more, is a loop: people say no ten times, which
is 20 tokens with its commas, but no sentence three times."""


@dataclass(frozen=True, slots=True)
class Read:
    """What is to be read next of a text.

    Attributes:
        kept: so many tokens of what has been read, the beginning of the text included; the others are forgotten.
        tokens: that are read then, one at least.
    """

    kept: int
    tokens: tuple[int, ...]


Looked = tuple[Float32, Float32]
"""float32[tokens, vocabulary], logits of what comes after each token; float32[tokens, positions], where it looks."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """What was read out of an utterance.

    Attributes:
        tokens: without the end of the text, and without what a loop repeated.
        logprobs: of each token, and of the end where it was reached, nats.
        attention: float32[1 + tokens, positions], where the beginning of the text and each token look.
        end_probability: that there is no text at all, 0..1.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    attention: Float32
    end_probability: float


def write(forced: Sequence[int], draft: Sequence[int], limit: int) -> Generator[Read, Looked, Text]:
    """Return the text that is likeliest token by token.

    It yields what it wants to be read, and takes what was found then. So any number of texts are written together.

    Args:
        forced: tokens that the text must begin with; fewer than `limit`.
        draft: what the text may be; may be empty.
        limit: most tokens.
    """
    ahead = tuple(draft if tuple(draft[: len(forced)]) == tuple(forced) else forced)[:limit]  # read, not yet verified
    rest = ahead  # of the draft, read or not
    following, attention = yield Read(0, (BEGIN, *ahead))
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
        echo = echo_start(tokens)
        if echo is not None:
            tokens, logprobs = tokens[:echo], logprobs[:echo]
            break
        if ahead[:1] == (token,):
            ahead = rest = ahead[1:]
            following = following[1:]
        else:
            if token in rest[:REACH]:
                ahead = rest = rest[rest.index(token) + 1 :][: limit - len(tokens)]
            else:
                ahead = ()
            following, looks = yield Read(len(tokens), (token, *ahead))
            attention = np.concatenate([attention[: len(tokens)], looks])
    return Text(tuple(tokens), tuple(logprobs), attention[: 1 + len(tokens)], end_probability)


def token_limit(samples: int) -> int:
    """Return the most tokens that so much audio is written with."""
    return SLACK_TOKENS + samples * TOKENS_PER_S // SAMPLE_RATE_HZ


def echo_start(tokens: Sequence[int]) -> int | None:
    """Return where a loop at the end of the text begins to repeat itself, or None: its unit is kept once."""
    for period in range(1, LONGEST_UNIT + 1):
        length = max(LOOP_TOKENS, LOOP_REPEATS * period)
        if len(tokens) >= length and tokens[-length:-period] == tokens[period - length :]:
            return len(tokens) - length + period
    return None


def _log_softmax(logits: Float32) -> Float32:
    shifted = logits - logits.max()
    likelihoods: Float32 = shifted - np.log(np.exp(shifted).sum())
    return likelihoods
