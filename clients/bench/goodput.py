"""Words and finals that were on time, and streams that were refused or failed. PURE."""

from collections import Counter
from collections.abc import Iterable, Sequence

from clients.bench.limits import Limits
from clients.bench.matched_words import MatchedWord
from clients.bench.result import Goodput
from clients.bench.trace import StreamTrace

__all__ = ["goodput"]


def goodput(streams: Iterable[tuple[StreamTrace, Sequence[MatchedWord]]], limits: Limits) -> Goodput:
    """Return the goodput of all streams, refused ones included: their words were due.

    Args:
        streams: each with the words that are compared; without, if their times are unknown.
        limits: of lags.
    """
    words_due = words_on_time = finals_due = finals_on_time = failed = 0
    refusals: Counter[str] = Counter()
    for trace, words in streams:
        words_due += len(words)
        words_on_time += sum(_is_on_time(word.shown_s, word.spoken.end_s, limits.word_s) for word in words)
        ends = [(word.final_s, word.speech_ends_s) for word in words if word.speech_ends_s is not None]
        finals_due += len(ends)
        finals_on_time += sum(_is_on_time(final_s, end_s, limits.final_s) for final_s, end_s in ends)
        if trace.failure is not None and trace.was_refused:
            refusals[trace.failure[0]] += 1
        failed += trace.failure is not None and not trace.was_refused
    return Goodput(
        words_due, words_on_time, finals_due, finals_on_time, refusals.total(), failed, dict(sorted(refusals.items()))
    )


def _is_on_time(at_s: float | None, due_s: float, limit_s: float) -> bool:
    return at_s is not None and at_s - due_s <= limit_s
