"""Beam search over the audio of one slot, for texts that greedy decoding is unsure of."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from decoder.engines.torch_whisper.model import CrossStore, OwnStore, Weights, decode
from decoder.engines.torch_whisper.rules import History, Rules
from decoder.engines.torch_whisper.slots import Finished, Start

__all__ = ["beam_search"]


def beam_search(
    weights: Weights, rules: Rules, cross: CrossStore, start: Start, beams: int, no_speech: int
) -> Iterator[Finished | None]:
    """Yield None after each pass of the decoder, and the best text at last.

    As in openai/whisper with patience 1: it ends when as many texts are complete as there are beams, or at the limit,
    where the best of those that go on are added. The best is the one of the greatest log probability per token.

    Args:
        weights: of the model.
        rules: for the next token.
        cross: of the audio, as many rows as there are beams.
        start: the text's; its draft and its temperature are of no account.
        beams: texts that are followed at the same time, ≥ 1.
        no_speech: <|nospeech|>.
    """
    ids = [*start.prompt, *start.forced]
    own = OwnStore.empty(weights, beams, len(ids) + start.limit + 1)
    entering = torch.tensor([ids] * beams, device=weights.device)
    search = _Beams(rules, beams, start, entering[:, len(ids) :])
    place, silent, passes = 0, 0.0, 0
    for passes in range(1, start.limit + 1):
        first = torch.full((beams,), place, device=weights.device)
        hidden, _ = decode(weights, own, cross, entering, first, place + entering.shape[1])
        place += entering.shape[1]
        if passes == 1:
            silent = float(functional.linear(hidden[0, start.start], weights.embedding).float().softmax(-1)[no_speech])
        origin = search.advance(functional.linear(hidden[:, -1:], weights.embedding).float())
        if origin is None:
            break
        own.keys_values[:, :, :, :, :place] = own.keys_values[:, :, origin, :, :place]
        entering = search.texts[:, -1:]
        yield None
    logprob, text = search.best()
    yield Finished(text, (), logprob, silent, passes)


class _Beams:
    """Texts that are followed at the same time, int64[beams, tokens], and those that are complete."""

    def __init__(self, rules: Rules, count: int, start: Start, texts: Tensor) -> None:
        self.texts = texts
        self._rules, self._count, self._is_timed = rules, count, start.is_timed
        self._scores = torch.full((count,), -torch.inf, device=texts.device)
        self._scores[0] = 0.0  # all are the same before the first choice
        self._complete: list[tuple[float, tuple[int, ...]]] = []

    def advance(self, logits: Tensor) -> Tensor | None:
        """Lengthen the texts by a token, and return which text each goes on from; None: enough are complete."""
        logprobs = self._rules.log_probs(logits, _history(self._rules, self.texts, self._is_timed))[:, 0]
        best = (self._scores[:, None] + logprobs).flatten().topk(2 * self._count)
        parents, tokens = best.indices // logprobs.shape[1], best.indices % logprobs.shape[1]
        kept: list[int] = []
        candidates = zip(best.values.tolist(), parents.tolist(), tokens.tolist(), strict=True)
        for n, (score, parent, token) in enumerate(candidates):
            if len(kept) == self._count:
                break  # what ends behind all that go on is none of the best
            if token != self._rules.end:
                kept.append(n)
            elif score > -math.inf:
                self._complete.append((score, tuple(self.texts[parent].tolist())))
        if len(self._complete) >= self._count or not kept:
            return None
        kept += kept[:1] * (self._count - len(kept))
        rows = torch.tensor(kept, device=logits.device)
        origin = parents[rows]
        self._scores, self.texts = best.values[rows], torch.cat([self.texts[origin], tokens[rows][:, None]], 1)
        return origin

    def best(self) -> tuple[float, tuple[int, ...]]:
        """Return the best text and its log probability; where few are complete those that go on count, too."""
        going_on: list[tuple[float, tuple[int, ...]]] = list(
            zip(self._scores.tolist(), map(tuple, self.texts.tolist()), strict=True)
        )
        found = self._complete + going_on[: max(0, self._count - len(self._complete))]
        return max(found, key=lambda item: item[0] / (len(item[1]) + 1))


def _history(rules: Rules, texts: Tensor, is_timed: bool) -> History:
    """Return what stands before the next token of each text, int64[beams, tokens]."""
    beams, count = texts.shape
    none = torch.full((beams, 2), rules.first_time - 1, device=texts.device)
    sequence = torch.cat([none, texts], 1)
    timed = torch.full((beams, 1), fill_value=is_timed, device=texts.device)
    last_time = sequence.where(rules.is_time(sequence), rules.first_time - 1).amax(1, keepdim=True)
    counted = torch.full((beams, 1), count, device=texts.device)
    return History(sequence[:, -1:], sequence[:, -2:-1], last_time, counted, timed)
