"""Plans of streams: who plays what, when they connect, and how they are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.load import Passage, plan_streams, split

PASSAGES = (Passage("a", b"aa"), Passage("b", b"bb"), Passage("c", b"cc"))


def test_streams_play_the_passages_in_turn_and_connect_one_after_the_other() -> None:
    plans = plan_streams(PASSAGES, 4, stagger_s=2.0)
    assert [(plan.stream, plan.recording, plan.pcm, plan.connect_at_s) for plan in plans] == [
        (0, "a", b"aa", 0.0),
        (1, "b", b"bb", 0.5),
        (2, "c", b"cc", 1.0),
        (3, "a", b"aa", 1.5),
    ]


def test_streams_that_join_go_on_with_the_numbers_and_the_passages() -> None:
    plans = plan_streams(PASSAGES, 2, first=4)
    assert [(plan.stream, plan.recording, plan.connect_at_s) for plan in plans] == [(4, "b", 0.0), (5, "c", 0.5)]


@pytest.mark.parametrize(("streams", "sizes"), [(1, [1]), (50, [50]), (51, [26, 25]), (120, [40, 40, 40])])
def test_no_process_has_more_than_its_share(streams: int, sizes: list[int]) -> None:
    assert [len(part) for part in split(plan_streams(PASSAGES, streams))] == sizes


@given(st.integers(1, 40), st.integers(1, 9))
def test_each_stream_is_in_one_process(streams: int, per_process: int) -> None:
    plans = plan_streams(PASSAGES, streams)
    parts = split(plans, per_process)
    assert sorted(plan.stream for part in parts for plan in part) == list(range(streams))
    assert max(map(len, parts)) <= per_process
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
