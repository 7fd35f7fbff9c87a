"""Term bias in tables against the automaton in Python, and in passes against greedy decoding with it step by step."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from decoder.engines.torch_whisper.beam import beam_search
from decoder.engines.torch_whisper.model import CrossStore, OwnStore, decode
from decoder.engines.torch_whisper.passes import EXACT, GRAPHS, Pass, Shapes
from decoder.engines.torch_whisper.rules import History, Rules
from decoder.engines.torch_whisper.slots import Finished, Slots
from decoder.engines.torch_whisper.term_bias import Capacity, TermBias
from decoder.engines.torch_whisper.term_trie import Term, automaton
from tests.decoder.engines.torch_whisper.test_model import HEADS, TURBO, Recorded, fake_weights
from tests.decoder.engines.torch_whisper.test_slots import (
    AUDIOS,
    END,
    FIRST_TIME,
    NO_SPEECH,
    POSITIONS,
    ROUNDED,
    SLOTS,
    Request,
    Text,
    assert_greedy,
    decoded,
    drafts,
    keys_values,
    new_slots,
    start,
    weights,
)
from tests.decoder.engines.torch_whisper.test_term_trie import gain, state_after
from tests.small_whisper import DIMS, rules, rules_log_probs, vocabulary

CPU = torch.device("cpu")

CAPACITY = Capacity(lists=3, states=64, gains=128, followers=32, term_tokens=5)

Terms = tuple[Term, ...]

SCORES = st.sampled_from([0.5, 2.0, 6.0])


def terms_of(tokens: st.SearchStrategy[int], most: int = 6) -> st.SearchStrategy[Terms]:
    path = st.lists(tokens, min_size=1, max_size=CAPACITY.term_tokens).map(tuple)
    return st.lists(st.builds(Term, path, SCORES), max_size=most).map(tuple)


def bias_of(*lists: Terms, capacity: Capacity = CAPACITY) -> TermBias:
    bias = TermBias(capacity, END, CPU)
    for number, terms in enumerate(lists, 1):
        bias.put(number, terms)
    return bias


def gains(terms: Terms, text: Sequence[int]) -> tuple[Tensor, float]:
    """Return what each token gains after a text, and what is held."""
    states = automaton(terms)
    state = state_after(text, states)
    return torch.tensor([gain(token, state, states) for token in range(DIMS.vocabulary)]), state.held


FEW = st.integers(0, 4)


@settings(max_examples=60)
@given(st.tuples(*[terms_of(FEW)] * 3), st.lists(st.tuples(st.integers(0, 3), st.lists(FEW, min_size=9, max_size=9))))
def test_the_gains_are_those_of_the_automaton_at_each_place(
    lists: tuple[Terms, Terms, Terms], rows: list[tuple[int, list[int]]]
) -> None:
    rows = [*rows, (1, [0, 1] * 4 + [0])]
    numbers, texts = torch.tensor([number for number, _ in rows]), torch.tensor([text for _, text in rows])
    decided = CAPACITY.term_tokens

    bias = bias_of(*lists).at(numbers, texts[:, :decided], texts[:, decided:])

    added = bias.added_to(torch.zeros(len(rows), 10 - decided, DIMS.vocabulary))
    for row, (number, text) in enumerate(rows):
        terms = lists[number - 1] if number else ()
        for place in range(10 - decided):
            expected, held = gains(terms, text[: decided + place])
            torch.testing.assert_close(added[row, place], expected)
            assert float(bias.held[row, place]) == pytest.approx(held)


def test_a_list_may_be_replaced_and_emptied() -> None:
    one, other = (Term((1, 2), 1.0),), (Term((3,), 2.0),)
    bias = bias_of(one, other)
    scores, before = torch.zeros(1, 1, DIMS.vocabulary), torch.tensor([[0, 0, 0, 0, 1]])

    def gaining(number: int) -> dict[int, float]:
        added = bias.at(torch.tensor([number]), before, before[:, :0]).added_to(scores)[0, 0]
        return {int(token): float(added[token]) for token in added.nonzero()}

    assert (gaining(0), gaining(1), gaining(2), gaining(3)) == ({}, {1: 1.0, 2: 2.0}, {3: 2.0}, {})
    bias.put(1, other)
    bias.put(2, ())
    assert (gaining(1), gaining(2)) == ({3: 2.0}, {})


def test_a_list_may_fill_the_tables() -> None:
    capacity = Capacity(lists=1, states=33, gains=32, followers=32, term_tokens=2)
    bias = bias_of(tuple(Term((token,), 1.0) for token in range(32)), capacity=capacity)
    before = torch.tensor([[0, 31]])
    added = bias.at(torch.tensor([1]), before, before[:, :0]).added_to(torch.zeros(1, 1, DIMS.vocabulary))
    assert added[0, 0].tolist() == [1.0] * 32 + [0.0] * (DIMS.vocabulary - 32)


@pytest.mark.parametrize(
    ("number", "term", "message"),
    [
        (0, Term((1,), 1.0), "list 0 of terms out of range: expected 1–3"),
        (4, Term((1,), 1.0), "list 4 of terms out of range: expected 1–3"),
        (1, Term((), 1.0), "a term of 0 tokens: expected 1–5"),
        (1, Term((1,) * 6, 1.0), "a term of 6 tokens: expected 1–5"),
        (1, Term((END,), 1.0), "a term with a token that is no text"),
        (1, Term((1,), 0.0), "a term of score 0.0: expected nats above 0"),
        (1, Term((1,), float("nan")), "a term of score nan"),
    ],
)
def test_what_is_no_term_is_refused(number: int, term: Term, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bias_of().put(number, [term])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([(a, b) for a in range(8) for b in range(8)], "terms with 73 states: expected at most 64"),
        ([(a,) for a in range(33)], "terms with 33 tokens that follow one state: expected at most 32"),
        # A state whose end begins terms too has the gains of these as well.
        ([(9, 9, 9, 9, 9), *((9, b) for b in range(30, 61))], "terms with 161 gains: expected at most 128"),
    ],
)
def test_terms_that_do_not_fit_in_are_refused_and_the_list_stays_as_it_was(
    paths: list[tuple[int, ...]], message: str
) -> None:
    bias = bias_of((Term((1,), 2.0),))
    with pytest.raises(ValueError, match=message):
        bias.put(1, [Term(path, 1.0) for path in paths])
    before = torch.zeros(1, CAPACITY.term_tokens, dtype=torch.int64)
    added = bias.at(torch.tensor([1]), before, before[:, :0]).added_to(torch.zeros(1, 1, DIMS.vocabulary))
    assert float(added[0, 0, 1]) == float(added.sum()) == 2.0


def next_scores(request: Request, terms: Terms, text: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the log probability of each next token, and the same with the bias, from a pass over the whole text."""
    begun = request.start
    ids = torch.tensor([[*begun.prompt, *begun.forced, *text]])
    cross = CrossStore(keys_values(request.audio), torch.zeros(1, POSITIONS[request.audio]))
    hidden, _ = decode(
        weights(), OwnStore.empty(weights(), 1), cross, ids, torch.zeros(1, dtype=torch.int64), ids.shape[1]
    )
    logits = functional.linear(hidden[0, -1], weights().embedding)
    added, held = gains(terms, ids[0].tolist())
    allowed = rules_log_probs(logits + added, text, is_timed=begun.is_timed) > -torch.inf
    log_probs = logits.masked_fill(~allowed, -torch.inf).log_softmax(-1)
    return log_probs, log_probs + added - held


