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
    texts = entering[:, len(ids) :]
    scores = torch.full((beams,), -torch.inf, device=weights.device)
    scores[0] = 0.0  # all are the same before the first choice
    complete: list[tuple[float, tuple[int, ...]]] = []
    silent = 0.0
    place = 0
    for done in range(start.limit):
        first = torch.full((beams,), place, device=weights.device)
        hidden, _ = decode(weights, own, cross, entering, first, place + entering.shape[1])
        place += entering.shape[1]
        if done == 0:
            silent = float(functional.linear(hidden[0, start.start], weights.embedding).float().softmax(-1)[no_speech])
        logits = functional.linear(hidden[:, -1:], weights.embedding).float()
        logprobs = rules.log_probs(logits, _history(rules, texts, start.is_timed))[:, 0]
        best = (scores[:, None] + logprobs).flatten().topk(2 * beams)
        parents, tokens = best.indices // logprobs.shape[1], best.indices % logprobs.shape[1]
        kept: list[int] = []
        candidates = zip(best.values.tolist(), parents.tolist(), tokens.tolist(), strict=True)
        for n, (score, parent, token) in enumerate(candidates):
            if len(kept) == beams:
                break  # what ends behind all that go on is none of the best
            if token != rules.end:
                kept.append(n)
            elif score > -math.inf:
                complete.append((score, tuple(texts[parent].tolist())))
        if len(complete) >= beams or not kept:
            break
        kept += kept[:1] * (beams - len(kept))
        rows = torch.tensor(kept, device=weights.device)
        scores, origin, entering = best.values[rows], parents[rows], tokens[rows][:, None]
        texts = torch.cat([texts[origin], entering], 1)
        own.keys_values[:, :, :, :, :place] = own.keys_values[:, :, origin, :, :place]
        yield None
    going_on = zip(scores.tolist(), map(tuple, texts.tolist()), strict=True)
    complete += list(going_on)[: max(0, beams - len(complete))]
    logprob, text = max(complete, key=lambda found: found[0] / (len(found[1]) + 1))
    yield Finished(text, (), logprob, silent, done + 1)


def _history(rules: Rules, texts: Tensor, is_timed: bool) -> History:
    """Return what stands before the next token of each text, int64[beams, tokens]."""
    beams, count = texts.shape
    none = torch.full((beams, 2), rules.first_time - 1, device=texts.device)
    sequence = torch.cat([none, texts], 1)
    timed = torch.full((beams, 1), fill_value=is_timed, device=texts.device)
    last_time = sequence.where(rules.is_time(sequence), rules.first_time - 1).amax(1, keepdim=True)
    counted = torch.full((beams, 1), count, device=texts.device)
    return History(sequence[:, -1:], sequence[:, -2:-1], last_time, counted, timed)
