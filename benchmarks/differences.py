"""The events of a session as a client received them, compared with those of another session. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.captions import word_errors
from gateway.wire import SAMPLE_RATE_HZ, Cue, CueEvent, CueState, Error, Final, Gap, Ready, ServerEvent

__all__ = ["Difference", "Received", "compare"]

WINDOW_MS = 32.0
"""One window of the detector."""


@dataclass(slots=True)
class Received:
    """The events of one session that a client received, and the course of the session.

    Attributes:
        journal: whether the gateway's transcripts equal those that the client would write.
        cuts, kills: their numbers.
        back_s: durations of the outages, by cause.
        sent_s: audio sent, repetitions included.
        took_s: from the first connection to the last event.
    """

    finals: list[Final] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    errors: list[Error] = field(default_factory=list)
    session_id: str = ""
    journal: bool = False
    cuts: int = 0
    kills: int = 0
    back_s: dict[str, list[float]] = field(default_factory=dict)
    sent_s: float = 0.0
    took_s: float = 0.0

    def note(self, event: ServerEvent) -> None:
        """Record the next event."""
        match event:
            case Ready():
                self.session_id = event.session_id
            case Final():
                self.finals.append(event)
            case CueEvent(_, cue) if cue.state is CueState.FINAL and cue.lines:
                self.cues.append(cue)
            case Gap():
                self.gaps.append(event)
            case Error():
                self.errors.append(event)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences from the undisturbed session."""

    words: int
    words_changed: int
    finals: int
    finals_changed: int
    finals_repeated: int
    finals_moved_ms: float
    cues: int
    cues_changed: int
    cues_rebroken: int
    moved_ms: float
    gaps: int
    errors: int
    journal: bool

    @property
    def is_none(self) -> bool:
        """Whether there are none; times may differ by a window."""
        counts = (
            self.words_changed,
            self.finals_changed,
            self.finals_repeated,
            self.cues_changed,
            self.gaps,
            self.errors,
        )
        return not any(counts) and max(self.moved_ms, self.finals_moved_ms) <= WINDOW_MS and self.journal


def compare(expected: Received, received: Received) -> Difference:
    """Return the differences of the received events from the expected ones. PURE."""
    words, received_words = _words(expected.finals), _words(received.finals)
    finals = {final.utterance_id: final for final in received.finals}
    cues = {cue.cue_id: cue for cue in received.cues}
    final_pairs = [(one, finals[one.utterance_id]) for one in expected.finals if one.utterance_id in finals]
    cue_pairs = [(one, cues[one.cue_id]) for one in expected.cues if one.cue_id in cues]
    same_finals = [(one, other) for one, other in final_pairs if one.text == other.text]
    same_cues = [(one, other) for one, other in cue_pairs if _cue_words(one) == _cue_words(other)]
    moved = [_moved(_times(one), _times(other)) for one, other in same_finals]
    moved += [_moved(_span(one), _span(other)) for one, other in same_cues]
    return Difference(
        words=len(received_words),
        words_changed=word_errors(words, received_words),
        finals=len(received.finals),
        finals_changed=max(len(expected.finals), len(received.finals)) - len(same_finals),
        finals_repeated=len(received.finals) - len(finals),
        finals_moved_ms=_ms([_moved(_span(one), _span(other)) for one, other in final_pairs]),
        cues=len(received.cues),
        cues_changed=max(len(expected.cues), len(received.cues)) - len(same_cues),
        cues_rebroken=sum(one.lines != other.lines for one, other in same_cues),
        moved_ms=_ms(moved),
        gaps=len(received.gaps),
        errors=len(received.errors) + sum(final.error is not None for final in received.finals),
        journal=received.journal,
    )


def _words(finals: Sequence[Final]) -> list[str]:
    return " ".join(final.text for final in finals).split()


def _cue_words(cue: Cue) -> list[str]:
    return " ".join(cue.lines).split()


def _span(spoken: Final | Cue) -> tuple[int, int]:
    return spoken.start_sample, spoken.end_sample


def _ms(samples: Sequence[int]) -> float:
    return 1000 * max(samples, default=0) / SAMPLE_RATE_HZ


def _times(final: Final) -> tuple[int, ...]:
    words = [at for word in final.words for at in (word.start_sample, word.end_sample)]
    return (final.start_sample, final.end_sample, *words)


def _moved(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