@cache
def greedy(request: Request, terms: Terms) -> Text:
    text: list[int] = []
    logprob = times_logprob = 0.0
    while len(text) < request.start.limit:
        log_probs, biased = next_scores(request, terms, text)
        token = int(biased.argmax())
        logprob += float(log_probs[token])
        times_logprob += float(log_probs[token]) if token >= FIRST_TIME else 0.0
        if token == END:
            break
        text.append(token)
    return Text(tuple(text), logprob, times_logprob, request.greedy.no_speech)


def assert_text(found: Finished, expected: Text) -> None:
    assert found.tokens == expected.tokens
    assert found.logprob == pytest.approx(expected.logprob, abs=1e-3)
    assert found.no_speech_probability == pytest.approx(expected.no_speech, abs=1e-4)


@st.composite
def requests(draw: st.DrawFn, lists: Sequence[Terms]) -> Request:
    """Draw a request with the terms of a list, or none, and any draft."""
    number = draw(st.integers(0, len(lists)))
    forced = draw(st.sampled_from([(), (7,), (114, 243)]))
    begun = replace(start(draw(st.booleans()), forced, limit=draw(st.sampled_from([2, 9, 25]))), terms=number)
    request = Request(draw(st.integers(0, AUDIOS - 1)), begun)
    truth = greedy(request, lists[number - 1] if number else ()).tokens
    return Request(request.audio, replace(begun, draft=draw(drafts(truth))))


