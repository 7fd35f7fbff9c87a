"""Which queued requests are decoded next."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import count
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from decoder.planner import Planner
from decoder.settings import PlannerSettings
from decoder.types import DecodeRequest, RequestKind
from tests.requests import request

PARTIAL, EAGER, FINAL, FILE = RequestKind.PARTIAL, RequestKind.EAGER, RequestKind.FINAL, RequestKind.FILE
MOST_URGENT_FIRST = (FINAL, EAGER, PARTIAL)
SETTINGS = PlannerSettings(bucket_edges_s=(5.0, 10.0), max_wait_s=2.0)
LENGTHS_S = (1.0, 5.0, 7.0, 30.0)


def bucket(asked: DecodeRequest) -> int | None:
    if asked.kind is PARTIAL:
        return None
    return sum(len(asked.samples) > edge_s * 16_000 for edge_s in SETTINGS.bucket_edges_s[:-1])


def planner(max_batch: int = 16, waiting: Iterable[DecodeRequest] = (), now_s: float = 0.0) -> Planner:
    made = Planner(SETTINGS, max_batch)
    for asked in waiting:
        assert made.add(asked, now_s) is None
    return made


def finals(session: str, number: int) -> list[DecodeRequest]:
    return [request(session, utterance, kind=FINAL) for utterance in range(number)]


def drained(queue: Planner, now_s: float = 0.0) -> list[tuple[DecodeRequest, ...]]:
    return list(iter(lambda: queue.next_batch(now_s), ()))


def sessions_of(batches: Sequence[tuple[DecodeRequest, ...]]) -> str:
    return "".join(asked.session_id for batch in batches for asked in batch)


def test_an_empty_queue_gives_an_empty_batch() -> None:
    assert planner().next_batch(0.0) == ()


def test_a_final_goes_before_an_eager_final_and_that_before_a_partial() -> None:
    partial, eager, final = (request(kind, 0, kind=kind) for kind in (PARTIAL, EAGER, FINAL))
    assert drained(planner(waiting=[partial, eager, final])) == [(final, eager), (partial,)]


def test_files_come_when_nothing_live_waits_and_a_few_at_a_time() -> None:
    files = [request("file", utterance, kind=FILE) for utterance in range(5)]
    partial, final = request("a"), request("b", kind=FINAL)
    assert drained(planner(waiting=[*files, partial, final])) == [
        (final,),
        (partial,),
        tuple(files[:2]),
        tuple(files[2:4]),
        tuple(files[4:]),
    ]


def test_files_stay_where_they_are_while_there_is_no_room_for_them() -> None:
    file, partial = request("file", kind=FILE), request("a")
    queue = planner(waiting=[file, partial])
    assert queue.next_batch(0.0, files=False) == (partial,)
    assert queue.next_batch(0.0, files=False) == ()
    assert queue.next_batch(0.0) == (file,)


def test_a_file_that_has_waited_long_goes_before_nothing_live() -> None:
    file = request("file", kind=FILE)
    queue = planner(waiting=[file])
    late = request("a")
    queue.add(late, 99.0)
    assert drained(queue, now_s=100.0) == [(late,), (file,)]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(RequestKind)), max_size=20),
    st.integers(1, 5),
)
def test_files_never_share_a_batch_nor_come_before_anything_live(
    asked: list[tuple[str, int, RequestKind]], max_batch: int
) -> None:
    queue = planner(max_batch)
    for revision, (session, utterance, kind) in enumerate(asked):
        queue.add(request(session, utterance, revision, kind), 0.0)
    batches = drained(queue, now_s=50.0)
    of_files = [[one.kind is FILE for one in batch] for batch in batches]
    assert all(all(batch) or not any(batch) for batch in of_files)
    assert of_files == sorted(of_files, key=lambda batch: batch[0])
    assert all(len(batch) <= 2 for batch in of_files if batch[0])


def test_a_newer_partial_takes_the_place_of_the_older_one() -> None:
    older, newer = request(revision=1), request(revision=2)
    queue = planner(waiting=[older])
    assert queue.add(newer, 0.1) is older
    assert drained(queue) == [(newer,)]


def test_a_final_takes_the_place_of_the_partial_of_its_utterance() -> None:
    partial, final = request(revision=1), request(revision=2, kind=FINAL)
    queue = planner(waiting=[partial])
    assert queue.add(final, 0.1) is partial
    assert drained(queue) == [(final,)]


def test_partials_of_different_utterances_do_not_replace_each_other() -> None:
    queue = planner(waiting=[request(utterance=0), request(utterance=1), request("b")])
    assert len(queue) == 3


@pytest.mark.parametrize("kind", RequestKind)
def test_a_waiting_final_is_never_replaced(kind: RequestKind) -> None:
    final, late = request(revision=3, kind=FINAL), request(revision=4, kind=kind)
    queue = planner(waiting=[final])
    assert queue.add(late, 0.1) is late
    assert drained(queue) == [(final,)]


def test_an_older_revision_is_refused() -> None:
    newer, older = request(revision=2), request(revision=1)
    queue = planner(waiting=[newer])
    assert queue.add(older, 0.1) is older
    assert drained(queue) == [(newer,)]


def test_a_partial_inherits_the_waiting_time_of_the_one_it_replaces() -> None:
    queue = planner(max_batch=1, waiting=[request("patient")])
    final, newer = request("b", kind=FINAL), request("patient", revision=2)
    queue.add(final, 0.5)
    queue.add(newer, 1.9)
    assert queue.next_batch(2.0) == (newer,)


def test_the_earliest_deadline_goes_first_between_sessions_whose_turn_it_is() -> None:
    waiting = [request(session, deadline_s=deadline_s) for session, deadline_s in (("a", 3), ("b", 1), ("c", 2))]
    assert sessions_of(drained(planner(waiting=waiting))) == "bca"


def test_sessions_take_turns() -> None:
    queue = planner(max_batch=1, waiting=[*finals("a", 3), *finals("b", 3), *finals("c", 3)])
    assert sessions_of(drained(queue)) == "abcabcabc"


def test_an_early_deadline_does_not_buy_a_second_turn() -> None:
    greedy = [request("a", utterance, kind=FINAL, deadline_s=-1.0) for utterance in range(3)]
    queue = planner(max_batch=1, waiting=[*greedy, request("b", kind=FINAL, deadline_s=9.0)])
    assert sessions_of(drained(queue)) == "abaa"


def test_a_session_that_was_idle_has_not_saved_up_turns() -> None:
    queue = planner(max_batch=1, waiting=finals("a", 10))
    for _ in range(5):
        queue.next_batch(0.0)
    for asked in finals("b", 3):
        queue.add(asked, 0.0)
    assert sessions_of(drained(queue)) == "bababaaa"


def test_a_batch_is_of_one_bucket_and_the_rest_waits() -> None:
    lengths_s = {"a": 1.0, "b": 6.0, "c": 5.0}
    short, long, exact = (request(session, kind=FINAL, seconds=seconds) for session, seconds in lengths_s.items())
    assert drained(planner(waiting=[short, long, exact])) == [(short, exact), (long,)]


def test_audio_beyond_the_last_bucket_falls_into_it() -> None:
    long, longer = request("a", kind=FINAL, seconds=9.0), request("b", kind=FINAL, seconds=31.0)
    assert planner(waiting=[long, longer]).next_batch(0.0) == (long, longer)


def test_without_bucket_edges_finals_of_all_lengths_fit_one_batch() -> None:
    queue = Planner(PlannerSettings(bucket_edges_s=()), 16)
    for session, seconds in (("a", 1.0), ("b", 29.0)):
        queue.add(request(session, kind=FINAL, seconds=seconds), 0.0)
    assert len(queue.next_batch(0.0)) == 2


def test_partials_of_all_lengths_fit_one_batch() -> None:
    partials = tuple(request(f"{seconds} s", seconds=seconds) for seconds in LENGTHS_S)
    assert drained(planner(waiting=partials)) == [partials]


def test_a_busy_session_waits_and_delays_no_other() -> None:
    final, partial = request("busy", kind=FINAL), request("free")
    queue = planner(waiting=[final, partial])
    assert queue.next_batch(0.0, {"busy"}) == (partial,)
    assert queue.next_batch(0.0, {"busy"}) == ()
    assert queue.next_batch(0.0) == (final,)


def test_an_overdue_request_of_a_busy_session_leaves_the_lead_to_the_next() -> None:
    queue = planner(max_batch=1, waiting=[request("busy"), request("patient")])
    queue.add(request("new", kind=FINAL), 2.0)
    assert sessions_of([queue.next_batch(2.0, {"busy"})]) == "patient"


def test_a_batch_without_a_busy_session_costs_it_no_turn() -> None:
    queue = planner(max_batch=1, waiting=[*finals("a", 2), *finals("b", 2)])
    assert sessions_of([queue.next_batch(0.0, {"a"})]) == "b"
    assert sessions_of(drained(queue)) == "aab"


def test_cancel_takes_out_the_session_and_leaves_the_others() -> None:
    mine, other = [request("a", 0), request("a", 1, kind=FINAL)], request("b")
    queue = planner(waiting=[*mine, other])
    assert queue.cancel("a") == tuple(mine)
    assert queue.cancel("a") == ()
    assert drained(queue) == [(other,)]


@given(waiting=st.integers(1, 40), served=st.integers(0, 39), now_s=st.sampled_from((0.0, 100.0)))
def test_many_finals_hold_back_the_single_final_of_another_for_one_batch_at_most(
    waiting: int, served: int, now_s: float
) -> None:
    queue = planner(max_batch=1, waiting=finals("greedy", waiting))
    for _ in range(min(served, waiting - 1)):
        queue.next_batch(now_s)
    single = request("modest", kind=FINAL)
    queue.add(single, now_s)
    assert single in (*queue.next_batch(now_s), *queue.next_batch(now_s))


@given(
    older=st.integers(0, 5),
    arriving=st.integers(1, 3),
    max_batch=st.integers(1, 4),
    batch_s=st.floats(0.05, 5.0),
    is_updated=st.booleans(),
)
def test_a_partial_is_served_while_finals_arrive_without_end(
    older: int, arriving: int, max_batch: int, batch_s: float, is_updated: bool
) -> None:
    queue = planner(max_batch, [*finals("older", older), request("patient", seconds=30.0)])
    # After max_wait_s, the oldest request leads every second batch.
    allowed = ceil(SETTINGS.max_wait_s / batch_s) + 2 * (older + 1)
    for number in range(allowed):
        for session in range(arriving):
            queue.add(request(f"busy {session}", number, kind=FINAL), number * batch_s)
        if is_updated:
            queue.add(request("patient", revision=number + 2, seconds=30.0), number * batch_s)
        batch = queue.next_batch(number * batch_s)
        if any(asked.session_id == "patient" for asked in batch):
            return
    pytest.fail(f"not served in {allowed} batches")


def test_overdue_partials_leave_every_second_batch_to_finals() -> None:
    partials = [request(f"partial {number}") for number in range(4)]
    queue = planner(1, [*partials, *finals("b", 4)])
    kinds = [asked.kind for batch in drained(queue, now_s=100.0) for asked in batch]
    assert kinds[:8:2] == [PARTIAL] * 4
    assert kinds[1::2] == [FINAL] * 4


@dataclass(slots=True)
class Place:
    """A queued request and its time of arrival."""

    asked: DecodeRequest
    arrived_s: float
    order: int


class PlannerMachine(RuleBasedStateMachine):
    """Any sequence of calls, checked against a model of the queue."""

    max_batch = 3

    def __init__(self) -> None:
        super().__init__()
        self.queue, self.twin = Planner(SETTINGS, self.max_batch), Planner(SETTINGS, self.max_batch)
        self.places: dict[tuple[str, int], Place] = {}
        self.now_s = 0.0
        self.revision = 0
        self.orders = count()
        self.submitted: list[DecodeRequest] = []
        self.returned: list[DecodeRequest] = []

    @rule(
        session=st.sampled_from("abc"),
        utterance=st.integers(0, 3),
        kind=st.sampled_from(MOST_URGENT_FIRST),
        seconds=st.sampled_from(LENGTHS_S),
        wanted_s=st.floats(0, 3),
        is_late=st.booleans(),
    )
    def add(
        self, session: str, utterance: int, kind: RequestKind, seconds: float, wanted_s: float, is_late: bool
    ) -> None:
        self.revision += 1
        revision = -self.revision if is_late else self.revision
        asked = request(session, utterance, revision, kind, seconds, self.now_s + wanted_s)
        self.submitted.append(asked)
        lost = self.queue.add(asked, self.now_s)
        assert self.twin.add(asked, self.now_s) is lost
        place = self.places.get((session, utterance))
        if place is None:
            assert lost is None
            self.places[session, utterance] = Place(asked, self.now_s, next(self.orders))
        elif place.asked.kind is FINAL or place.asked.revision > revision:
            assert lost is asked
            self.returned.append(lost)
        else:
            assert lost is place.asked
            self.returned.append(lost)
            place.asked = asked

    @rule(duration_s=st.sampled_from((0.1, 0.9, 2.5)))
    def wait(self, duration_s: float) -> None:
        self.now_s += duration_s

    @rule(busy_sessions=st.frozensets(st.sampled_from("abc")))
    @precondition(lambda self: self.places)
    def take_batch(self, busy_sessions: Set[str]) -> None:
        waiting = [place for place in self.places.values() if place.asked.session_id not in busy_sessions]
        batch = self.take(busy_sessions)
        assert all(place in waiting for place in batch)
        if not waiting:
            return
        assert 0 < len(batch) <= self.max_batch
        assert len({bucket(place.asked) for place in batch}) == 1
        left = [place for place in waiting if place not in batch and bucket(place.asked) == bucket(batch[0].asked)]
        assert not left or len(batch) == self.max_batch
        leader, *others = batch
        is_overdue = self.now_s - leader.arrived_s >= SETTINGS.max_wait_s
        urgent = others if is_overdue else batch
        ranks = [MOST_URGENT_FIRST.index(place.asked.kind) for place in urgent]
        assert ranks == sorted(ranks)
        assert all(MOST_URGENT_FIRST.index(place.asked.kind) >= max(ranks, default=0) for place in left)
        if not is_overdue:
            assert ranks[0] == min(MOST_URGENT_FIRST.index(place.asked.kind) for place in waiting)
        for taken in batch:
            assert all(taken.order < place.order for place in left if of_one_line(taken.asked, place.asked))

    @rule(session=st.sampled_from("abc"))
    def cancel(self, session: str) -> None:
        gone = self.queue.cancel(session)
        assert self.twin.cancel(session) == gone
        assert {asked.session_id for asked in gone} <= {session}
        self.leave(gone)
        assert all(waiting_session != session for waiting_session, _ in self.places)

    @invariant()
    def all_are_accounted_for(self) -> None:
        assert len(self.queue) == len(self.places)
        assert len(self.returned) + len(self.places) == len(self.submitted)

    def take(self, busy_sessions: Set[str] = frozenset()) -> list[Place]:
        batch = self.queue.next_batch(self.now_s, busy_sessions)
        assert self.twin.next_batch(self.now_s, busy_sessions) == batch
        return self.leave(batch)

    def leave(self, gone: Iterable[DecodeRequest]) -> list[Place]:
        places = [self.places.pop((asked.session_id, asked.utterance_id)) for asked in gone]
        assert [place.asked for place in places] == list(gone)
        self.returned += gone
        return places

    def teardown(self) -> None:
        while self.places:
            assert self.take()
        assert self.queue.next_batch(self.now_s) == ()
        assert set(self.returned) == set(self.submitted)
        assert len(self.returned) == len(self.submitted)


def of_one_line(one: DecodeRequest, other: DecodeRequest) -> bool:
    return (one.session_id, one.kind) == (other.session_id, other.kind)


TestAnyOrderOfCalls = PlannerMachine.TestCase
TestAnyOrderOfCalls.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
