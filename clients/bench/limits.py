"""The limits by which words count as on time, finals as premature, speech as unanswered, and a run as valid. PURE."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a measurement, in seconds.

    Attributes:
        word_s: from the end of a word to its uninterrupted display, for goodput. Readers lose the thread of captions
            that are later; Ofcom asks for 3 s at most, speech to display, of humans.
        final_s: from an end of speech to its final, for goodput.
        premature_pause_s: a final between two words that lie closer together is premature. Endpointers wait for
            silence of 0.3 s at the least.
        unanswered_s: the least speech without a word of a final that the audit of lost audio reports.
        unanswered_words: as many words without one are reported, too, however short.
        late_p99_s: most that the client may be late with 99 % of its frames in a valid run: half a usual frame, and a
            tenth of the least lags of words there are.
        late_max_s: most that it may be late with any frame.
    """

    word_s: float = 1.5
    final_s: float = 1.0
    premature_pause_s: float = 0.3
    unanswered_s: float = 2.0
    unanswered_words: int = 3
    late_p99_s: float = 0.05
    late_max_s: float = 0.25
