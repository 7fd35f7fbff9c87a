"""The search for the greatest count that passes."""

import pytest

from benchmarks.bisection import Bisection


def searched(limit: int, first: int, probes: int = 20) -> tuple[Bisection, list[int]]:
    """Search where counts up to a limit pass, and return the search and what it tried."""
    search, tried = Bisection(first, probes), []
    while search.count is not None:
        tried.append(search.count)
        search.note(has_passed=search.count <= limit)
    return search, tried


@pytest.mark.parametrize("limit", [1, 7, 99, 100, 101, 430, 2000])
@pytest.mark.parametrize("first", [1, 100, 400])
def test_finds_the_limit_within_a_tenth(limit: int, first: int) -> None:
    search, tried = searched(limit, first)

    assert search.passed is not None
    assert limit / 1.1 - 1 < search.passed <= limit
    assert len(set(tried)) == len(tried)


def test_ends_where_nothing_passes() -> None:
    search, tried = searched(limit=0, first=8)

    assert search.passed is None
    assert tried == [8, 4, 2, 1]


def test_tries_no_more_than_it_may() -> None:
    search, tried = searched(limit=430, first=100, probes=3)

    assert tried == [100, 150, 225]
    assert search.passed == 225


def test_takes_in_nothing_more_when_it_is_over() -> None:
    search, _ = searched(limit=1, first=1)

    with pytest.raises(ValueError, match="the search is over"):
        search.note(has_passed=True)
