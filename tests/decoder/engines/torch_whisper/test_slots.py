"""Slots against greedy decoding: each token by a pass over the whole text, by Whisper's rules in Python."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from decoder.engines.torch_whisper.model import CrossStore, OwnStore, Weights, decode, encode, project
from decoder.engines.torch_whisper.passes import EXACT, MOST_DRAFTED, Need, Shapes, passes
from decoder.engines.torch_whisper.slots import Finished, Progress, Slots, Start
from tests.small_whisper import DIMS, checkpoint, rules, rules_log_probs, vocabulary

SOT, PREV, END, FIRST_TIME = (
    vocabulary().sot,
    vocabulary().sot_prev,
    vocabulary().eot,
    vocabulary().first_time,
)
NO_SPEECH = vocabulary().no_timestamps - 1

AUDIOS = 4
POSITIONS = (64, 48, 64, 16)
"""Of each audio's window."""

SLOTS = 8

ROUNDED = Shapes(2, ((8, 5), (24, 17), (96, MOST_DRAFTED + 1)), (16, 32, 64, 96), (32, 64))
"""Like those of CUDA graphs, but for small models."""


@cache
def weights() -> Weights:
    return Weights.of(checkpoint(), torch.device("cpu"), torch.float32)


@cache
def keys_values(audio: int) -> Tensor:
    """Return what the decoder attends to of an audio."""
    log_mel = 0.5 * torch.randn(1, DIMS.mels, 2 * POSITIONS[audio], generator=torch.Generator().manual_seed(audio))
    return project(weights(), encode(weights(), log_mel))


@dataclass(frozen=True, slots=True)
class Text:
    """A text that greedy decoding finds.

    Attributes:
        tokens: after those forced.
        logprob: their sum, and the end's.
        times_logprob: that of the timestamps among them.
        no_speech: probability of <|nospeech|>.
    """

    tokens: tuple[int, ...]
    logprob: float
    times_logprob: float
    no_speech: float


@cache
def greedy(audio: int, prompt: tuple[int, ...], start: int, forced: tuple[int, ...], timed: bool, limit: int) -> Text:
    cross = CrossStore(keys_values(audio), torch.zeros(1, POSITIONS[audio]))
    tokens: list[int] = []
    logprob, times_logprob, no_speech = 0.0, 0.0, None
    while len(tokens) < limit:
        ids = torch.tensor([[*prompt, *forced, *tokens]])
        hidden, _ = decode(
            weights(), OwnStore.empty(weights(), 1), cross, ids, torch.zeros(1, dtype=torch.int64), ids.shape[1]
        )
        logits = functional.linear(hidden[0], weights().embedding)
        if no_speech is None:
            no_speech = float(logits[start].softmax(-1)[NO_SPEECH])
        log_probs = rules_log_probs(logits[-1], tokens, is_timed=timed)
        token = int(log_probs.argmax())
        logprob += float(log_probs[token])
        times_logprob += float(log_probs[token]) if token >= FIRST_TIME else 0.0
        if token == END:
            break
        tokens.append(token)
    assert no_speech is not None
    return Text(tuple(tokens), logprob, times_logprob, no_speech)


@dataclass(frozen=True, slots=True)
class Request:
    """A text to be generated of an audio."""

    audio: int
    start: Start

    @property
    def greedy(self) -> Text:
        """What it has to be."""
        start = self.start
        return greedy(self.audio, tuple(start.prompt), start.start, tuple(start.forced), start.is_timed, start.limit)


def new_slots() -> Slots:
    heads = ((0, 1), (1, 0), (1, 3))
    return Slots(weights(), rules(), SLOTS, heads, NO_SPEECH)


def fill(slots: Slots, slot: int, request: Request) -> Progress:
    """Put a request and its audio into a slot."""
    positions = POSITIONS[request.audio]
    slots.cross.keys_values[:, :, slot, :, :positions] = keys_values(request.audio)[:, :, 0]
    slots.cross.mask[slot] = -torch.inf
    slots.cross.mask[slot, :positions] = 0.0
    return slots.fill(slot, request.start)


def turn(slots: Slots, running: dict[int, Request], now: dict[int, Progress], shapes: Shapes) -> None:
    """Let running slots take a pass."""
    needs = [
        Need(
            slot,
            now[slot].entering,
            now[slot].drafted,
            now[slot].known - now[slot].entering,
            POSITIONS[request.audio],
            now[slot].is_new,
        )
        for slot, request in running.items()
    ]
    is_random = any(request.start.temperature > 0 for request in running.values())
    for shape in passes(needs, shapes):
        slots.advance(shape, is_random=is_random)
    progress = slots.progress()
    now.update({slot: progress[slot] for slot in running})


