"""Which results are joined, and what of them stays."""

import msgspec

from clients.bench.report.joining import join_results
from clients.bench.result import Capacity, Result
from tests.clients.bench.results import two_results


def renamed(result: Result, name: str) -> Result:
    return msgspec.structs.replace(result, server=msgspec.structs.replace(result.server, name=name))


RESULT = two_results(loads=(1, 2))[0]
OTHER = renamed(RESULT, "other")


def test_runs_of_one_server_are_joined_in_order_and_others_stay_apart() -> None:
    first, second = (msgspec.structs.replace(RESULT, runs=RESULT.runs[place : place + 1]) for place in (0, 1))

    joined = join_results([first, OTHER, second])

    assert [result.server.name for result in joined] == [RESULT.server.name, "other"]
    assert joined[0].runs == list(RESULT.runs[:2])
    assert joined[1].runs == list(OTHER.runs)


def test_results_of_different_test_sets_stay_apart() -> None:
    other_set = msgspec.structs.replace(RESULT, testset=msgspec.structs.replace(RESULT.testset, sha256="0"))

    assert len(join_results([RESULT, other_set])) == 2


def test_the_last_capacity_and_each_note_stay() -> None:
    capacity = Capacity(slo=["final.p95<=1"], streams=7, tried=[])
    first = msgspec.structs.replace(RESULT, capacity=None, notes=["slow"])
    second = msgspec.structs.replace(RESULT, capacity=capacity, notes=["slow", "late"])

    [joined] = join_results([first, second, msgspec.structs.replace(RESULT, capacity=None, notes=[])])

    assert (joined.capacity, joined.notes) == (capacity, ["slow", "late"])


def test_no_results_are_none() -> None:
    assert join_results([]) == []
