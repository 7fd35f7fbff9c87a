"""Which failed requests are retried."""

import numpy as np
import pytest

from decoder.types import DecodeRequest, EngineFailed, RequestCancelled, RequestKind
from gateway.session.retry_policy import RetryPolicy

FAILED = EngineFailed("the script fails")
WORDS = object()
FILE = RequestKind.FILE


def request(kind: RequestKind, utterance_id: int = 0) -> DecodeRequest:
    return DecodeRequest("a", utterance_id, 1, kind, np.zeros(1, np.float32), 0, 0.0)


@pytest.mark.parametrize(
    ("kind", "expected"), [(RequestKind.EAGER, True), (RequestKind.FINAL, False), (RequestKind.PARTIAL, False)]
)
def test_among_live_requests_only_eager_ones_are_retried(kind: RequestKind, expected: bool) -> None:
    assert RetryPolicy().should_retry(request(kind), FAILED) is expected


def test_the_final_of_a_file_gets_three_attempts() -> None:
    policy = RetryPolicy()
    assert [policy.should_retry(request(FILE), FAILED) for _ in range(3)] == [True, True, False]


def test_after_an_utterance_is_given_up_others_get_one_attempt_until_one_succeeds() -> None:
    policy = RetryPolicy()
    for _ in range(3):
        policy.should_retry(request(FILE), FAILED)
    assert not policy.should_retry(request(FILE, 1), FAILED)
    assert not policy.should_retry(request(FILE, 2), WORDS)
    assert policy.should_retry(request(FILE, 3), FAILED)


def test_a_cancelled_request_of_a_file_is_not_retried() -> None:
    assert not RetryPolicy().should_retry(request(FILE), RequestCancelled("closing"))
