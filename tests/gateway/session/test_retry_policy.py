"""Which failed requests are made again."""

import numpy as np
import pytest

from decoder.types import DecodeRequest, EngineFailed, Hypothesis, RequestCancelled, RequestKind
from gateway.session.retry_policy import RetryPolicy
from tests.contracts.engines import request

FAILED = EngineFailed("it failed")


def of(kind: RequestKind, utterance_id: int = 1) -> DecodeRequest:
    return request(np.zeros(1, np.float32), kind=kind, utterance_id=utterance_id)


def test_an_eager_request_is_made_again_whatever_its_failure() -> None:
    assert RetryPolicy().should_retry(of(RequestKind.EAGER), FAILED)
    assert RetryPolicy().should_retry(of(RequestKind.EAGER), RequestCancelled("it was cancelled"))


@pytest.mark.parametrize("kind", [RequestKind.PARTIAL, RequestKind.FINAL])
def test_a_live_request_has_no_time_for_another_attempt(kind: RequestKind) -> None:
    assert not RetryPolicy().should_retry(of(kind), FAILED)


def test_what_was_answered_is_not_made_again() -> None:
    asked = of(RequestKind.FILE)
    assert not RetryPolicy().should_retry(asked, Hypothesis(asked.session_id, asked.utterance_id, asked.revision, ()))


def test_a_file_has_three_attempts_at_an_utterance() -> None:
    policy = RetryPolicy()
    assert [policy.should_retry(of(RequestKind.FILE), FAILED) for _ in range(3)] == [True, True, False]


def test_a_cancelled_request_of_a_file_is_not_made_again() -> None:
    assert not RetryPolicy().should_retry(of(RequestKind.FILE), RequestCancelled("it was cancelled"))


def test_after_an_utterance_that_failed_for_good_the_next_have_one_attempt_until_one_has_words() -> None:
    policy = RetryPolicy()
    for _ in range(3):
        policy.should_retry(of(RequestKind.FILE), FAILED)
    assert not policy.should_retry(of(RequestKind.FILE, 2), FAILED)

    policy.should_retry(of(RequestKind.FILE, 3), Hypothesis("session", 3, 1, ()))
    assert policy.should_retry(of(RequestKind.FILE, 4), FAILED)
