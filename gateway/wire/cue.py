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
    """One version of what is shown together.

    Attributes:
        cue_id: unique in the session, the same in all versions: `3.1` is the first cue of utterance 3.
        utterance_id: whose words it shows.
        revision: greater than in any earlier version; it is the transcript's, unless that one came before.
        start_sample: when it appears, at 16 kHz since the session began.
        end_sample: when it disappears, > `start_sample`.
        lines: what it shows; empty only in a partial cue, which is thereby withdrawn: show nothing. A later version may
            bring it back until its utterance is final.
        stable_chars: so many leading characters of `"\\n".join(lines)` are the same in all later partial versions:
            their words are committed and their place is settled. Only the final version may correct them.
        state: a final cue has text, and is the last version.
    """

    cue_id: str
    utterance_id: int
    revision: int
    start_sample: int
    end_sample: int
    lines: tuple[str, ...]
    stable_chars: int
    state: CueState
