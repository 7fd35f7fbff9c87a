"""The script of the self-test: what is spoken, what the server sends and when, and what must be measured. PURE.

The expected figures follow from the script by arithmetic on its own numbers: nothing that is tested takes part in it.
Each utterance has a flaw of its own, and the delays vary.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise

from clients.bench.reference import Reference, ReferenceWord
from clients.dialects.driver import Transcript

__all__ = ["Expected", "Script", "ScriptedMessage", "percentile", "silence_script", "speech_script"]

_WORD_S, _GAP_S, _PAUSE_S = 0.30, 0.05, 1.0

_SHORT_PAUSE_S = 0.35
"""Together with the gap, a pause within speech."""

_SHOWN_S, _FINAL_S, _PREMATURE_S = 0.30, 0.60, 0.10
"""From the end of a word to its display; from the end of speech to the final; from a display to a premature final."""

_JITTER_S = 0.08
"""Most that a delay is longer: less than what separates two messages."""

_WRONG = "umbrella"
"""What the server writes instead of a word."""


class _Flaw(Enum):
    """What the server does wrong in an utterance.

    SUBSTITUTION: the fourth word is another one from beginning to end. CORRECTION: the third word is another one at
    first, and the last word until the final. PREMATURE: a final after the fourth word, in the middle of speech; the
    sixth is never written. DUPLICATE: the final has the fourth word twice. MISSING: the final lacks the last word.
    """

    SUBSTITUTION = auto()
    CORRECTION = auto()
    PREMATURE = auto()
    DUPLICATE = auto()
    MISSING = auto()


_UTTERANCES = (
    (_Flaw.SUBSTITUTION, "apple river stone cloud garden window silver"),
    (_Flaw.CORRECTION, "market bridge yellow forest animal winter table"),
    (_Flaw.PREMATURE, "doctor island mirror carpet planet basket orange"),
    (_Flaw.DUPLICATE, "pencil summer castle dragon engine finger guitar"),
    (_Flaw.MISSING, "hammer insect jacket kitchen lemon monkey needle"),
)
"""Words that no normaliser changes, each of them once."""

_INVENTED = ("thank you", "thank you for watching")


@dataclass(frozen=True, slots=True)
class ScriptedMessage:
    """A transcript that the server sends.

    Attributes:
        at_s: since the server was ready.
        transcript: sent then.
    """

    at_s: float
    transcript: Transcript


@dataclass(slots=True)
class Expected:
    """What must be measured in one stream; lags in seconds, for each word that the finals have right.

    Attributes:
        first_shown_s, shown_s, committed_s, word_final_s: of each word.
        final_s: of each answered end of speech.
        first_partial_s: of each utterance.
        update_gap_s: between the updates of each utterance.
        substituted, inserted, deleted: words.
        ends_of_speech, premature, missing: finals.
        erased, erased_by_final, withdrawn: displayed words.
        invented: words, where nobody speaks.
    """

    first_shown_s: list[float] = field(default_factory=list)
    shown_s: list[float] = field(default_factory=list)
    committed_s: list[float] = field(default_factory=list)
    word_final_s: list[float] = field(default_factory=list)
    final_s: list[float] = field(default_factory=list)
    first_partial_s: list[float] = field(default_factory=list)
    update_gap_s: list[float] = field(default_factory=list)
    substituted: int = 0
    inserted: int = 0
    deleted: int = 0
    ends_of_speech: int = 0
    premature: int = 0
    missing: int = 0
    erased: int = 0
    erased_by_final: int = 0
    withdrawn: int = 0
    invented: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """One stream of the self-test.

    Attributes:
        reference: what is spoken.
        messages: of the server, by time.
        expected: what must be measured.
    """

    reference: Reference
    messages: tuple[ScriptedMessage, ...]
    expected: Expected


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that at least a share of the values do not exceed (nearest rank).

    Args:
        values: at least one.
        share: above 0, up to 1.
    """
    return sorted(values)[math.ceil(share * len(values)) - 1]


def silence_script(duration_s: float = 10.0) -> Script:
    """Return a stream without speech in which the server writes words all the same."""
    reference = Reference("self-test silence", None, duration_s, ())
    partial, final = (Transcript("1", text, text == _INVENTED[-1]) for text in _INVENTED)
    messages = (ScriptedMessage(3.0, partial), ScriptedMessage(4.0, final))
    return Script(reference, messages, Expected(invented=len(_INVENTED[-1].split())))


def speech_script(jitter: Callable[[], float], silence_s: float = 1.0) -> Script:
    """Return a stream of five utterances, each with a flaw of its own.

    Args:
        jitter: returns the share of a delay's jitter, 0 to 1.
        silence_s: before the first utterance.
    """
    expected, words, messages, at_s = Expected(), list[ReferenceWord](), list[ScriptedMessage](), silence_s
    for number, (flaw, text) in enumerate(_UTTERANCES):
        utterance = _Utterance(number, flaw, text.split(), at_s, jitter)
        utterance.expect(expected)
        words += utterance.words
        messages += utterance.messages()
        at_s = utterance.words[-1].end_s + _PAUSE_S
    return Script(Reference("self-test speech", "en", at_s, tuple(words)), tuple(messages), expected)


