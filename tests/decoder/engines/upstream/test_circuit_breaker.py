"""Circuit breaker, concurrency, retry budget and latencies of an upstream."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.upstream.circuit_breaker import Circuit, CircuitState, Concurrency, Latencies, RetryBudget
from decoder.engines.upstream.retry_policy import Failure

PERMANENT = [failure for failure in Failure if failure.is_permanent]
TRANSIENT = [Failure.SERVER, Failure.TIMED_OUT, Failure.UNREACHABLE, Failure.GARBAGE, Failure.DISCONNECTED]

STEPS = st.lists(st.one_of(st.just("ok"), st.just("cancel"), st.sampled_from(Failure)), max_size=60)


@given(st.sampled_from(PERMANENT))
def test_one_permanent_failure_opens_for_a_minute(failure: Failure) -> None:
    circuit = Circuit(3)
    circuit.failed(failure, 100.0, 100.0)
    assert (circuit.state, circuit.available_s, circuit.failure) == (CircuitState.OPEN, 160.0, failure)


@given(st.lists(st.sampled_from(TRANSIENT), min_size=3, max_size=3))
def test_transient_failures_open_when_they_come_in_a_row(failures: list[Failure]) -> None:
    circuit = Circuit(3)
    for failure in failures:
        assert circuit.state is CircuitState.CLOSED
        circuit.failed(failure, 0.0, 0.0)
    assert circuit.state is CircuitState.OPEN


def test_a_success_between_them_keeps_it_closed() -> None:
    circuit = Circuit(2)
    for _ in range(5):
        circuit.failed(Failure.SERVER, 0.0, 0.0)
        circuit.succeeded()
    assert circuit.state is CircuitState.CLOSED


def test_requests_of_a_closed_circuit_are_no_probes_and_may_be_cancelled() -> None:
    circuit = Circuit(1)
    circuit.begin()
    assert (circuit.state, circuit.available_s) == (CircuitState.CLOSED, -inf)
    circuit.inconclusive(5.0)
    assert (circuit.state, circuit.available_s) == (CircuitState.CLOSED, -inf)


def test_one_probe_at_a_time_is_admitted_and_its_success_closes() -> None:
    circuit = Circuit(1)
    circuit.failed(Failure.SERVER, 0.0, 0.0)
    assert circuit.available_s == 1.0
    circuit.begin()
    assert circuit.available_s == inf
    circuit.succeeded()
    assert (circuit.state, circuit.available_s) == (CircuitState.CLOSED, -inf)


def test_each_failed_probe_doubles_the_open_time_up_to_15_s() -> None:
    circuit, now_s, pauses = Circuit(1), 0.0, []
    for _ in range(9):
        circuit.failed(Failure.SERVER, now_s, now_s)
        pauses.append(circuit.available_s - now_s)
        now_s = circuit.available_s
        circuit.begin()
    assert pauses == [1, 2, 4, 8, 15, 15, 15, 15, 15]


def test_requests_in_flight_when_it_opened_do_not_prolong_the_open_time() -> None:
    circuit = Circuit(1)
    circuit.failed(Failure.TIMED_OUT, 0.0, 4.0)
    for began_s in (1.0, 2.0, 3.0):
        circuit.failed(Failure.TIMED_OUT, began_s, 4.5)
    assert circuit.available_s == 5.0
    circuit.begin()
    circuit.failed(Failure.TIMED_OUT, 3.9, 5.1)
    assert circuit.state is CircuitState.PROBING


def test_a_cancelled_probe_is_due_at_once() -> None:
    circuit = Circuit(1)
    circuit.failed(Failure.SERVER, 0.0, 0.0)
    circuit.begin()
    circuit.inconclusive(5.0)
    assert (circuit.state, circuit.available_s) == (CircuitState.OPEN, 5.0)


def test_a_late_transient_failure_does_not_shorten_the_open_time() -> None:
    circuit = Circuit(1)
    circuit.failed(Failure.UNAUTHORIZED, 0.0, 0.0)
    circuit.failed(Failure.SERVER, 1.0, 1.0)
    assert circuit.available_s == 60.0


@given(STEPS, st.integers(1, 5))
def test_whatever_happens_it_opens_for_a_minute_at_most_and_one_success_closes_it(
    steps: list[str | Failure], threshold: int
) -> None:
    circuit, now_s = Circuit(threshold), 0.0
    for step in steps:
        if circuit.available_s != inf:
            assert circuit.available_s <= now_s + 60
            now_s = max(now_s, circuit.available_s)
        circuit.begin()
        if isinstance(step, Failure):
            circuit.failed(step, now_s, now_s)
        elif step == "ok":
            circuit.succeeded()
        else:
            circuit.inconclusive(now_s)
        assert circuit.state is not CircuitState.PROBING
    circuit.succeeded()
    assert circuit.available_s == -inf


@given(st.integers(1, 32), st.lists(st.booleans(), max_size=200))
def test_concurrency_stays_within_its_bounds(most: int, answers: list[bool]) -> None:
    concurrency = Concurrency(most)
    for now_s, is_answered in enumerate(answers):
        before = concurrency.limit
        if is_answered:
            concurrency.grow()
            assert concurrency.limit >= before
        else:
            concurrency.shrink(now_s, now_s)
            assert concurrency.limit <= max(1, before)
        assert 1 <= concurrency.limit <= most


def test_concurrency_halves_and_comes_back_one_a_round() -> None:
    concurrency = Concurrency(8)
    concurrency.shrink(1.0, 2.0)
    assert concurrency.limit == 4
    for _ in range(5):  # 4 answers are a round of 4, and a little
        concurrency.grow()
    assert concurrency.limit == 5


def test_requests_of_one_round_halve_it_once() -> None:
    concurrency = Concurrency(8)
    for began_s in (1.0, 1.5, 1.9):
        concurrency.shrink(began_s, 2.0)
    assert concurrency.limit == 4


@given(st.integers(0, 300), st.sampled_from([0.0, 0.05, 0.1, 0.5]))
def test_retries_are_a_share_of_the_requests_and_a_burst(requests: int, share: float) -> None:
    budget, granted = RetryBudget(share, burst=10), 0
    for _ in range(requests):
        budget.earn()
        granted += budget.take() + budget.take()
    assert granted <= 10 + share * requests + 1e-6
    assert granted >= min(2 * requests, int(share * requests))


def test_a_saved_up_budget_is_no_larger_than_the_burst() -> None:
    budget = RetryBudget(0.5, burst=3)
    for _ in range(100):
        budget.earn()
    assert [budget.take() for _ in range(4)] == [True, True, True, False]


def test_few_latencies_have_no_percentile() -> None:
    latencies = Latencies()
    for _ in range(19):
        latencies.record(1.0)
    assert latencies.p95_s is None


def test_twenty_latencies_have_a_percentile_in_whatever_order_they_come() -> None:
    latencies = Latencies()
    for latency_s in (20, *range(1, 20)):
        latencies.record(latency_s)
    assert latencies.p95_s == 19


@given(st.permutations(range(1, 101)))
def test_the_percentile_is_of_the_latest(order: list[int]) -> None:
    latencies = Latencies()
    for latency_s in [10_000] * 128 + [0] * 28 + order:
        latencies.record(latency_s)
    assert latencies.p95_s == 94  # of 28 zeros and 1..100, the 122nd
