"""The captions as a viewer saw them, and measures of their quality. PURE.

Words are separated by spaces, unless the caller splits otherwise. An utterance is a series of displays: all of its
words as displayed from some moment on, and the number of leading words that were committed.

- *Erased*: words from the first changed one on, summed over the displays. Divided by the words finally displayed, it is
  the normalised erasure (Arivazhagan et al. 2020).
- *First shown*: the time since which a word has been displayed without interruption, tracked from display to display by
  alignment: a word that only moved keeps its time. *Committed*: the time since which it was committed as well.
- *Withdrawn*: words erased from one partial display to the next. *Changed by the final*: words of the last partial
  display that the final replaces or omits, by alignment.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.virtual import TimedEvents
from clients.bench.alignment import aligned, common_prefix
from gateway.wire import Cue, CueEvent, CueState, Final

__all__ = [
    "Display",
    "Standing",
    "aligned",
    "changed_words",
    "displays",
    "erased_words",
    "partial_displays",
    "standing_since",
    "word_errors",
]


@dataclass(frozen=True, slots=True)
class Display:
    """An utterance as displayed from `at_s` on.

    Attributes:
        at_s: since the session's first sample was spoken.
        words: all of its words.
        stable: number of leading words that stay until the final.
        is_final: whether the utterance has its final.
    """

    at_s: float
    words: tuple[str, ...]
    stable: int
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """The times since which a word of the last display is displayed and committed, in seconds."""

    shown_s: float
    committed_s: float


def displays(
    moments: Iterable[TimedEvents], split: Callable[[str], Sequence[str]] = str.split
) -> dict[int, list[Display]]:
    """Return the displays of each utterance, one for each moment at which its cues changed.

    Args:
        moments: of one session, oldest first.
        split: splits a cue's text into words; lines are separated by line feeds.
    """
    shown: dict[int, list[Display]] = {}
    cues: dict[int, dict[str, Cue]] = {}
    finished: set[int] = set()
    for moment in moments:
        changed = [event.cue for event in moment.events if isinstance(event, CueEvent)]
        finished |= {event.utterance_id for event in moment.events if isinstance(event, Final)}
        for cue in changed:
            cues.setdefault(cue.utterance_id, {})[cue.cue_id] = cue
        # Cues of an utterance first appear in order.
        for utterance_id in dict.fromkeys(cue.utterance_id for cue in changed):
            display = _display(moment.at_s, list(cues[utterance_id].values()), utterance_id in finished, split)
            shown.setdefault(utterance_id, []).append(display)
    return shown


def partial_displays(shown: Sequence[Display]) -> list[Display]:
    """Return the displays before the final."""
    return [display for display in shown if not display.is_final]


def erased_words(shown: Sequence[Display]) -> int:
    """Return the number of words that were removed or changed, or followed one that was."""
    return sum(len(before.words) - common_prefix(before.words, after.words) for before, after in pairwise(shown))


def changed_words(partial: Display, final: Sequence[str]) -> tuple[int, int]:
    """Return how many words of a partial display a final changes, and how many of these had been committed."""
    changed = [
        i for i, j in aligned(partial.words, final) if i is not None and (j is None or partial.words[i] != final[j])
    ]
    return len(changed), sum(place < partial.stable for place in changed)


def standing_since(shown: Sequence[Display]) -> list[Standing]:
    """Return since when each word of the last display stands, tracked backwards through all displays."""
    last = shown[-1]
    since = [Standing(last.at_s, last.at_s)] * len(last.words)
    places = {place: place for place in range(len(last.words))}
    committed = set(places)
    for later, earlier in pairwise(reversed(shown)):
        equal = {
            i: j
            for i, j in aligned(later.words, earlier.words)
            if i is not None and j is not None and later.words[i] == earlier.words[j]
        }
        places = {word: equal[place] for word, place in places.items() if place in equal}
        committed = {word for word in committed if word in places and places[word] < earlier.stable}
        for word in places:
            since[word] = Standing(earlier.at_s, earlier.at_s if word in committed else since[word].committed_s)
    return since


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the number of wrong, missing or surplus words."""
    return sum(i is None or j is None or reference[i] != hypothesis[j] for i, j in aligned(reference, hypothesis))


def _display(at_s: float, cues: Sequence[Cue], is_final: bool, split: Callable[[str], Sequence[str]]) -> Display:
    words: list[str] = []
    stable, is_stable = 0, True
    for cue in cues:
        text = "\n".join(cue.lines)
        words += split(text)
        if is_stable:
            stable_chars = len(text) if cue.state is CueState.FINAL else cue.stable_chars
            stable += len(split(text[:stable_chars]))
            is_stable = stable_chars == len(text) > 0
    return Display(at_s, tuple(words), stable, is_final)