@torch.inference_mode()
def decoded(requests: dict[int, Request], shapes: Shapes = EXACT, slots: Slots | None = None) -> dict[int, Finished]:
    """Return the texts of requests that are begun at the same time, by slot."""
    slots = slots or new_slots()
    now = {slot: fill(slots, slot, request) for slot, request in requests.items()}
    running = dict(requests)
    while running:
        turn(slots, running, now, shapes)
        running = {slot: request for slot, request in running.items() if now[slot].is_running}
    return dict(zip(requests, slots.finished(list(requests)), strict=True))


def start(timed: bool = False, forced: Sequence[int] = (), draft: Sequence[int] = (), limit: int = 30) -> Start:
    return Start(
        prompt=(SOT,) if timed else (SOT, vocabulary().no_timestamps),
        start=0,
        forced=tuple(forced),
        draft=tuple(draft),
        limit=limit,
        is_timed=timed,
        temperature=0.0,
        content=12,
    )


def assert_greedy(found: Finished, request: Request) -> None:
    expected = request.greedy
    assert found.tokens == expected.tokens
    assert found.logprob == pytest.approx(expected.logprob, abs=1e-3)
    assert found.times_logprob == pytest.approx(expected.times_logprob, abs=1e-3)
    assert found.no_speech_probability == pytest.approx(expected.no_speech, abs=1e-4)
    assert len(found.peaks) == len(found.tokens)
    assert all(0 <= peak < request.start.content for peak in found.peaks)


TOKENS = st.integers(0, 60)
CONTEXTS = st.sampled_from([(), (PREV, 1, 2, 3), (PREV, *range(20))])
FORCED = st.sampled_from([(), (7,), (114, 243), tuple(range(30, 42))])
LIMITS = st.sampled_from([1, 2, 9, 30])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    timed = draw(st.booleans())
    context = draw(CONTEXTS)
    begun = start(timed, draw(FORCED), limit=draw(LIMITS))
    plain = Request(
        draw(st.integers(0, AUDIOS - 1)), replace(begun, prompt=(*context, *begun.prompt), start=len(context))
    )
    return Request(plain.audio, replace(plain.start, draft=draw(drafts(plain.greedy.tokens))))


@st.composite
def drafts(draw: st.DrawFn, truth: tuple[int, ...]) -> tuple[int, ...]:
    """Draw the text that will be found, spoiled in some places, or anything else."""
    kind = draw(st.sampled_from(["none", "text", "words", "spoiled", "cut", "longer", "garbage"]))
    tokens = list(truth)
    anything = TOKENS | st.sampled_from([0, END, FIRST_TIME, FIRST_TIME + 40, DIMS.vocabulary - 1, SOT])
    match kind:
        case "none":
            tokens = []
        case "words":
            tokens = [token for token in truth if token < FIRST_TIME]
        case "spoiled":
            for _ in range(draw(st.integers(1, 3))):
                place = draw(st.integers(0, len(tokens)))
                tokens[place : place + draw(st.integers(0, 2))] = draw(st.lists(anything, max_size=2))
        case "cut":
            tokens = tokens[draw(st.integers(0, len(tokens))) :]
        case "longer":
            tokens += [END, *draw(st.lists(anything, max_size=4))]
        case "garbage":
            tokens = draw(st.lists(anything, max_size=40))
    return tuple(tokens)


ROWS = st.dictionaries(st.integers(0, SLOTS - 1), requests(), min_size=1, max_size=5)


@settings(max_examples=80)
@given(ROWS, st.sampled_from([EXACT, ROUNDED]))
def test_whatever_the_draft_the_text_is_that_of_greedy_decoding(rows: dict[int, Request], shapes: Shapes) -> None:
    for slot, found in decoded(rows, shapes).items():
        assert_greedy(found, rows[slot])


@settings(max_examples=15)
@given(ROWS, st.lists(st.tuples(st.integers(0, SLOTS - 1), requests(), st.booleans()), max_size=8))
def test_neighbours_that_come_and_go_change_nothing(
    rows: dict[int, Request], others: list[tuple[int, Request, bool]]
) -> None:
    slots = new_slots()
    with torch.inference_mode():
        now = {slot: fill(slots, slot, request) for slot, request in rows.items()}
        running, watched = dict(rows), dict(rows)
        while running:
            if others:
                slot, request, is_stopped = others.pop()
                if slot in running and is_stopped and slot not in watched:
                    slots.stop(slot)
                    del running[slot]
                elif slot not in running and slot not in watched:
                    now[slot] = fill(slots, slot, request)
                    running[slot] = request
            turn(slots, running, now, ROUNDED)
            running = {slot: request for slot, request in running.items() if now[slot].is_running}
            for slot in [slot for slot in watched if slot not in running]:
                assert_greedy(slots.finished([slot])[0], watched.pop(slot))  # its slot is free for another


