"""PURE: the terms of a session as an automaton over tokens, which says what each next token gains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["State", "Term", "automaton"]

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a name that is likely to be spoken.

    Attributes:
        tokens: at least one. With a leading space and without one it has other tokens, so that these are two terms.
        score: nats for each of its tokens, above 0. Per token, not per term, because a long name has to begin as easily
            as a short one, and has more tokens that the model finds unlikely. icefall's `ContextGraph` does the same.
    """

    tokens: Path
    score: float


@dataclass(frozen=True, slots=True)
class State:
    """What of the terms the end of a text has begun.

    Attributes:
        path: its tokens: the longest end of the text that a term begins with.
        held: nats that were given for it, and are taken back unless a term is completed.
        gains: token → nats that it gains on tokens which continue and begin no term; in all states but the first,
            beyond what it gains in the first.
    """

    path: Path
    held: float
    gains: Mapping[int, float]


def automaton(terms: Iterable[Term]) -> tuple[State, ...]:
    """Return the states of terms, of which the first has begun nothing.

    As by Aho and Corasick (1975), a token that does not continue what was begun may continue a shorter end of it. Then
    what is held is taken back, from all tokens alike: a token that continues gains what would be lost as well.
    """
    scores: dict[Path, float] = {(): 0.0}
    ends = set[Path]()
    for term in terms:
        ends.add(term.tokens)
        for length in range(1, len(term.tokens) + 1):
            path = term.tokens[:length]
            scores[path] = max(term.score, scores.get(path, 0.0))
    paths = sorted(scores, key=len)
    shorter = {path: _longest_end(path, scores) for path in paths[1:]}
    gained: dict[Path, float] = {(): 0.0}
    kept: dict[Path, float] = {(): 0.0}
    for path in paths[1:]:
        own = scores[path] + gained[path[:-1]] - kept[path[:-1]]
        gained[path] = max(own, gained[shorter[path]])
        kept[path] = max(own if path in ends else 0.0, kept[shorter[path]])
    gains = {
        path: {token: gained[to] - (gained.get((token,), 0.0) if path else 0.0) for token, to in following.items()}
        for path, following in _continued(paths, shorter).items()
    }
    return tuple(State(path, gained[path] - kept[path], gains[path]) for path in paths)


def _longest_end(path: Path, paths: Mapping[Path, float]) -> Path:
    """Return the longest end of a path, but not all of it, that is a path as well."""
    return next(path[begin:] for begin in range(1, len(path) + 1) if path[begin:] in paths)


def _continued(paths: Sequence[Path], shorter: Mapping[Path, Path]) -> dict[Path, dict[int, Path]]:
    """Return for each path the tokens that continue it, or an end of it that is not empty, and where they lead."""
    continued: dict[Path, dict[int, Path]] = {path: {} for path in paths}
    for path in paths[1:]:
        continued[path[:-1]][path[-1]] = path
    for path in paths[1:]:  # the shorter before the longer
        if shorter[path]:
            continued[path] = continued[shorter[path]] | continued[path]
    return continued
