"""Which token may come next: Whisper's rules for timestamps, as tensor arithmetic without branches on data."""

from typing import NamedTuple

import torch
from torch import Tensor

from decoder.engines.torch_whisper.term_bias import Bias
from decoder.whisper.batch_plan import LATEST_FIRST_TIME
from decoder.whisper.vocabulary import Vocabulary

__all__ = ["Choice", "History", "Rules"]


class History(NamedTuple):
    """What stands before the tokens that are to be chosen. All are [B, D].

    Attributes:
        previous: the token before, int64.
        before_previous: the one before that, int64.
        last_time: the last timestamp so far, int64; the token before <|0.00|> where there is none.
        length: tokens of the text so far, int64.
        is_timed: whether the text has timestamps, bool.
    """

    previous: Tensor
    before_previous: Tensor
    last_time: Tensor
    length: Tensor
    is_timed: Tensor


class Choice(NamedTuple):
    """What is chosen. Both are [B, D].

    Attributes:
        tokens: int64.
        logprobs: of them, float32, nats, among all tokens that were allowed.
    """

    tokens: Tensor
    logprobs: Tensor


class _Allowed(NamedTuple):
    """What is allowed beside the tokens that never are. All are [B, D] but `times`, bool[B, D, times]."""

    text: Tensor
    end: Tensor
    times: Tensor


class Rules:
    """The rules of openai/whisper's `ApplyTimestampRules`.

    Timestamps come in pairs, except at the start and the end of the text, never go back, begin within the first second,
    and are chosen where all of them together are likelier than the likeliest text token.

    Args:
        vocabulary: of the model.
        size: tokens of the vocabulary, as the network has them.
        device: of the model.
    """

    def __init__(self, vocabulary: Vocabulary, size: int, device: torch.device) -> None:
        self.end = vocabulary.eot
        self.first_time = vocabulary.first_time
        suppressed = torch.zeros(size, device=device)
        suppressed[list(vocabulary.suppressed)] = -torch.inf
        self._suppressed = suppressed
        self._marks = torch.zeros(size, dtype=torch.bool, device=device)
        self._marks[list(vocabulary.marks)] = True
        self._marks[self.first_time :] = True

    def choose(
        self, logits: Tensor, history: History, temperature: Tensor | None = None, bias: Bias | None = None
    ) -> Choice:
        """Return the most likely token of each place, or a random one.

        Terms add to what decides, timestamps against text included, and nothing to log probabilities: these say how
        sure the model is, whatever the terms.

        Args:
            logits: float32[B, D, vocabulary]; changed.
            history: of each place.
            temperature: float32[B]; 0: the most likely. None: all are 0, and no random numbers are drawn.
            bias: of the terms; None: no row has any.
        """
        logits += self._suppressed
        biased = logits if bias is None else bias.added_to(logits)
        allowed = self._allowed(biased, history)
        total = self._log_total(logits, allowed)
        scores = biased if temperature is None else _noisy(biased, temperature)
        best_text, text = scores[..., : self.first_time].max(-1)
        best_end = scores[..., self.end].where(allowed.end, -torch.inf)
        text = text.where(allowed.text, self.end)
        best_text = best_text.where(allowed.text, best_end)
        best_time, time = scores[..., self.first_time :].masked_fill(~allowed.times, -torch.inf).max(-1)
        tokens = text.where(best_text >= best_time, time + self.first_time)
        return Choice(tokens, logits.gather(-1, tokens[..., None])[..., 0] - total)

    def log_probs(self, logits: Tensor, history: History, bias: Bias | None = None) -> Tensor:
        """Return the log probability of every token, float32[B, D, vocabulary], -∞ where it is not allowed.

        Terms have a say in what is allowed, timestamps or text, and add nothing else.

        Args:
            logits: float32[B, D, vocabulary]; changed.
            history: of each place.
            bias: of the terms; None: no row has any.
        """
        logits += self._suppressed
        allowed = self._allowed(logits if bias is None else bias.added_to(logits), history)
        total = self._log_total(logits, allowed)
        end = logits[..., self.end].where(allowed.end, -torch.inf)
        logits[..., : self.first_time].masked_fill_(~allowed.text[..., None], -torch.inf)
        logits[..., self.first_time :].masked_fill_(~allowed.times, -torch.inf)
        logits[..., self.end] = end
        return logits - total[..., None]

    def is_time(self, tokens: Tensor) -> Tensor:
        """Return which tokens are timestamps."""
        return tokens >= self.first_time

    def is_mark(self, tokens: Tensor) -> Tensor:
        """Return which tokens are timestamps or punctuation marks, which one hypothesis has and another has not."""
        return self._marks[tokens]

    def _allowed(self, logits: Tensor, history: History) -> _Allowed:
        is_first = history.length == 0
        follows_time = self.is_time(history.previous) & ~is_first
        is_closed = self.is_time(history.before_previous) | (history.length < 2)
        follows_pair, follows_single = follows_time & is_closed, follows_time & ~is_closed
        # A pair may be of one time; after text the next must be later.
        earliest = history.last_time - self.first_time + (~follows_single).long()
        latest = torch.where(is_first, LATEST_FIRST_TIME, logits.shape[-1] - self.first_time - 1)
        time = torch.arange(logits.shape[-1] - self.first_time, device=logits.device)
        in_range = (time >= earliest[..., None]) & (time <= latest[..., None]) & ~follows_pair[..., None]
        times = in_range | ~history.is_timed[..., None]
        text = ~(is_first | follows_single) | ~history.is_timed
        end = ~is_first | ~history.is_timed
        likeliest_text = (
            logits[..., : self.first_time].amax(-1).where(text, logits[..., self.end].where(end, -torch.inf))
        )
        of_times = logits[..., self.first_time :].masked_fill(~times, -torch.inf).logsumexp(-1)
        is_text = (of_times <= likeliest_text) | ~history.is_timed
        return _Allowed(text & is_text, end & is_text, times)

    def _log_total(self, logits: Tensor, allowed: _Allowed) -> Tensor:
        end = logits[..., self.end].where(allowed.end, -torch.inf)
        of_text = logits[..., : self.first_time].logsumexp(-1).where(allowed.text, end)
        of_times = logits[..., self.first_time :].masked_fill(~allowed.times, -torch.inf).logsumexp(-1)
        return torch.logaddexp(of_text, of_times)


def _noisy(logits: Tensor, temperature: Tensor) -> Tensor:
    """Return scores whose greatest is a draw at each row's temperature (Gumbel-max); those of 0 are as they are."""
    noise = -torch.empty_like(logits).exponential_().log()
    warm = logits / temperature.clamp(min=1e-3)[:, None, None] + noise
    return warm.where((temperature > 0)[:, None, None], logits)