class _Utterance:
    """Writes the messages of one utterance, and what must be measured of it.

    Args:
        number: of the utterance, which makes its segments' ids.
        flaw: its own.
        texts: its words.
        start_s: of the first word.
        jitter: returns the share of a delay's jitter, 0 to 1.
    """

    def __init__(
        self, number: int, flaw: _Flaw, texts: Sequence[str], start_s: float, jitter: Callable[[], float]
    ) -> None:
        step_s = _WORD_S + _GAP_S
        starts_s = [start_s + place * step_s for place in range(len(texts))]
        if flaw is _Flaw.MISSING:  # a final before a word that no pause precedes would be premature, too
            starts_s[-1] += _SHORT_PAUSE_S
        self.words = [
            ReferenceWord(text, word_s, word_s + _WORD_S, ends_speech=place == len(texts) - 1)
            for place, (text, word_s) in enumerate(zip(texts, starts_s, strict=True))
        ]
        self._number = number
        self._flaw = flaw
        self._last = len(texts) - 1
        self._shown_s = [word.end_s + _SHOWN_S + _JITTER_S * jitter() for word in self.words]
        self._final_s = self.words[-1].end_s + _FINAL_S + _JITTER_S * jitter()
        is_premature = flaw is _Flaw.PREMATURE
        self._segments = (range(4), range(4, self._last + 1)) if is_premature else (range(self._last + 1),)

    def messages(self) -> list[ScriptedMessage]:
        """Return the messages in order of time."""
        messages = []
        for segment, places in enumerate(self._segments):
            name = f"{self._number}.{segment}"
            for newest in filter(self._is_written, places):
                texts = [self._partial(place, newest) for place in places[: newest - places.start + 1]]
                written = [text for text in texts if text is not None]
                promised = " ".join(written[:-1])
                transcript = Transcript(name, " ".join(written), False, len(promised))
                messages.append(ScriptedMessage(self._shown_s[newest], transcript))
            text = " ".join(self._final_texts(places)).capitalize() + "."
            messages.append(ScriptedMessage(self._final_at_s(places), Transcript(name, text, True, len(text))))
        return messages

    def expect(self, expected: Expected) -> None:
        """Add what must be measured."""
        flaw, end_s = self._flaw, self.words[-1].end_s
        expected.substituted += flaw is _Flaw.SUBSTITUTION
        expected.inserted += flaw is _Flaw.DUPLICATE
        expected.deleted += flaw in (_Flaw.PREMATURE, _Flaw.MISSING)
        expected.ends_of_speech += 1
        expected.premature += flaw is _Flaw.PREMATURE
        expected.missing += flaw is _Flaw.MISSING
        expected.erased += flaw is _Flaw.CORRECTION
        # what stands behind a doubled word has moved, and so counts as erased (Arivazhagan et al. 2020)
        expected.erased_by_final += {
            _Flaw.CORRECTION: 1,
            _Flaw.MISSING: 1,
            _Flaw.DUPLICATE: self._last - 3,
        }.get(flaw, 0)
        expected.withdrawn += {_Flaw.CORRECTION: 2, _Flaw.MISSING: 1}.get(flaw, 0)
        expected.first_partial_s.append(self._shown_s[0] - self.words[0].start_s)
        if flaw is not _Flaw.MISSING:
            expected.final_s.append(self._final_s - end_s)
        updates_s = [self._shown_s[place] for place in range(self._last + 1) if self._is_written(place)]
        within_s = [at_s for at_s in updates_s if at_s <= end_s]
        expected.update_gap_s += [later - earlier for earlier, later in pairwise(within_s)]
        for places in self._segments:
            for place in filter(self._is_right, places):
                self._expect_word(expected, place, places)

    def _expect_word(self, expected: Expected, place: int, places: range) -> None:
        end_s, final_s = self.words[place].end_s, self._final_at_s(places)
        following = [later for later in places if later > place and self._is_written(later)]
        committed_s = self._shown_s[following[0]] if following else final_s
        shown_s = self._shown_s[place]
        if self._flaw is _Flaw.CORRECTION and place in (2, self._last):
            shown_s = committed_s
        expected.first_shown_s.append(self._shown_s[place] - end_s)
        expected.shown_s.append(shown_s - end_s)
        expected.committed_s.append(committed_s - end_s)
        expected.word_final_s.append(final_s - end_s)

    def _final_at_s(self, places: range) -> float:
        return self._final_s if self._last in places else self._shown_s[places[-1]] + _PREMATURE_S

    def _is_written(self, place: int) -> bool:
        return not (self._flaw is _Flaw.PREMATURE and place == 5)

    def _is_right(self, place: int) -> bool:
        is_substituted = self._flaw is _Flaw.SUBSTITUTION and place == 3
        is_missing = self._flaw is _Flaw.MISSING and place == self._last
        return self._is_written(place) and not is_substituted and not is_missing

    def _partial(self, place: int, newest: int) -> str | None:
        """Return a word as the partial displays it whose newest word is given; None: it does not."""
        if not self._is_written(place):
            return None
        is_corrected_later = self._flaw is _Flaw.CORRECTION and place in (2, self._last) and place == newest
        is_substituted = self._flaw is _Flaw.SUBSTITUTION and place == 3
        return _WRONG if is_corrected_later or is_substituted else self.words[place].text

    def _final_texts(self, places: range) -> list[str]:
        texts = [self.words[place].text for place in places if self._is_written(place)]
        if self._flaw is _Flaw.SUBSTITUTION:
            texts[3] = _WRONG
        if self._flaw is _Flaw.DUPLICATE:
            texts.insert(3, texts[3])
        return texts[:-1] if self._flaw is _Flaw.MISSING else texts