LISTS = (
    (Term((7, 9, 9), 2.0), Term((114, 243, 30), 3.0), Term((243,), 1.0)),
    tuple(Term((token, (7 * token) % 256, token + 1), 6.0) for token in range(0, 40, 4)),
    tuple(Term((first, second), 1.5) for first in (3, 17, 120) for second in (5, 17, 200)),
)


@settings(max_examples=60)
@given(
    st.dictionaries(st.integers(0, SLOTS - 1), requests(LISTS), min_size=1, max_size=5),
    st.sampled_from([EXACT, ROUNDED]),
)
def test_whatever_the_draft_the_text_is_that_of_greedy_decoding_with_the_terms(
    rows: dict[int, Request], shapes: Shapes
) -> None:
    slots = new_slots()
    slots.bias = bias_of(*LISTS)

    for slot, found in decoded(rows, shapes, slots).items():
        request, number = rows[slot], rows[slot].start.terms
        assert_text(found, greedy(without_draft(request), LISTS[number - 1] if number else ()))
        if not number:
            assert_greedy(found, request)  # the terms of others change nothing


@settings(max_examples=20)
@given(terms_of(st.integers(0, 255), most=10), st.integers(0, AUDIOS - 1), st.booleans(), st.data())
def test_so_it_is_with_any_terms(terms: Terms, audio: int, timed: bool, data: st.DataObject) -> None:
    slots = new_slots()
    slots.bias = bias_of((), (), terms)
    request = Request(audio, replace(start(timed), terms=3))
    expected = greedy(request, terms)
    draft = data.draw(drafts(expected.tokens))

    assert_text(decoded({2: Request(audio, replace(request.start, draft=draft))}, ROUNDED, slots)[2], expected)


def without_draft(request: Request) -> Request:
    return Request(request.audio, replace(request.start, draft=()))


@cache
def unlikely_term(audio: int) -> Term:
    """Return a term that is not in the text of an audio: its third token, and the two that are next likely there."""
    request = Request(audio, start())
    text = list(request.greedy.tokens[:2])
    for _ in range(3):
        log_probs, _ = next_scores(request, (), text)
        text.append(int(log_probs[:END].topk(2).indices[-1]))
    return Term(tuple(text[2:]), 4.0)


@pytest.mark.parametrize("audio", range(AUDIOS))
def test_a_term_that_is_almost_as_likely_as_other_words_is_in_the_text(audio: int) -> None:
    term = unlikely_term(audio)
    slots = new_slots()
    slots.bias = bias_of((term,))

    plain, with_terms = (decoded({0: Request(audio, replace(start(), terms=n))}, EXACT, slots)[0] for n in (0, 1))

    def has_term(found: Finished) -> bool:
        length = len(term.tokens)
        return any(found.tokens[place : place + length] == term.tokens for place in range(len(found.tokens)))

    assert not has_term(plain)
    assert has_term(with_terms)
    assert with_terms.logprob < 0  # the model's own, whatever the terms


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("audio", range(AUDIOS))
def test_one_beam_is_greedy_decoding_with_the_terms(audio: int, timed: bool) -> None:
    request = Request(audio, replace(start(timed, forced=(7, 114)), terms=1))
    terms = (*LISTS[0], *LISTS[1], unlikely_term(audio))
    cross = CrossStore(keys_values(audio), torch.zeros(1, POSITIONS[audio]))

    with torch.inference_mode():
        *_, found = beam_search(weights(), rules(), cross, request.start, 1, NO_SPEECH, wide_bias(terms))

    assert found is not None
    assert_text(found, greedy(request, terms))


def wide_bias(terms: Terms) -> TermBias:
    return bias_of(terms, capacity=replace(CAPACITY, states=256))


def search(request: Request, terms: Terms, beams: int) -> tuple[tuple[int, ...], float]:
    """Return the text that a beam search finds which takes back what it gave for terms that break off."""
    texts: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, 0.0)}
    finished: dict[tuple[int, ...], tuple[float, float]] = {}
    for _ in range(request.start.limit):
        candidates = {}
        for text, (score, logprob) in texts.items():
            log_probs, biased = next_scores(request, terms, text)
            for token in biased.topk(beams + 1).indices.tolist():
                candidates[*text, token] = (score + float(biased[token]), logprob + float(log_probs[token]))
        texts = {}
        for text, sums in sorted(candidates.items(), key=lambda item: -item[1][0]):
            if text[-1] == END:
                finished[text[:-1]] = sums
            else:
                texts[text] = sums
                if len(texts) == beams:
                    break
        if len(finished) >= beams:
            break
    for text, (score, logprob) in list(texts.items())[: max(0, beams - len(finished))]:
        finished[text] = (score - gains(terms, text)[1], logprob)
    text, (_, logprob) = max(finished.items(), key=lambda item: item[1][0] / (len(item[0]) + 1))
    return text, logprob


