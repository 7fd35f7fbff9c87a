"""What a viewer saw of the captions, and how good it was. PURE.

Words are those between spaces. An utterance is seen as a series of displays: all of its words, as shown from some
moment on, and how many leading ones were promised to stay.

- *Erased*: words after the first one that changed, display by display. Divided by the words finally shown it is the
  normalised erasure (Arivazhagan et al. 2020).
- *Unstable*: words that the next display has not got at their place. Divided by the words finally shown it is the
  unstable partial word ratio (Shangguan et al. 2020).
- *First shown*: since when a word is where it finally is, without a break. *Committed*: since when it was promised
  there; the final may correct what was promised.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.virtual import Said
from gateway.wire import Cue, CueEvent, CueState

__all__ = [
    "Display",
    "aligned",
    "committed_s",
    "displays",
    "erased_words",
    "first_shown_s",
    "unstable_words",
    "word_errors",
]

_CHANGE = 1 << 20
"""What a change costs; a replacement costs one more, which never adds up to another change."""


@dataclass(frozen=True, slots=True)
class Display:
    """An utterance as shown from `at_s` on.

    Attributes:
        at_s: since the session's first sample was spoken.
        words: all of its words.
        stable: so many leading words are promised to stay until the final.
    """

    at_s: float
    words: tuple[str, ...]
    stable: int


def displays(said: Iterable[Said]) -> dict[int, list[Display]]:
    """Return what was shown of each utterance, one display for each moment at which cues changed.

    Args:
        said: by one session, oldest first.
    """
    shown: dict[int, list[Display]] = {}
    cues: dict[int, dict[str, Cue]] = {}
    for moment in said:
        changed = [event.cue for event in moment.events if isinstance(event, CueEvent)]
        for cue in changed:
            cues.setdefault(cue.utterance_id, {})[cue.cue_id] = cue
        # Cues of an utterance are first shown in order.
        for utterance_id in dict.fromkeys(cue.utterance_id for cue in changed):
            shown.setdefault(utterance_id, []).append(_display(moment.at_s, list(cues[utterance_id].values())))
    return shown


def erased_words(shown: Sequence[Display]) -> int:
    """Return how many words were taken away or changed, or stood after one that was."""
    return sum(len(before.words) - _common(before.words, after.words) for before, after in pairwise(shown))


def unstable_words(shown: Sequence[Display]) -> int:
    """Return how many words the next display had not got at their place."""
    return sum(
        sum(after.words[place : place + 1] != (word,) for place, word in enumerate(before.words))
        for before, after in pairwise(shown)
    )


def first_shown_s(shown: Sequence[Display]) -> list[float]:
    """Return for each word of the last display since when it was there, at that place, for good."""
    final = shown[-1].words
    since = [shown[-1].at_s] * len(final)
    for place, word in enumerate(final):
        for display in reversed(shown):
            if display.words[place : place + 1] != (word,):
                break
            since[place] = display.at_s
    return since


def committed_s(shown: Sequence[Display]) -> list[float]:
    """Return for each word of the last display when it was first promised to stay, at that place."""
    return [
        next((each.at_s for each in shown if each.stable > place and each.words[place] == word), shown[-1].at_s)
        for place, word in enumerate(shown[-1].words)
    ]


def aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Return pairs of places, with the fewest changes (Levenshtein over words): None where the other has one too many.

    Of equally few, those with the most equal words.
    """
    rows = [[_CHANGE * j for j in range(len(hypothesis) + 1)]]
    for i, word in enumerate(reference, start=1):
        row = [_CHANGE * i]
        for j, other in enumerate(hypothesis, start=1):
            row.append(min(rows[-1][j - 1] + _replacing(word, other), rows[-1][j] + _CHANGE, row[-1] + _CHANGE))
        rows.append(row)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(reference), len(hypothesis)
    while i or j:
        if i and j and rows[i][j] == rows[i - 1][j - 1] + _replacing(reference[i - 1], hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and rows[i][j] == rows[i - 1][j] + _CHANGE:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return how many words are wrong, missing or too many."""
    return sum(i is None or j is None or reference[i] != hypothesis[j] for i, j in aligned(reference, hypothesis))


def _replacing(word: str, other: str) -> int:
    return 0 if word == other else _CHANGE + 1


def _display(at_s: float, cues: Sequence[Cue]) -> Display:
    words: list[str] = []
    stable, is_stable = 0, True
    for cue in cues:
        text = "\n".join(cue.lines)
        words += text.split()
        if is_stable:
            stable_chars = len(text) if cue.state is CueState.FINAL else cue.stable_chars
            stable += len(text[:stable_chars].split())
            is_stable = stable_chars == len(text) > 0
    return Display(at_s, tuple(words), stable)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    places = range(min(len(one), len(other)))
    return next((place for place in places if one[place] != other[place]), len(places))
