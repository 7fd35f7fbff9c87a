"""Limits of a key: requests per minute, and seconds of audio."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.api_keys import Account, FormerSecret, Key, TokenBucket, digest_of
from gateway.access.scopes import Scope
from gateway.access.terms import Terms
from gateway.errors import InsufficientCredits, RateLimited, Unauthorized

DIGEST = digest_of("lc_secret")

ROUNDING = 1e-5

NOW_S = 1_800_000_000.0

seconds = st.floats(0, 1_000)


def admit(account: Account) -> None:
    account.check_terms(Scope.INGEST, NOW_S)
    account.take_request(0.0)
    account.check_credit()


def allowed(bucket: TokenBucket, now_s: float) -> bool:
    try:
        bucket.take(now_s)
    except RateLimited:
        return False
    return True


# --- requests a minute ----------------------------------------------------------------------------------------------


@given(st.integers(1, 600), st.lists(st.floats(0, 5), max_size=200))
def test_requests_are_limited_in_bursts_and_per_minute(per_minute: int, pauses_s: list[float]) -> None:
    bucket, now_s, taken = TokenBucket(per_minute, 0.0), 0.0, 0
    for pause_s in pauses_s:
        now_s += pause_s
        taken += allowed(bucket, now_s)
        assert taken <= per_minute + now_s * per_minute / 60 + ROUNDING


@given(st.integers(1, 600), st.lists(st.floats(0, 5), max_size=200))
def test_evenly_spaced_requests_are_never_refused(per_minute: int, pauses_s: list[float]) -> None:
    bucket, now_s = TokenBucket(per_minute, 0.0), 0.0
    for pause_s in pauses_s:
        now_s += 60 / per_minute + pause_s
        bucket.take(now_s)


@given(st.integers(1, 100), st.floats(0, 1e9))
def test_a_retry_is_admitted_after_the_given_time_and_not_sooner(per_minute: int, now_s: float) -> None:
    bucket = TokenBucket(per_minute, now_s)
    for _ in range(per_minute):
        bucket.take(now_s)
    with pytest.raises(RateLimited) as refused:
        bucket.take(now_s)
    retry_after_s = refused.value.retry_after_s
    assert not allowed(bucket, now_s + retry_after_s / 2)
    assert allowed(bucket, now_s + retry_after_s + ROUNDING)


def test_a_refusal_is_not_counted_and_has_the_retry_time() -> None:
    bucket = TokenBucket(2, 0.0)
    bucket.take(0.0)
    bucket.take(0.0)
    for _ in range(3):
        with pytest.raises(RateLimited, match=r"too many requests \(limit 2 per minute\): retry in 20\.0 s") as refused:
            bucket.take(10.0)
    assert refused.value.retry_after_s == pytest.approx(20)
    bucket.take(30.0)


# --- seconds of audio -----------------------------------------------------------------------------------------------


@given(seconds, st.lists(st.tuples(st.booleans(), seconds, st.booleans()), max_size=30))
def test_the_spending_of_two_gateways_on_one_key_adds_up(
    credit_s: float, steps: list[tuple[bool, float, bool]]
) -> None:
    stored = Key("demo", DIGEST, credit_s=credit_s)
    accounts = [Account(stored, 0.0), Account(stored, 0.0)]
    spent_s = 0.0
    for is_second, audio_s, is_written in steps:
        account = accounts[is_second]
        account.spend(audio_s)
        spent_s += audio_s
        if is_written:
            written_s = account.unwritten_s
            stored = replace(stored, used_s=stored.used_s + written_s)
            account.read(stored, 0.0, written_s)
    for account in accounts:
        written_s = account.unwritten_s
        stored = replace(stored, used_s=stored.used_s + written_s)
        account.read(stored, 0.0, written_s)
        assert account.unwritten_s == 0
    assert stored.used_s == pytest.approx(spent_s)
    assert accounts[1].left_s == pytest.approx(max(0.0, credit_s - spent_s), abs=ROUNDING)


@given(st.lists(seconds, min_size=1))
def test_a_key_without_a_limit_never_runs_out(spends_s: list[float]) -> None:
    account = Account(Key("demo", DIGEST), 0.0)
    for audio_s in spends_s:
        account.spend(audio_s)
        admit(account)
    assert account.left_s is None


@given(seconds, seconds)
def test_a_key_is_admitted_exactly_while_it_has_credit(credit_s: float, used_s: float) -> None:
    account = Account(Key("demo", DIGEST, credit_s=credit_s, used_s=used_s), 0.0)
    if used_s < credit_s:
        admit(account)
    else:
        with pytest.raises(InsufficientCredits, match="is used up"):
            admit(account)


def test_a_key_whose_credit_is_used_up_is_admitted_only_to_what_costs_none() -> None:
    account = Account(Key("demo", DIGEST, credit_s=5.0, used_s=4.0), 0.0)
    account.spend(0.5)
    admit(account)
    account.spend(2.0)
    with pytest.raises(InsufficientCredits, match=r"the credit of this API key, 5 s of audio, is used up"):
        admit(account)
    account.check_terms(Scope.READ, NOW_S)
    assert account.left_s == 0


def test_spending_during_a_write_is_not_lost() -> None:
    account = Account(Key("demo", DIGEST, credit_s=10.0), 0.0)
    account.spend(2.0)
    account.spend(1.0)
    account.read(Key("demo", DIGEST, credit_s=10.0, used_s=2.0), 0.0, written_s=2.0)
    assert account.unwritten_s == 1.0
    assert account.left_s == 7.0


def test_a_grant_opens_the_door_again() -> None:
    spent = Key("demo", DIGEST, credit_s=5.0, used_s=5.0)
    account = Account(spent, 0.0)
    account.read(granted := replace(spent, credit_s=6.0), 0.0)
    admit(account)
    assert account.key == granted
    assert account.left_s == 1.0


def test_reading_a_key_again_gives_no_requests_back() -> None:
    key = Key("demo", DIGEST, requests_per_minute=1)
    account = Account(key, 0.0)
    admit(account)
    account.read(replace(key, used_s=1.0), 0.0)
    with pytest.raises(RateLimited):
        admit(account)
    account.read(replace(key, requests_per_minute=2), 0.0)
    admit(account)


def test_a_revoked_key_is_refused_whatever_else_it_allows() -> None:
    account = Account(Key("demo", DIGEST, requests_per_minute=1, is_revoked=True), 0.0)
    for _ in range(2):
        with pytest.raises(Unauthorized, match="revoked"):
            admit(account)


def test_a_key_is_refused_from_the_second_on_in_which_it_expires() -> None:
    account = Account(Key("demo", DIGEST, terms=Terms(expires_s=NOW_S)), 0.0)
    account.check_terms(Scope.INGEST, NOW_S - 0.001)
    with pytest.raises(Unauthorized, match="this API key has expired"):
        account.check_terms(Scope.INGEST, NOW_S)


def test_a_rotated_key_has_two_secrets_until_the_former_one_ends() -> None:
    key = Key("demo", digest_of("new"), former=FormerSecret(digest_of("old"), NOW_S))
    assert key.has_digest(digest_of("new"), NOW_S)
    assert key.has_digest(digest_of("old"), NOW_S - 1)
    assert not key.has_digest(digest_of("old"), NOW_S)
    assert not key.has_digest(digest_of("other"), NOW_S - 1)
    assert not Key("demo", digest_of("new")).has_digest(digest_of("old"), NOW_S - 1)
