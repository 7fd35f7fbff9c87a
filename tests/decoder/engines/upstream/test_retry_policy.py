"""The classification of upstream failures, and the retries after them."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.upstream.retry_policy import (
    Action,
    AttemptFailed,
    Failure,
    PartialSkipped,
    backoff_s,
    decide,
    error_of,
    failure_of,
    read_timeout_s,
    retry_after_s,
)
from decoder.types import EngineBusy, RequestKind, RequestReplaced

PARTIAL, FINAL = RequestKind.PARTIAL, RequestKind.FINAL
NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (307, Failure.NOT_FOUND),
        (400, Failure.INVALID),
        (401, Failure.UNAUTHORIZED),
        (402, Failure.WITHOUT_CREDITS),
        (403, Failure.UNAUTHORIZED),
        (404, Failure.NOT_FOUND),
        (408, Failure.RATE_LIMITED),
        (413, Failure.TOO_LARGE),
        (422, Failure.INVALID),
        (429, Failure.RATE_LIMITED),
        (500, Failure.SERVER),
        (503, Failure.SERVER),
        (529, Failure.SERVER),
    ],
)
def test_each_status_has_its_meaning(status: int, failure: Failure) -> None:
    assert failure_of(status, None) is failure


def test_an_exhausted_quota_is_not_rate_limiting() -> None:
    assert failure_of(429, "insufficient_quota") is Failure.WITHOUT_CREDITS


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure.UNAUTHORIZED, "unauthorized"),
        (Failure.WITHOUT_CREDITS, "insufficient_credits"),
        (Failure.RATE_LIMITED, "rate_limited"),
        (Failure.TIMED_OUT, "upstream_timeout"),
        (Failure.NOT_FOUND, "upstream_failed"),
        (Failure.SERVER, "upstream_failed"),
        (Failure.INVALID, "upstream_failed"),
        (Failure.GARBAGE, "upstream_failed"),
    ],
)
def test_each_failure_has_its_code(failure: Failure, code: str) -> None:
    error = error_of(AttemptFailed(failure, "what happened"))
    assert (error.code, str(error)) == (code, "what happened")


@given(st.sampled_from(Failure), st.integers(1, 9))
def test_a_partial_is_retried_only_after_a_stale_connection(failure: Failure, attempts: int) -> None:
    action = decide(failure, PARTIAL, attempts)
    is_stale = failure is Failure.DISCONNECTED and attempts == 1
    assert action is (Action.RETRY_AT_ONCE if is_stale else Action.GIVE_UP)


@given(st.sampled_from(Failure), st.sampled_from([RequestKind.EAGER, FINAL, RequestKind.FILE]))
def test_only_failures_that_cost_no_work_are_retried_until_the_deadline(failure: Failure, kind: RequestKind) -> None:
    is_retried = decide(failure, kind, 3) in (Action.RETRY_LATER, Action.RETRY_AT_ONCE)
    assert is_retried == (failure in (Failure.RATE_LIMITED, Failure.UNREACHABLE))


@pytest.mark.parametrize("failure", [failure for failure in Failure if failure.is_permanent])
def test_permanent_failures_fail_over_at_once(failure: Failure) -> None:
    assert decide(failure, FINAL, 1) is Action.FAIL_OVER


def test_a_timed_out_final_is_retried_once() -> None:
    assert [decide(Failure.TIMED_OUT, FINAL, n) for n in (1, 2)] == [Action.RETRY_AT_ONCE, Action.WAIT]


def test_a_server_error_is_retried_twice() -> None:
    actions = [decide(Failure.SERVER, FINAL, n) for n in (1, 2, 3)]
    assert actions == [Action.RETRY_LATER, Action.RETRY_LATER, Action.WAIT]


@pytest.mark.parametrize("kind", [PARTIAL, FINAL])
def test_a_stale_connection_is_replaced_at_once_and_only_once(kind: RequestKind) -> None:
    assert decide(Failure.DISCONNECTED, kind, 1) is Action.RETRY_AT_ONCE
    assert decide(Failure.DISCONNECTED, kind, 2) is not Action.RETRY_AT_ONCE


@pytest.mark.parametrize("failure", [Failure.RATE_LIMITED, Failure.UNREACHABLE])
def test_a_failure_that_cost_no_work_is_retried_however_often_it_comes(failure: Failure) -> None:
    assert [decide(failure, FINAL, n) for n in (1, 3, 50)] == [Action.RETRY_LATER] * 3


def test_too_large_requests_are_split_and_invalid_ones_given_up() -> None:
    assert decide(Failure.TOO_LARGE, FINAL, 1) is Action.SPLIT
    assert decide(Failure.INVALID, FINAL, 1) is Action.GIVE_UP


@pytest.mark.parametrize(
    ("attempts", "draw", "expected_s"),
    [
        (1, 0.0, 0.1),
        (1, 1.0, 0.2),
        (3, 0.5, 0.45),
        (4, 1.0, 1.6),
        (5, 1.0, 2.0),
        (10_000, 1.0, 2.0),
        (10_000, 0.0, 0.1),
    ],
)
def test_a_backoff_doubles_with_each_attempt_up_to_two_seconds(attempts: int, draw: float, expected_s: float) -> None:
    assert backoff_s(attempts, draw) == pytest.approx(expected_s)


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_backoff_lies_between_a_tenth_of_a_second_and_two(attempts: int, draw: float) -> None:
    assert 0.1 <= backoff_s(attempts, draw) <= 2.0


@given(st.integers(1, 20), st.floats(0, 1))
def test_the_next_backoff_is_no_shorter_for_the_same_draw(attempts: int, draw: float) -> None:
    assert backoff_s(attempts, draw) <= backoff_s(attempts + 1, draw)


@pytest.mark.parametrize(
    ("kind", "audio_s", "expected_s"),
    [(PARTIAL, 30.0, 1.5), (FINAL, 1.0, 4.0), (FINAL, 30.0, 18.0), (RequestKind.EAGER, 4.0, 5.0)],
)
def test_the_read_timeout_depends_on_kind_and_length(kind: RequestKind, audio_s: float, expected_s: float) -> None:
    assert read_timeout_s(kind, audio_s) == expected_s


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Mon, 04 May 2026 12:00:07 GMT"}, 7.0),
        ({"retry-after": "Mon, 04 May 2026 12:00:07 -0000"}, 7.0),
        ({"retry-after": "Mon, 04 May 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 99 May 2026 12:00:07 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_milliseconds_or_a_date(headers: dict[str, str], expected_s: float | None) -> None:
    assert retry_after_s(headers, NOW) == expected_s


@given(st.integers(0, 10**6))
def test_any_future_date_is_accepted(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_s({"retry-after": date}, NOW) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_malformed_header_is_ignored(text: str, milliseconds: str) -> None:
    delay_s = retry_after_s({"retry-after": text, "retry-after-ms": milliseconds}, NOW)
    assert delay_s is None or delay_s >= 0


def test_a_skipped_partial_is_neither_a_failure_nor_worth_a_warning() -> None:
    error = PartialSkipped("later")
    assert isinstance(error, EngineBusy)  # the scheduler does not count it as a failure
    assert isinstance(error, RequestReplaced)  # the pipeline stretches the interval and sends no warning
