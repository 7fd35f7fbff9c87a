"""Audio sent per second of speech, and the caps on it."""

from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.upstream.budget import Allowance, Ledger, RollingHour
from decoder.settings import PoolSettings
from decoder.types import DecodeRequest, RequestKind
from tests.requests import request
from vad.audio import SAMPLE_RATE_HZ

PARTIAL, EAGER, FINAL = RequestKind.PARTIAL, RequestKind.EAGER, RequestKind.FINAL

UTTERANCES = st.lists(
    st.tuples(st.lists(st.integers(1, 300), max_size=8), st.sampled_from([PARTIAL, EAGER])), min_size=1, max_size=30
)


def sent(ledger: Ledger, made: DecodeRequest) -> bool:
    ledger.record_request(made)
    allowed = ledger.allows(made, len(made.samples))
    if allowed:
        ledger.record_sent(made, len(made.samples))
    return allowed


def test_speech_requested_again_counts_once() -> None:
    ledger = Ledger(PoolSettings())
    asked = [request(seconds=s, kind=kind) for s, kind in ((1.0, PARTIAL), (3.0, EAGER), (2.5, PARTIAL), (4.0, FINAL))]
    assert [ledger.record_request(made) for made in asked] == [1.0, 2.0, 0.0, 1.0]


def test_utterances_and_sessions_are_counted_separately() -> None:
    ledger = Ledger(PoolSettings())
    asked = [request(seconds=1.0), request(seconds=1.0, utterance=1), request(seconds=1.0, session="b")]
    assert [ledger.record_request(made) for made in asked] == [1.0, 1.0, 1.0]


def test_a_final_may_always_be_sent() -> None:
    assert sent(Ledger(PoolSettings(partial_share=0.0, eager_share=0.0)), request(kind=FINAL, seconds=30.0))


def test_the_first_partial_is_allowed_and_its_repetition_is_not() -> None:
    ledger = Ledger(PoolSettings(partial_share=1.35))
    assert sent(ledger, request(seconds=1.0))
    assert not sent(ledger, request(seconds=1.1))


def test_an_eager_request_is_allowed_once_it_may_be_discarded() -> None:
    ledger = Ledger(PoolSettings(eager_share=0.1))
    answers = [
        (sent(ledger, request(utterance=n, seconds=2.0, kind=EAGER)), sent(ledger, request(utterance=n, kind=FINAL)))
        for n in range(12)
    ]
    assert not answers[0][0]
    assert answers[10][0]  # 2 s in 22 s are less than a tenth


def test_a_forgotten_session_starts_from_zero() -> None:
    ledger = Ledger(PoolSettings())
    ledger.record_request(request(seconds=1.0))
    ledger.forget("a")
    assert not ledger.has_session("a")
    assert ledger.record_request(request(seconds=1.0)) == 1.0


@given(UTTERANCES, st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.0, 1.35]))
def test_audio_sent_in_addition_to_finals_stays_within_its_share(
    utterances: list[tuple[list[int], RequestKind]], eager_share: float, partial_share: float
) -> None:
    ledger = Ledger(PoolSettings(eager_share=eager_share, partial_share=partial_share))
    totals = {PARTIAL: 0, EAGER: 0, FINAL: 0}
    speech = 0
    for number, (steps, kind) in enumerate(utterances):
        length = 0
        for step in [*steps, 0]:
            length += step
            is_last = step == 0
            made = request(utterance=number, seconds=length / 10, kind=FINAL if is_last else kind)
            totals[made.kind] += len(made.samples) if sent(ledger, made) else 0
        speech += len(made.samples)
    assert totals[FINAL] == speech
    assert totals[PARTIAL] <= partial_share * speech + 1
    assert totals[EAGER] <= eager_share * speech + 1


def test_without_caps_everything_may_be_sent() -> None:
    hour = RollingHour(PoolSettings())
    hour.add(0.0, sent_s=10**6, cost=10**6)
    assert hour.allowance(0.0) is Allowance.EVERYTHING


def test_partials_stop_before_finals_as_the_budget_runs_out() -> None:
    hour = RollingHour(PoolSettings(max_cost_per_hour=1.0))
    seen = []
    for minute in range(4):
        hour.add(60.0 * minute, cost=0.3)
        seen.append(hour.allowance(60.0 * minute))
    assert seen == [Allowance.EVERYTHING, Allowance.EVERYTHING, Allowance.FINALS, Allowance.NOTHING]


def test_spending_of_an_hour_ago_no_longer_counts() -> None:
    hour = RollingHour(PoolSettings(max_cost_per_hour=1.0))
    hour.add(0.0, cost=5.0)
    assert hour.allowance(3_599.0) is Allowance.NOTHING
    assert hour.allowance(3_600.0) is Allowance.EVERYTHING
    assert hour.cost(3_600.0) == 0.0


def test_audio_sent_more_than_once_counts_against_its_cap() -> None:
    hour = RollingHour(PoolSettings(max_audio_per_speech=2.0))
    hour.add(0.0, speech_s=59.0, sent_s=590.0)
    assert hour.allowance(0.0) is Allowance.EVERYTHING  # too little speech for a ratio
    hour.add(1.0, speech_s=41.0)
    assert hour.allowance(1.0) is Allowance.NOTHING
    hour.add(2.0, speech_s=228.0)
    assert hour.allowance(2.0) is Allowance.EVERYTHING


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 1)), max_size=80))
def test_the_hour_never_has_more_than_was_spent(steps: list[tuple[float, float]]) -> None:
    hour, now_s, total = RollingHour(PoolSettings()), 0.0, 0.0
    for pause_s, cost in steps:
        now_s += pause_s
        total += cost
        hour.add(now_s, cost=cost)
        assert 0 <= hour.cost(now_s) <= total + 1e-6


def test_samples_of_a_second_are_a_second() -> None:
    assert (
        Ledger(PoolSettings()).record_request(request(seconds=1.0))
        == len(request(seconds=1.0).samples) / SAMPLE_RATE_HZ
    )
