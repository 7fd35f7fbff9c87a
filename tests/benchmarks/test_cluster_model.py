"""The model of a cluster: what kills, pauses, the fence and the client's back-off lead to."""

from dataclasses import replace
from math import inf
from random import Random

import pytest

from benchmarks.cluster import outages_of, row_of, rows_of
from benchmarks.cluster_model import ClusterSettings, Outage, Outcome, simulate

SMALL = ClusterSettings(sessions=400, gateways=4)

KILLED = (Outage(0, 20.0),)

PAUSED = (Outage(0, 20.0, 70.0),)


def run(settings: ClusterSettings, *outages: Outage, seed: int = 1) -> Outcome:
    return simulate(settings, outages, Random(seed))


def test_without_outages_every_word_is_appended_once() -> None:
    assert run(SMALL) == Outcome(words=120_000, appended=120_000)


def test_killed_gateway_loses_and_doubles_no_word() -> None:
    outcome = run(SMALL, *KILLED)

    assert (outcome.appended, outcome.lost, outcome.doubled) == (outcome.words, 0, 0)
    assert 60 < len(outcome.gaps_s) < 140


def test_nobody_takes_over_before_the_lease_expires() -> None:
    outcome = run(SMALL, *KILLED)

    assert min(outcome.gaps_s) >= SMALL.lease_s - SMALL.renewal_s
    assert max(outcome.gaps_s) <= SMALL.lease_s + 2 * SMALL.longest_back_off_s


def test_longer_leases_mean_longer_gaps() -> None:
    short, long = (run(replace(SMALL, lease_s=lease_s), *KILLED) for lease_s in (5.0, 30.0))

    assert max(short.gaps_s) < min(long.gaps_s)


def test_fence_refuses_what_a_former_owner_appends() -> None:
    outcome = run(SMALL, *PAUSED)

    assert outcome.refused > 0
    assert (outcome.appended, outcome.lost, outcome.doubled) == (outcome.words, 0, 0)


def test_without_the_fence_a_former_owner_doubles_words() -> None:
    outcome = run(replace(SMALL, is_fenced=False), *PAUSED)

    assert outcome.doubled > 0
    assert outcome.appended == outcome.words + outcome.doubled


def test_pause_that_the_client_does_not_notice_is_no_takeover() -> None:
    outcome = run(SMALL, Outage(0, 20.0, 20.0 + SMALL.detection_s / 2))

    assert outcome == Outcome(words=120_000, appended=120_000)


def test_former_owner_that_wakes_before_the_takeover_appends_rightfully() -> None:
    outcome = run(replace(SMALL, lease_s=60.0), Outage(0, 20.0, 50.0))

    assert outcome.gaps_s
    assert (outcome.appended, outcome.refused, outcome.doubled) == (outcome.words, 0, 0)


def test_words_beyond_what_the_client_keeps_are_counted_as_lost() -> None:
    outcome = run(replace(SMALL, replay_s=2.0), *KILLED)

    assert outcome.lost > 0
    assert outcome.appended + outcome.lost == outcome.words


def test_without_any_gateway_clients_give_up_and_their_words_are_lost() -> None:
    everywhere = [Outage(gateway, 20.0) for gateway in range(SMALL.gateways)]

    outcome = run(replace(SMALL, removal_s=inf), *everywhere)

    assert outcome.given_up == SMALL.sessions
    assert outcome.appended + outcome.lost == outcome.words


def test_session_survives_the_death_of_its_second_owner() -> None:
    outcome = run(SMALL, Outage(0, 20.0), Outage(1, 22.0), Outage(2, 45.0))

    assert len(outcome.gaps_s) > SMALL.sessions / 2
    assert (outcome.appended, outcome.lost) == (outcome.words, 0)


def test_equal_seeds_give_equal_outcomes_and_others_do_not() -> None:
    assert run(SMALL, *KILLED) == run(SMALL, *KILLED)
    assert run(SMALL, *KILLED) != run(SMALL, *KILLED, seed=2)


def test_table_has_each_scenario_with_each_lease() -> None:
    rows = rows_of(replace(SMALL, sessions=40), 2, seed=1)

    assert [(row.scenario, row.lease_s) for row in rows[:5]] == [
        ("2 killed", 5.0),
        ("2 killed", 10.0),
        ("2 killed", 20.0),
        ("2 killed", 30.0),
        ("2 paused 45 s", 5.0),
    ]
    assert [row.doubled > 0 for row in rows] == [False] * 8 + [True] * 4


def test_outages_begin_some_seconds_apart() -> None:
    assert [outage.start_s for outage in outages_of(3, None)] == [20.0, 25.0, 30.0]
    assert outages_of(1, 45.0) == [Outage(0, 20.0, 65.0)]


def test_simulation_without_takeovers_has_no_gap() -> None:
    row = row_of("none", SMALL, Outcome())

    assert (row.p50_s, row.p95_s, row.max_s) == (None, None, None)


@pytest.mark.parametrize("seed", range(5))
def test_every_word_has_an_entry_or_is_counted_as_lost(seed: int) -> None:
    outcome = run(replace(SMALL, replay_s=8.0), *KILLED, Outage(2, 30.0, 75.0), seed=seed)

    assert outcome.appended - outcome.doubled + outcome.lost == outcome.words
