"""Conditions on the numbers of a run."""

import pytest
from msgspec import structs

from clients.bench.limits import Limits
from clients.bench.measure import measure_run
from clients.bench.result import Percentiles, SloOutcome
from clients.bench.slo import Condition, SloError, evaluate, goodput_limits, parse_condition, slo_fields

RUN = structs.replace(measure_run([], {}), word_shown=Percentiles(3, p95=1.5), streams=4)


def outcome(expression: str) -> SloOutcome:
    [only] = evaluate(RUN, [parse_condition(expression)])
    return only


@pytest.mark.parametrize(
    ("expression", "is_met"),
    [
        ("word_shown.p95<=1.5", True),
        ("word_shown.p95<1.5", False),
        ("word_shown.p95>=1.5", True),
        ("word_shown.p95>1.5", False),
        ("finals.missing<=0", True),
        (" streams > 3 ", True),
    ],
)
def test_a_condition_is_met_if_its_comparison_holds(expression: str, is_met: bool) -> None:
    assert outcome(expression).met is is_met


def test_an_outcome_has_the_expression_and_the_value() -> None:
    assert outcome("word_shown.p95 <= 1.50") == SloOutcome("word_shown.p95<=1.5", 1.5, met=True)


@pytest.mark.parametrize("expression", ["errors.wer<=0.1", "terms.recall>=0.9", "cuts.live_again.p95<=2"])
def test_a_condition_on_nothing_measured_is_not_met(expression: str) -> None:
    assert outcome(expression).value is None
    assert not outcome(expression).met


def test_conditions_may_be_on_any_number_of_a_run_at_any_depth() -> None:
    fields = slo_fields()

    assert {"streams", "final.p95", "clock.late.p99", "cuts.live_again.max", "server_load.streams_per_core"} <= set(
        fields
    )
    assert not any(field.startswith(("per_stream", "slo", "withheld", "purpose")) for field in fields)
    assert "clock.valid" not in fields
    assert "goodput.refusals" not in fields
    for field in fields:
        assert evaluate(RUN, [parse_condition(f"{field}>=0")])


def test_an_unknown_field_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(SloError, match=r"no number 'shown.p95'; nearest: .*word_shown\.p95"):
        parse_condition("shown.p95<=1")
    with pytest.raises(SloError, match=r"no number 'word_shown'; nearest: word_shown\."):
        parse_condition("word_shown<=1")


def test_a_field_like_no_other_is_refused_with_the_metrics() -> None:
    with pytest.raises(SloError, match=r"no number 'QQQQQQQQ'; expected one below streams, audio_s"):
        parse_condition("QQQQQQQQ<=1")


@pytest.mark.parametrize("expression", ["", "final.p95", "final.p95=1", "final.p95<=", "<=1", "final.p95<=1 s"])
def test_what_is_no_condition_is_refused_with_an_example(expression: str) -> None:
    with pytest.raises(SloError, match=r"expected FIELD<=NUMBER"):
        parse_condition(expression)


@pytest.mark.parametrize("limit", ["700ms", "nan", "one"])
def test_a_limit_that_is_no_number_is_refused(limit: str) -> None:
    with pytest.raises(SloError, match=f"'{limit}' is not a number; the unit of times is the second"):
        parse_condition(f"final.p95<={limit}")


def test_upper_limits_of_words_and_finals_are_those_of_the_goodput() -> None:
    conditions = [
        Condition("word_shown.p50", "<=", 0.8),
        Condition("word_shown.p95", "<", 2.5),
        Condition("word_shown.count", "<=", 900),
        Condition("final.p95", ">=", 9),
        Condition("errors.wer", "<=", 0.1),
    ]

    assert goodput_limits(conditions) == Limits(word_s=2.5)
    assert goodput_limits([Condition("final.max", "<=", 0.7)], Limits(word_s=3)) == Limits(word_s=3, final_s=0.7)