@settings(max_examples=15)
@given(ROWS, st.integers(0, 1 << 30))
def test_a_text_at_a_temperature_changes_nothing_for_others(rows: dict[int, Request], seed: int) -> None:
    torch.manual_seed(seed)
    warm = min(rows)
    rows[warm] = Request(rows[warm].audio, replace(rows[warm].start, temperature=0.8, draft=()))

    found = decoded(rows)

    for slot in rows.keys() - {warm}:
        assert_greedy(found[slot], rows[slot])
    assert len(found[warm].tokens) <= rows[warm].start.limit


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("audio", range(AUDIOS))
def test_a_draft_that_is_right_takes_one_pass(audio: int, timed: bool) -> None:
    truth = Request(audio, start(timed)).greedy
    found = decoded({2: Request(audio, start(timed, draft=truth.tokens))})[2]
    assert (found.tokens, found.passes) == (truth.tokens, 1)


@pytest.mark.parametrize("audio", range(AUDIOS))
def test_a_draft_without_times_takes_a_pass_more_for_each_place_where_times_stand(audio: int) -> None:
    truth = Request(audio, start(timed=True)).greedy.tokens
    is_time = [token >= FIRST_TIME for token in truth]
    draft = (FIRST_TIME, *(token for token in truth if token < FIRST_TIME))

    found = decoded({0: Request(audio, start(timed=True, draft=draft))})[0]

    assert found.tokens == truth
    assert found.passes <= 1 + sum(is_time)


def test_without_a_draft_each_token_takes_a_pass_and_the_prompt_none_of_its_own() -> None:
    request = Request(1, start(forced=(9, 243), limit=60))
    found = decoded({0: request})[0]
    assert len(request.greedy.tokens) < request.start.limit
    assert found.passes == len(found.tokens) + 1  # the end of the text, too


def test_a_draft_longer_than_can_be_verified_at_once_goes_on_in_the_next_pass() -> None:
    long = start(draft=[0] * 90, limit=60)
    assert_greedy(decoded({0: Request(0, long)})[0], Request(0, long))
    beyond = replace(long, draft=tuple([1, 2, 3] * (DIMS.text_positions // 3)))
    assert_greedy(decoded({0: Request(0, beyond)}, ROUNDED)[0], Request(0, beyond))


def test_a_text_may_fill_the_context_to_its_last_place() -> None:
    prompt = start().prompt
    request = Request(0, start(limit=DIMS.text_positions - len(prompt)))
    whole = request.greedy.tokens
    for draft in ((), whole, whole[:-1]):
        drafted = Request(0, replace(request.start, draft=draft))
        for shapes in (EXACT, ROUNDED):
            assert_greedy(decoded({0: drafted}, shapes)[0], request)


def test_the_limit_counts_no_forced_tokens_and_ends_a_text_that_goes_on() -> None:
    for limit in (1, 5):
        request = Request(0, start(forced=(7, 8, 9), limit=limit))
        assert len(decoded({0: request})[0].tokens) == limit


def test_a_text_that_ends_at_once_is_empty() -> None:
    whole = Request(2, start()).greedy.tokens
    found = decoded({0: Request(2, start(forced=whole, draft=(1, 2)))})[0]
    assert (found.tokens, found.peaks, found.passes) == ((), (), 1)


def test_a_slot_that_is_stopped_keeps_its_text_as_it_is() -> None:
    request = Request(0, start())
    slots = new_slots()
    with torch.inference_mode():
        now = {3: fill(slots, 3, request)}
        for _ in range(4):
            turn(slots, {3: request}, now, EXACT)
        slots.stop(3)
        turn(slots, {3: request}, now, EXACT)
    assert not now[3].is_running
    assert slots.finished([3])[0].tokens == request.greedy.tokens[:4]


def test_progress_says_what_the_next_pass_needs() -> None:
    request = Request(0, start(forced=(7,), draft=(250, 250, 250, 250)))
    slots = new_slots()
    with torch.inference_mode():
        begun = fill(slots, 1, request)
        assert begun.is_new
        assert begun == slots.progress()[1] == Progress(is_running=True, entering=3, drafted=4, known=3)
        now = {1: begun}
        turn(slots, {1: request}, now, EXACT)
    assert (now[1].entering, now[1].drafted, now[1].known, now[1].is_new) == (1, 3, 4, False)


def test_a_text_of_nan_leaves_none_in_its_slot() -> None:
    slots = new_slots()
    request = Request(0, start())
    with torch.inference_mode():
        now = {0: fill(slots, 0, request)}
        slots.cross.keys_values[:, :, 0] = torch.nan
        while now[0].is_running:
            turn(slots, {0: request}, now, EXACT)
        [found] = slots.finished([0])
        assert found.logprob != found.logprob
    for again in (request, Request(3, start(timed=True))):
        assert_greedy(decoded({0: again}, ROUNDED, slots)[0], again)
