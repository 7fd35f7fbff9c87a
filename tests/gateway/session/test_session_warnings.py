"""Warnings come once when a condition begins, and lag has hysteresis."""

from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.scheduler import Answer
from decoder.types import DecodeRequest, EngineBusy, EngineError, Hypothesis, RequestCancelled, RequestKind
from gateway.errors import Lagging
from gateway.session.session_warnings import SessionWarnings
from gateway.settings import SessionSettings

SETTINGS = SessionSettings(lag_shed_s=10.0, lag_limit_s=40.0)


def warnings(*ignored: str) -> SessionWarnings:
    return SessionWarnings(SETTINGS, count(1).__next__, ignored)


def codes(made: SessionWarnings, lag_s: float = 0.0, repaired: int = 0, refused: str | None = None) -> list[str]:
    return [warning.code for warning in made.check(lag_s, repaired, refused)]


def test_partials_pause_at_the_limit_and_continue_at_half_of_it() -> None:
    made = warnings()
    assert (codes(made, 9.9), made.is_behind) == ([], False)
    assert (codes(made, 10.0), made.is_behind) == (["partials_paused"], True)
    assert (codes(made, 5.1), made.is_behind) == ([], True)
    assert (codes(made, 5.0), made.is_behind) == ([], False)
    assert codes(made, 10.0) == ["partials_paused"]


def test_half_of_the_last_limit_is_announced_and_the_limit_ends_the_session() -> None:
    made = warnings()
    (_, lagging) = made.check(20.0, 0)
    assert (lagging.code, lagging.message) == ("lagging", "transcription is 20.0 s behind: the session ends at 40 s")
    with pytest.raises(Lagging, match=r"transcription is 40\.0 s behind \(limit 40 s\)"):
        codes(made, 40.0)


def test_repaired_samples_and_ignored_options_are_announced_once() -> None:
    made = warnings("one", "two")
    assert codes(made, repaired=3, refused="no such language") == [
        "hint_ignored",
        "language_ignored",
        "repaired_samples",
    ]
    assert codes(made, repaired=4, refused="no such language") == []


@pytest.mark.parametrize(("leftover_bytes", "expected"), [(0, []), (1, ["incomplete_sample"])])
def test_audio_that_ends_within_a_sample_frame_is_announced(leftover_bytes: int, expected: list[str]) -> None:
    assert [warning.code for warning in warnings().ended(leftover_bytes, 2)] == expected


def answer(outcome: Hypothesis | EngineError, kind: RequestKind = RequestKind.PARTIAL) -> Answer:
    return Answer(DecodeRequest("a", 0, 1, kind, np.zeros(1, np.float32), 0, 0.0), outcome, 0.0, 0.0, 0.0)


def test_failing_partials_are_announced_once_until_one_succeeds() -> None:
    made, busy, words = warnings(), EngineBusy("no room"), Hypothesis("a", 0, 1, (), "en")
    outcomes: list[Hypothesis | EngineError] = [busy, busy, RequestCancelled("closing"), words, busy]
    assert [[warning.code for warning in made.answered(answer(outcome))] for outcome in outcomes] == [
        ["partials_failing"],
        [],
        [],
        [],
        ["partials_failing"],
    ]


def test_a_failed_final_is_not_announced() -> None:
    assert [*warnings().answered(answer(EngineBusy("no room"), RequestKind.FINAL))] == []


@given(st.lists(st.floats(0, 39)))
def test_the_same_warning_is_never_repeated_before_the_lag_has_fallen(lags: list[float]) -> None:
    made, is_armed = warnings(), True
    for lag_s in lags:
        is_announced = "partials_paused" in codes(made, lag_s)
        assert is_announced == (is_armed and lag_s >= 10.0)
        is_armed = (is_armed and lag_s < 10.0) or lag_s <= 5.0
