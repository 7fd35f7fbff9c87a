"""A subtitle cue. PURE."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Cue", "CueState"]


class CueState(StrEnum):
    """Whether a cue may still change."""

    PARTIAL = "partial"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Cue:
    """One revision of a cue: the lines displayed together.

    Attributes:
        cue_id: unique in the session, the same in all revisions: `3.1` is the first cue of utterance 3.
        utterance_id: the utterance that its words belong to.
        revision: greater than in any earlier revision; it is the transcript's, unless that one was already used.
        start_sample: when it appears, at 16 kHz since the session began.
        end_sample: when it disappears, > `start_sample`.
        lines: its text; empty only in a partial cue, which is thereby withdrawn: display nothing. A later revision may
            bring it back until its utterance is final.
        stable_chars: number of leading characters of `"\\n".join(lines)` that stay the same in all later partial
            revisions: their words are committed and their position is fixed. Only the final revision may correct them.
        state: a final cue has text, and is the last revision.
    """

    cue_id: str
    utterance_id: int
    revision: int
    start_sample: int
    end_sample: int
    lines: tuple[str, ...]
    stable_chars: int
    state: CueState
