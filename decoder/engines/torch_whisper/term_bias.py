"""Term bias: what the terms of each row's session add to the scores of its next tokens, without a branch on data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from decoder.engines.torch_whisper.term_trie import State, Term, automaton

__all__ = ["Bias", "Capacity", "TermBias"]

MULTIPLIER = 0x9E3779B97F4A7C15
"""Of the keys, which are polynomials in it modulo 2⁶⁴ (Karp & Rabin 1987): 2⁶⁴ divided by the golden ratio, odd."""

EMPTY_KEY, NO_KEY = -(1 << 63), (1 << 63) - 1
"""Keys of the state that has begun nothing, the least, and of states that there are not, the greatest."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Sizes of the tables, which graphs of passes are captured with.

    Attributes:
        lists: of terms at the same time; one for each of 64 slots.
        states: of one list, about the tokens of its terms: 250 names of four tokens in two spellings.
        gains: of one list: a state has one for each token that continues it.
        followers: tokens that may follow one state, the first tokens of all terms above all.
        term_tokens: of one term; names have two to eight.
    """

    lists: int = 64
    states: int = 2048
    gains: int = 4096
    followers: int = 512
    term_tokens: int = 16


class _Gains(NamedTuple):
    """Tokens that gain, int64[B, D, followers], none of them twice but those that gain 0, and nats, float32."""

    tokens: Tensor
    nats: Tensor


class Bias(NamedTuple):
    """What terms add to the scores of the tokens to be chosen.

    Attributes:
        beginning: what tokens gain that begin a term.
        continuing: what tokens gain beyond that because they continue one.
        held: float32[B, D], nats that were given for terms which are not complete. All tokens lose them, so that they
            matter only where different texts are compared.
    """

    beginning: _Gains
    continuing: _Gains
    held: Tensor

    def added_to(self, scores: Tensor) -> Tensor:
        """Return scores with the gains added, float32[B, D, vocabulary]."""
        # One after the other: a sum of three in one pass would depend on the order in which a GPU adds.
        return scores.scatter_add(-1, *self.beginning).scatter_add_(-1, *self.continuing)


class TermBias:
    """Lists of terms in tables of fixed sizes, from 1; a row without terms has list 0.

    The state of a text is a function of its last tokens, the longest end of them that a term begins with. So it is
    looked up anew for each place, all places of a draft at once, by a hash of each end; nothing has to be carried from
    pass to pass, nor followed token by token, and it does not depend on how passes cut the text. Two ends have the same
    hash once in 2⁶⁴.

    Args:
        capacity: sizes of the tables.
        end: <|endoftext|>; the tokens below it are text.
        device: of the model.
    """

    def __init__(self, capacity: Capacity, end: int, device: torch.device) -> None:
        self.capacity = capacity
        self._end = end
        lists, states, gains = capacity.lists + 1, capacity.states, capacity.gains
        self._keys = torch.full((lists, states), NO_KEY, device=device)
        self._keys[:, 0] = EMPTY_KEY
        self._held = torch.zeros(lists, states, device=device)
        # Of state n the gains are those from firsts[n] to firsts[n + 1]. The first state's are beside the others, as a
        # last one, since they are added to those of each: so it has none of its own.
        self._firsts = torch.zeros(lists, states + 2, dtype=torch.int64, device=device)
        self._tokens = torch.zeros(lists, gains, dtype=torch.int64, device=device)
        self._nats = torch.zeros(lists, gains, device=device)
        self._powers = torch.tensor([_wrapped(power) for power in _powers(capacity.term_tokens)], device=device)
        self._lengths = torch.arange(1, capacity.term_tokens + 1, device=device)
        self._columns = torch.arange(capacity.followers, device=device)
        self._others = self._columns % end

    def put(self, number: int, terms: Sequence[Term]) -> None:
        """Let a list consist of these terms from the next pass on, of texts in progress as well.

        Args:
            number: of the list, 1 to `capacity.lists`.
            terms: none: its rows gain nothing.
        Raises:
            ValueError: there is no such list, a term is not one, or the terms do not fit in.
        """
        if not 1 <= number <= self.capacity.lists:
            raise ValueError(f"list {number} of terms out of range: expected 1–{self.capacity.lists}")
        self._check_terms(terms)
        empty, *others = automaton(terms)
        states = [empty, *sorted(others, key=lambda state: _key(state.path))]
        gains = [item for state in [*states[1:], empty] for item in state.gains.items()]
        self._check_sizes(states, len(gains))
        counts = [0, 0, *(len(state.gains) for state in states[1:])]
        firsts = torch.tensor(counts).cumsum(0).tolist()
        firsts += [firsts[-1]] * (self._firsts.shape[1] - 1 - len(firsts)) + [len(gains)]
        keys = [EMPTY_KEY, *(_key(state.path) for state in states[1:])]
        self._write(self._keys[number], keys, NO_KEY)
        self._write(self._held[number], [state.held for state in states], 0.0)
        self._write(self._firsts[number], firsts, 0)
        self._write(self._tokens[number], [token for token, _ in gains], 0)
        self._write(self._nats[number], [nats for _, nats in gains], 0.0)

    def at(self, lists: Tensor, before: Tensor, drafted: Tensor) -> Bias:
        """Return what terms add to the scores of the token after `before`, and of those after each of the draft.

        Args:
            lists: int64[B], of each row.
            before: int64[B, capacity.term_tokens], the last tokens that are decided.
            drafted: int64[B, D - 1].
        """
        ends = torch.cat([before, drafted], 1).unfold(1, self.capacity.term_tokens, 1)
        states = self._states(lists, ends)
        first_state = states.new_full((len(lists), 1), self.capacity.states)
        beginning = self._gains(lists, first_state)
        shape = (-1, states.shape[1], -1)
        return Bias(
            _Gains(beginning.tokens.expand(shape), beginning.nats.expand(shape)),
            self._gains(lists, states),
            self._held[lists[:, None], states],
        )

    def _states(self, lists: Tensor, ends: Tensor) -> Tensor:
        """Return the state after each of some tokens, int64[B, D]."""
        keys = ((ends.flip(-1) + 1) * self._powers).cumsum(-1)  # of the last token, of the last two …
        known = self._keys[lists]
        wanted = keys.flatten(1)
        found = torch.searchsorted(known, wanted).clamp(max=self.capacity.states - 1)
        states = found.where(known.gather(1, found) == wanted, 0).view(keys.shape)
        longest = ((states > 0) * self._lengths).argmax(-1, keepdim=True)
        return states.gather(-1, longest)[..., 0]

    def _gains(self, lists: Tensor, states: Tensor) -> _Gains:
        """Return the gains of states, int64[B, D]; those that there are not are 0, and for many tokens."""
        row = lists[:, None]
        places = self._firsts[row, states][..., None] + self._columns
        is_gain = places < self._firsts[row, states + 1][..., None]
        places = places.clamp(max=self.capacity.gains - 1)
        tokens, nats = self._tokens[row[..., None], places], self._nats[row[..., None], places]
        return _Gains(tokens.where(is_gain, self._others), nats.where(is_gain, 0.0))

    def _check_terms(self, terms: Sequence[Term]) -> None:
        most = self.capacity.term_tokens
        for term in terms:
            if not 1 <= len(term.tokens) <= most:
                raise ValueError(f"a term of {len(term.tokens)} tokens: expected 1–{most}")
            if not all(0 <= token < self._end for token in term.tokens):
                raise ValueError(f"a term with a token that is no text: expected 0–{self._end - 1}")
            if not 0 < term.score < float("inf"):
                raise ValueError(f"a term of score {term.score}: expected nats above 0")

    def _check_sizes(self, states: Sequence[State], gains: int) -> None:
        followers = max(len(state.gains) for state in states)
        for noun, count, most in (
            ("states", len(states), self.capacity.states),
            ("gains", gains, self.capacity.gains),
            ("tokens that follow one state", followers, self.capacity.followers),
        ):
            if count > most:
                raise ValueError(f"terms with {count} {noun}: expected at most {most}")

    def _write(self, row: Tensor, values: Sequence[float], rest: float) -> None:
        padded = [*values, *[rest] * (len(row) - len(values))]
        row.copy_(torch.tensor(padded, dtype=row.dtype), non_blocking=True)


def _key(path: Sequence[int]) -> int:
    """Return the key of a path, as int64 arithmetic has it."""
    return _wrapped(sum((token + 1) * power for token, power in zip(reversed(path), _powers(len(path)), strict=True)))


def _powers(count: int) -> list[int]:
    return [pow(MULTIPLIER, place, 1 << 64) for place in range(count)]


def _wrapped(number: int) -> int:
    """Return the int64 that is equal to a number modulo 2⁶⁴."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