@pytest.mark.parametrize("audio", range(AUDIOS))
def test_beams_compare_texts_by_the_terms_that_are_complete(audio: int) -> None:
    request = Request(audio, replace(start(limit=60), terms=1))
    terms = (unlikely_term(audio), *LISTS[2])
    cross = CrossStore(keys_values(audio), torch.zeros(1, POSITIONS[audio]))
    text, logprob = search(request, terms, beams=3)

    with torch.inference_mode():
        *_, found = beam_search(weights(), rules(), cross.repeated(0, 3), request.start, 3, NO_SPEECH, wide_bias(terms))

    assert found is not None
    assert found.tokens == text
    assert found.logprob == pytest.approx(logprob, abs=1e-3)


def test_a_text_gains_nothing_by_a_term_that_the_limit_cuts_off() -> None:
    begun = replace(start(limit=2), terms=1)
    log_probs, _ = next_scores(Request(0, begun), (), ())
    token = int(log_probs[:END].topk(4).indices[-1])
    cross = CrossStore(keys_values(0), torch.zeros(1, POSITIONS[0])).repeated(0, 5)

    def text(*terms: Term) -> tuple[int, ...]:
        with torch.inference_mode():
            *_, found = beam_search(weights(), rules(), cross, begun, 5, NO_SPEECH, bias_of(terms))
        assert found is not None
        return found.tokens

    after = int(next_scores(Request(0, begun), (), (token,))[0].argmax())
    assert text()[:1] != (token,)
    assert text(Term((token, after, 1), 6.0)) == text()
    assert text(Term((token, after), 6.0)) == (token, after)


def test_the_temperature_draws_from_what_terms_make_likely() -> None:
    before = torch.full((500, CAPACITY.term_tokens), 7)
    bias = bias_of((Term((5,), 50.0),)).at(torch.tensor([1] * 250 + [0] * 250), before, before[:, :0])
    torch.manual_seed(0)
    count = torch.zeros(500, 1, dtype=torch.int64)
    history = History(count, count, count + FIRST_TIME - 1, count, count.bool())

    choice = rules().choose(torch.zeros(500, 1, DIMS.vocabulary), history, torch.ones(500), bias)

    assert set(choice.tokens[:250, 0].tolist()) == {5}
    assert len(set(choice.tokens[250:, 0].tolist())) > 50
    allowed = DIMS.vocabulary - len(set(vocabulary().suppressed))
    assert choice.logprobs.flatten().tolist() == pytest.approx([-float(torch.tensor(allowed).log())] * 500, abs=1e-4)


def test_a_slot_takes_no_list_that_there_is_not() -> None:
    slots = new_slots()
    for bias, message in ((None, "list 4 of terms out of range: expected 0–0"), (bias_of(), "expected 0–3")):
        slots.bias = bias
        with pytest.raises(ValueError, match=message):
            slots.fill(0, replace(start(), terms=4))


def test_passes_of_large_v3_turbo_with_terms_can_be_captured() -> None:
    """A branch on what a tensor holds raises, for these tensors hold nothing."""
    passes = GRAPHS.all_passes(64)
    with FakeTensorMode(), torch.inference_mode():
        bias = TermBias(Capacity(), END, CPU)
        slots = Slots(fake_weights(TURBO), Rules(vocabulary(), TURBO.vocabulary, CPU), 64, HEADS, 300, bias)
        for shape in passes[:: len(passes) // 6]:
            slots.advance(shape)
            slots.advance(shape, is_random=True)


def test_a_pass_with_terms_copies_nothing_from_the_host_and_one_without_lists_computes_nothing_for_them() -> None:
    slots = new_slots()
    wide, step = Pass(0, 8, 24, 17, 64, 64, is_step=False), Pass(0, 8, 1, 1, 32, 64, is_step=True)

    def operations(bias: TermBias | None) -> set[str]:
        slots.bias = bias
        with torch.inference_mode(), Recorded() as recorded:
            slots.advance(wide)
            slots.advance(step)
        return {name.removesuffix(".default") for name in recorded.names}

    assert "aten.scatter_add" not in operations(None)
    assert "aten.scatter_add" in operations(bias_of(*LISTS))
    copies = {"aten.lift_fresh", "aten._local_scalar_dense", "aten.nonzero", "aten.is_nonzero", "aten.item"}
    assert not operations(bias_of(*LISTS)) & copies
