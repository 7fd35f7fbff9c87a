"""Beam search against greedy decoding, and against every text that there is."""

from functools import cache
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from decoder.engines.torch_whisper.beam import beam_search
from decoder.engines.torch_whisper.model import CrossStore, OwnStore, Weights, decode, encode, project
from decoder.engines.torch_whisper.slots import Finished, Start
from tests.small_whisper import DIMS, checkpoint, rules, rules_log_probs, vocabulary

SOT, END = vocabulary().sot, vocabulary().eot
NO_SPEECH = vocabulary().no_timestamps - 1
POSITIONS = 48


@cache
def weights() -> Weights:
    return Weights.of(checkpoint(), torch.device("cpu"), torch.float32)


@cache
def cross(audio: int) -> CrossStore:
    log_mel = 0.5 * torch.randn(1, DIMS.mels, 2 * POSITIONS, generator=torch.Generator().manual_seed(audio))
    return CrossStore(project(weights(), encode(weights(), log_mel)), torch.zeros(1, POSITIONS))


def start(timed: bool, limit: int, forced: tuple[int, ...] = ()) -> Start:
    prompt = (SOT,) if timed else (SOT, vocabulary().no_timestamps)
    return Start(prompt, 0, forced, (), limit, timed, temperature=0.0, content=12)


@torch.inference_mode()
def found(audio: int, start: Start, beams: int) -> Finished:
    *passes, finished = beam_search(weights(), rules(), cross(audio).repeated(0, beams), start, beams, NO_SPEECH)
    assert set(passes) <= {None}
    assert finished is not None
    return finished


def next_log_probs(audio: int, start: Start, text: tuple[int, ...]) -> Tensor:
    """Return the log probability of each token after a text."""
    ids = torch.tensor([[*start.prompt, *start.forced, *text]])
    hidden, _ = decode(
        weights(), OwnStore.empty(weights(), 1), cross(audio), ids, torch.zeros(1, dtype=torch.int64), ids.shape[1]
    )
    logits = functional.linear(hidden[0, -1], weights().embedding)
    return rules_log_probs(logits, text, is_timed=start.is_timed)


def greedy(audio: int, start: Start) -> tuple[tuple[int, ...], float]:
    text: tuple[int, ...] = ()
    logprob = 0.0
    while len(text) < start.limit:
        log_probs = next_log_probs(audio, start, text)
        token = int(log_probs.argmax())
        logprob += float(log_probs[token])
        if token == END:
            break
        text += (token,)
    return text, logprob


def openai_search(audio: int, start: Start, beams: int) -> tuple[tuple[int, ...], float]:
    """Return what openai/whisper's `BeamSearchDecoder` finds with patience 1 where it ends before the limit."""
    texts: dict[tuple[int, ...], float] = {(): 0.0}
    finished: dict[tuple[int, ...], float] = {}
    for _ in range(start.limit):
        candidates = {
            (*text, int(token)): score + float(value)
            for text, score in texts.items()
            for value, token in zip(*next_log_probs(audio, start, text).topk(beams + 1), strict=True)
        }
        texts = {}
        for text, score in sorted(candidates.items(), key=lambda item: -item[1]):
            if text[-1] == END:
                finished[text[:-1]] = score
            else:
                texts[text] = score
                if len(texts) == beams:
                    break
        if len(finished) >= beams:
            break
    assert len(finished) >= beams
    return max(finished.items(), key=lambda item: item[1] / (len(item[0]) + 1))


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 30])
@pytest.mark.parametrize("audio", range(4))
def test_one_beam_is_greedy_decoding(audio: int, limit: int, timed: bool) -> None:
    begun = start(timed, limit, forced=(7, 8))
    text, logprob = greedy(audio, begun)

    one = found(audio, begun, beams=1)

    assert one.tokens == text
    assert one.logprob == pytest.approx(logprob, abs=1e-3)
    assert one.passes == min(len(text) + 1, limit)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("audio", range(4))
def test_beams_find_what_whispers_own_search_finds(audio: int, timed: bool) -> None:
    begun = start(timed, limit=60)
    text, logprob = openai_search(audio, begun, beams=3)

    best = found(audio, begun, beams=3)

    assert best.tokens == text
    assert best.logprob == pytest.approx(logprob, abs=1e-3)


@pytest.mark.parametrize("audio", range(4))
def test_at_the_limit_a_likely_text_that_goes_on_wins_against_an_unlikely_one_that_has_ended(audio: int) -> None:
    begun = start(timed=False, limit=2)
    best = found(audio, begun, beams=150)

    first = next_log_probs(audio, begun, ())
    likely = [int(token) for token in first.topk(10).indices if token != END]
    reached = [float(first[token] + next_log_probs(audio, begun, (token,)).max()) for token in likely]
    assert best.logprob / (len(best.tokens) + 1) >= max(reached) / 3 - 1e-4


def test_a_text_with_more_beams_is_usually_at_least_as_likely() -> None:
    better = 0
    for audio, timed in product(range(4), (False, True)):
        begun = start(timed, limit=60)
        text, logprob = greedy(audio, begun)
        best = found(audio, begun, beams=5)
        better += best.logprob / (len(best.tokens) + 1) >= logprob / (len(text) + 1) - 1e-4
    assert better >= 7


def test_the_draft_and_other_rows_of_the_store_are_of_no_account() -> None:
    begun = start(timed=True, limit=20)
    together = CrossStore(torch.cat([cross(audio).keys_values for audio in range(3)], 2), torch.zeros(3, POSITIONS))
    with torch.inference_mode():
        *_, best = beam_search(weights(), rules(), together.repeated(1, 4), begun, 4, NO_SPEECH)
    assert best == found(1, begun, beams=4)


def test_nan_is_not_hidden() -> None:
    broken = CrossStore(cross(0).keys_values * torch.nan, torch.zeros(1, POSITIONS))
    with torch.inference_mode():
        *_, best = beam_search(weights(), rules(), broken.repeated(0, 3), start(timed=False, limit=4), 3, NO_SPEECH)
    assert best is not None
    assert best.logprob != best.logprob
