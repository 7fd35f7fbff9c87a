"""Beam search over the audio of one slot, for texts that greedy decoding is unsure of."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from decoder.engines.torch_whisper.model import CrossStore, OwnStore, Weights, decode
from decoder.engines.torch_whisper.rules import History, Rules
from decoder.engines.torch_whisper.slots import Finished, Start
from decoder.engines.torch_whisper.term_bias import Bias, TermBias

__all__ = ["beam_search"]


def beam_search(
    weights: Weights,
    rules: Rules,
    cross: CrossStore,
    start: Start,
    beams: int,
    no_speech: int,
    bias: TermBias | None = None,
) -> Iterator[Finished | None]:
    """Yield None after each pass of the decoder, and the best text at last.

    As in openai/whisper with patience 1: it ends when as many texts are complete as there are beams, or at the limit,
    where the best of those that go on are added. The best is the one of the greatest score per token: its log
    probability, and what it gained by terms.

    Args:
        weights: of the model.
        rules: for the next token.
        cross: of the audio, as many rows as there are beams.
        start: the text's; its draft and its temperature are of no account.
        beams: texts that are followed at the same time, ≥ 1.
        no_speech: <|nospeech|>.
        bias: the lists of terms; None: there are none.
    """
    texts = _Texts(weights, rules, cross, start, beams, bias)
    complete: list[_Text] = []
    silent = 0.0
    for done in range(start.limit):
        states = texts.enter()
        if done == 0:
            silent = float(functional.linear(states[0, start.start], weights.embedding).float().softmax(-1)[no_speech])
        goes_on = texts.choose(states[:, -1:], complete)
        if len(complete) >= beams or not goes_on:
            break
        yield None
    complete += texts.unfinished()[: max(0, beams - len(complete))]
    best = max(complete, key=lambda text: text.score / (len(text.tokens) + 1))
    yield Finished(best.tokens, (), best.logprob, silent, done + 1)


class _Text(NamedTuple):
    """A text: tokens after those forced, and their sums: of log probabilities with what they gained, and without."""

    tokens: tuple[int, ...]
    score: float
    logprob: float


class _Texts:
    """The texts that are followed, a row each."""

    def __init__(
        self, weights: Weights, rules: Rules, cross: CrossStore, start: Start, beams: int, bias: TermBias | None
    ) -> None:
        ids = [*start.prompt, *start.forced]
        self._weights, self._rules, self._cross, self._bias = weights, rules, cross, bias
        self._beams, self._is_timed, self._begin = beams, start.is_timed, len(ids)
        self._own = OwnStore.empty(weights, beams, len(ids) + start.limit + 1)
        self._entered = 0
        self._tokens = torch.tensor([ids] * beams, device=weights.device)
        self._logprobs = torch.zeros(beams, device=weights.device)
        self._scores = torch.full((beams,), -torch.inf, device=weights.device)
        self._scores[0] = 0.0  # all are the same before the first choice
        self._terms = torch.full((beams,), start.terms, device=weights.device)

    def enter(self) -> Tensor:
        """Take in the tokens that are new, and return their states."""
        entering = self._tokens[:, self._entered :]
        first = torch.full((self._beams,), self._entered, device=entering.device)
        self._entered = self._tokens.shape[1]
        states, _ = decode(self._weights, self._own, self._cross, entering, first, self._entered)
        return states

    def choose(self, states: Tensor, complete: list[_Text]) -> bool:
        """Follow the best texts by one more token, add those that end to the complete ones.

        Returns:
            Whether any goes on; if none does, all are as they were.
        """
        logits = functional.linear(states, self._weights.embedding).float()
        bias = self._term_bias()
        logprobs = self._rules.log_probs(logits, self._history(), bias)
        scores = logprobs if bias is None else bias.added_to(logprobs) - bias.held[..., None]
        best = (self._scores[:, None] + scores[:, 0]).flatten().topk(2 * self._beams)
        parents, tokens = best.indices // scores.shape[2], best.indices % scores.shape[2]
        sums = (self._logprobs[:, None] + logprobs[:, 0]).flatten()[best.indices]
        kept: list[int] = []
        candidates = zip(*(each.tolist() for each in (best.values, sums, parents, tokens)), strict=True)
        for n, (score, logprob, parent, token) in enumerate(candidates):
            if len(kept) == self._beams:
                break  # what ends behind all that go on is none of the best
            if token != self._rules.end:
                kept.append(n)
            elif score > -math.inf:
                complete.append(_Text(tuple(self._tokens[parent, self._begin :].tolist()), score, logprob))
        if kept and len(complete) < self._beams:
            rows = torch.tensor(kept + kept[:1] * (self._beams - len(kept)), device=tokens.device)
            self._scores, self._logprobs = best.values[rows], sums[rows]
            self._follow(parents[rows], tokens[rows])
        return bool(kept)

    def unfinished(self) -> list[_Text]:
        """Return the texts as they are, without what they gained by terms that are not complete."""
        bias = self._term_bias()
        scores = self._scores if bias is None else self._scores - bias.held[:, 0]
        texts = self._tokens[:, self._begin :].tolist()
        found = zip(map(tuple, texts), scores.tolist(), self._logprobs.tolist(), strict=True)
        return [_Text(*text) for text in found]

    def _follow(self, origin: Tensor, tokens: Tensor) -> None:
        """Let each row go on with the text of another, and a token."""
        self._tokens = torch.cat([self._tokens[origin], tokens[:, None]], 1)
        self._own.keys_values[:, :, :, :, : self._entered] = self._own.keys_values[:, :, origin, :, : self._entered]

    def _term_bias(self) -> Bias | None:
        if self._bias is None:
            return None
        count = self._tokens.shape[1]
        back = torch.arange(count - self._bias.capacity.term_tokens, count, device=self._tokens.device).clamp(min=0)
        return self._bias.at(self._terms, self._tokens[:, back], self._tokens[:, :0])

    def _history(self) -> History:
        """Return what stands before the next token of each text."""
        texts, beams = self._tokens[:, self._begin :], self._beams
        none = torch.full((beams, 2), self._rules.first_time - 1, device=texts.device)
        sequence = torch.cat([none, texts], 1)
        timed = torch.full((beams, 1), fill_value=self._is_timed, device=texts.device)
        last_time = sequence.where(self._rules.is_time(sequence), self._rules.first_time - 1).amax(1, keepdim=True)
        counted = torch.full((beams, 1), texts.shape[1], device=texts.device)
        return History(sequence[:, -1:], sequence[:, -2:-1], last_time, counted, timed)
