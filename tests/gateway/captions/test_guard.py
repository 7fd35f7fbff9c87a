"""The guard of a session: a partial is judged like its final, and objections are counted apart."""

import numpy as np
import pytest

from decoder.settings import GuardSettings
from decoder.types import DecodeRequest, Hypothesis, RequestKind, Word
from gateway.captions.guard import Guard

SILENT = Hypothesis("a", 0, 1, (Word(" Thank", 0, 8_000), Word(" you", 8_000, 16_000)), "en")


def request(kind: RequestKind) -> DecodeRequest:
    return DecodeRequest("a", 0, 1, kind, np.zeros(16_000, np.float32), 0, 0.0)


@pytest.mark.parametrize("kind", [RequestKind.PARTIAL, RequestKind.EAGER, RequestKind.FINAL])
def test_a_partial_is_judged_like_a_final(kind: RequestKind) -> None:
    final = Guard(GuardSettings()).judge(request(RequestKind.FINAL), SILENT, is_final=True)
    assert final.reasons
    assert Guard(GuardSettings()).judge(request(kind), SILENT, is_final=False) == final


def test_objections_are_counted_by_kind_and_reason() -> None:
    guard = Guard(GuardSettings())
    for _ in range(2):
        verdict = guard.judge(request(RequestKind.PARTIAL), SILENT, is_final=False)
    guard.judge(request(RequestKind.FINAL), SILENT, is_final=True)
    for reason in verdict.reasons:
        assert (guard.counts["partial", reason], guard.counts["final", reason]) == (2, 1)
