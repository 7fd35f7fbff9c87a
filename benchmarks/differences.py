"""What a client was told of a session, and how that differs from what another was told. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.captions import word_errors
from gateway.wire import SAMPLE_RATE_HZ, Cue, CueEvent, CueState, Error, Final, Gap, Ready, ServerEvent

__all__ = ["Difference", "Heard", "compare"]

FRAME_MS = 32.0
"""A window of the detector."""


@dataclass(slots=True)
class Heard:
    """What a client was told of one session, and what became of it.

    Attributes:
        journal: whether the gateway's transcripts are what the client would have written.
        cuts, kills: that happened.
        back_s: how long the client was away each time, by what happened.
        sent_s: sound sent, repetitions included.
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
        """Take in the next event."""
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
    """What is not as in the session that was left alone."""

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
        """Whether all is the same; times may differ by a frame."""
        counts = (
            self.words_changed,
            self.finals_changed,
            self.finals_repeated,
            self.cues_changed,
            self.gaps,
            self.errors,
        )
        return not any(counts) and max(self.moved_ms, self.finals_moved_ms) <= FRAME_MS and self.journal


def compare(expected: Heard, heard: Heard) -> Difference:
    """Return how what was heard differs from what was expected. PURE."""
    words, heard_words = _words(expected.finals), _words(heard.finals)
    finals = {final.utterance_id: final for final in heard.finals}
    cues = {cue.cue_id: cue for cue in heard.cues}
    final_pairs = [(one, finals[one.utterance_id]) for one in expected.finals if one.utterance_id in finals]
    cue_pairs = [(one, cues[one.cue_id]) for one in expected.cues if one.cue_id in cues]
    same_finals = [(one, other) for one, other in final_pairs if one.text == other.text]
    same_cues = [(one, other) for one, other in cue_pairs if _said(one) == _said(other)]
    moved = [_moved(_times(one), _times(other)) for one, other in same_finals]
    moved += [_moved(_span(one), _span(other)) for one, other in same_cues]
    return Difference(
        words=len(heard_words),
        words_changed=word_errors(words, heard_words),
        finals=len(heard.finals),
        finals_changed=max(len(expected.finals), len(heard.finals)) - len(same_finals),
        finals_repeated=len(heard.finals) - len(finals),
        finals_moved_ms=_ms([_moved(_span(one), _span(other)) for one, other in final_pairs]),
        cues=len(heard.cues),
        cues_changed=max(len(expected.cues), len(heard.cues)) - len(same_cues),
        cues_rebroken=sum(one.lines != other.lines for one, other in same_cues),
        moved_ms=_ms(moved),
        gaps=len(heard.gaps),
        errors=len(heard.errors) + sum(final.error is not None for final in heard.finals),
        journal=heard.journal,
    )


def _words(finals: Sequence[Final]) -> list[str]:
    return " ".join(final.text for final in finals).split()


def _said(cue: Cue) -> list[str]:
    return " ".join(cue.lines).split()


def _span(said: Final | Cue) -> tuple[int, int]:
    return said.start_sample, said.end_sample


def _ms(samples: Sequence[int]) -> float:
    return 1000 * max(samples, default=0) / SAMPLE_RATE_HZ


def _times(final: Final) -> tuple[int, ...]:
    words = [at for word in final.words for at in (word.start_sample, word.end_sample)]
    return (final.start_sample, final.end_sample, *words)


def _moved(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
