"""The hallucination guard of one session, with its counts. PURE."""

from collections import Counter
from dataclasses import replace

from decoder.hallucination_filter import Verdict, judge
from decoder.settings import GuardSettings
from decoder.types import DecodeRequest, Hypothesis, RequestKind

__all__ = ["Guard"]


class Guard:
    """Filters hallucinated words out of hypotheses and counts the reasons.

    Args:
        settings: of the hallucination filter.
    """

    def __init__(self, settings: GuardSettings) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """(partial or final, reason) → number of objections."""
        self._settings = settings

    def judge(self, request: DecodeRequest, hypothesis: Hypothesis, *, is_final: bool) -> Verdict:
        """Return the guard's verdict on a hypothesis.

        A partial is judged like a final: words that the final would drop must not be committed before it.

        Args:
            request: that the hypothesis answers.
            hypothesis: of the engine.
            is_final: whether the objections are counted as a final's.
        """
        verdict = judge(replace(request, kind=RequestKind.FINAL), hypothesis, self._settings)
        self.counts.update(("final" if is_final else "partial", reason) for reason in verdict.reasons)
        return verdict
