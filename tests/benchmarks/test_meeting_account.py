"""What places of a meeting were to receive, have received and have lost, from times made by hand."""

import pytest

from benchmarks.meeting_account import (
    Arrival,
    Caption,
    Outage,
    Shown,
    account_of,
    blocks_of,
    counts_of,
    schedule,
    shown_errors,
)


def captions(*keys: str, from_s: float = 0.0, apart_s: float = 10.0) -> list[Caption]:
    return [Caption(key, from_s + number * apart_s) for number, key in enumerate(keys)]


def arrivals(*keys: str, late_s: float = 0.1) -> list[Arrival]:
    return [Arrival(key, number * 10.0 + late_s) for number, key in enumerate(keys)]


def test_outages_follow_each_other_with_equal_pauses() -> None:
    assert schedule(["a", "b"], 1_000.0, 60.0, 15.0) == [Outage("a", 1_010.0, 1_025.0), Outage("b", 1_035.0, 1_050.0)]
    with pytest.raises(ValueError, match="2 outages of 40 s do not fit into 60 s"):
        schedule(["a", "b"], 0.0, 60.0, 40.0)


def test_a_place_that_has_everything_has_lost_nothing() -> None:
    account = account_of("a", captions("x", "y", "x"), arrivals("x", "y", "x"), [])
    assert (account.expected, account.lost, account.repeated, account.foreign) == (3, (), 0, 0)
    assert (account.caught_up_s, account.others_p50_s) == (None, None)
    assert account.calm_p50_s == pytest.approx(0.1)


def test_equal_captions_are_known_by_their_order() -> None:
    assert account_of("a", captions("x", "y", "x"), arrivals("x", "y"), []).lost == ("x",)
    assert account_of("a", captions("x", "y", "x", "z"), arrivals("x", "z"), []).lost == ("y", "x")


def test_what_comes_again_and_what_nobody_has_sent_are_counted() -> None:
    account = account_of("a", captions("x", "y"), arrivals("x", "x", "other", "y"), [])
    assert (account.lost, account.repeated, account.foreign) == ((), 1, 1)


def test_a_place_catches_up_after_its_own_outage_which_says_nothing_of_its_delay() -> None:
    expected = captions("before", "during", "just after", "later")
    came = [Arrival("before", 0.2), Arrival("during", 18.0), Arrival("just after", 24.0), Arrival("later", 30.2)]
    account = account_of("a", expected, came, [Outage("a", 8.0, 14.5)])
    assert account.caught_up_s == 3.5
    assert account.calm_p95_s == pytest.approx(0.2)


def test_delays_during_outages_of_others_are_told_apart() -> None:
    came = [Arrival("x", 0.1), Arrival("y", 10.9)]
    account = account_of("a", captions("x", "y"), came, [Outage("b", 8.0, 14.0)])
    assert account.calm_p50_s == pytest.approx(0.1)
    assert account.others_p50_s == pytest.approx(0.9)


def test_a_cue_is_as_late_as_its_picture_is_after_its_words() -> None:
    shown = [Shown("1.1", 10.2, "a"), Shown("1.1", 40.0, "a"), Shown("2.1", 19.9, "b"), Shown("unknown", 0.0, "c")]
    errors = shown_errors({"1.1": 10.0, "2.1": 20.0, "3.1": 30.0}, shown)
    assert errors == {"1.1": pytest.approx(0.2), "2.1": pytest.approx(-0.1)}


def test_blocks_of_a_subtitle_file_have_times_and_lines() -> None:
    subrip = "1\n00:00:01,000 --> 00:00:02,000\none\ntwo\n\n2\n00:00:03,000 --> 00:00:04,000\nthree\n\n"
    times = "00:00:01,000 --> 00:00:02,000", "00:00:03,000 --> 00:00:04,000"
    assert blocks_of(subrip) == [(times[0], "one\ntwo"), (times[1], "three")]
    assert blocks_of("") == []


def test_a_metric_is_read_by_sink_and_outcome() -> None:
    metrics = 'events_total{outcome="sent",sink="a"} 3.0\nevents_total{outcome="dropped",sink="a"} 2.0\nother{} 1\n'
    assert counts_of(metrics, "events_total") == {("a", "sent"): 3, ("a", "dropped"): 2}
    states = 'sinks{state="ok"} 1.0\nsinks{state="failed"} 2.0\n'
    assert counts_of(states, "sinks") == {("", ""): 3}
