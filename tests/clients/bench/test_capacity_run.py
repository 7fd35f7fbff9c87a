"""Finding capacity and overloading, with streams that are not really played."""

from collections.abc import Sequence

from clients.bench.benchmark import Benchmark, Watch
from clients.bench.capacity import CapacitySearch
from clients.bench.capacity_run import Material, find_capacity
from clients.bench.endpoint import Conditions, StreamPlan
from clients.bench.load import Passage
from clients.bench.reference import Reference, ReferenceWord
from clients.bench.result import Capacity
from clients.bench.trace import Observed, StreamTrace
from clients.dialects.driver import Transcript
from tests.clients.bench.measuring import judge

RATE_HZ = 100
SECONDS = 60
WORDS = tuple(ReferenceWord("word", second + 0.2, second + 0.8, second % 5 == 4) for second in range(SECONDS))
MATERIAL = Material(
    (Passage("talk", bytes(2 * RATE_HZ * SECONDS)),), {"talk": Reference("talk", "en", float(SECONDS), WORDS)}, RATE_HZ
)


class Server:
    """Serves any number of streams; while it has too many, words are late, and those beyond twice are refused."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.played: list[list[StreamPlan]] = []

    async def play(self, plans: Sequence[StreamPlan], conditions: Conditions, watch: Watch) -> list[StreamTrace]:
        self.played.append(list(plans))
        is_over = len(plans) > self.capacity
        return [self._trace(plan, is_over, number >= 2 * self.capacity) for number, plan in enumerate(plans)]

    def _trace(self, plan: StreamPlan, is_over: bool, is_refused: bool) -> StreamTrace:
        seconds = len(plan.pcm) / 2 / RATE_HZ
        trace = StreamTrace(plan.stream, plan.recording, seconds, began_s=plan.connect_at_s)
        if is_refused:
            trace.failure, trace.was_refused = ("busy", "full"), True
            return trace
        for word in WORDS[: int(seconds)]:
            run_s = plan.connect_at_s + word.end_s
            lag_s = 3.0 if is_over and 20.0 <= run_s < 47.0 else 0.5
            trace.transcripts.append(Observed(word.end_s + lag_s, Transcript("1", "word", False)))
        return trace


async def searched(
    server: Server, overload: float | None = None, watch: Watch | None = None, valid_until: int = 99
) -> tuple[Capacity, Benchmark]:
    met = judge(lambda run: run.streams <= server.capacity, is_valid=lambda streams: streams <= valid_until)
    benchmark = Benchmark(server.play, Conditions(), met, watch or Watch())
    return await find_capacity(benchmark, MATERIAL, CapacitySearch(), overload), benchmark


async def test_capacity_is_the_most_streams_that_meet_the_slo() -> None:
    capacity, benchmark = await searched(Server(3))
    assert (capacity.streams, capacity.slo) == (3, ["word_shown.p95<=1.5"])
    assert capacity.tried == ((1, True), (2, True), (4, False), (3, True))
    assert [(run.streams, run.purpose) for run in benchmark.runs] == [
        (1, "capacity"),
        (2, "capacity"),
        (4, "capacity"),
        (3, "capacity"),
    ]
    assert capacity.overload_streams is None


async def test_an_overload_joins_in_the_second_third_and_leaves() -> None:
    server = Server(3)
    capacity, benchmark = await searched(server, overload=3.0)
    stayed, joined = server.played[-1][:3], server.played[-1][3:]
    assert (len(stayed), len(joined), capacity.overload_streams) == (3, 6, 9)
    assert all(20.0 <= plan.connect_at_s < 21.0 for plan in joined)
    assert {len(plan.pcm) / 2 / RATE_HZ for plan in joined} == {20.0}
    assert [plan.stream for plan in joined] == [3, 4, 5, 6, 7, 8]
    assert (capacity.overload_refused, capacity.overload_goodput) == (3, 0.0)
    assert benchmark.runs[-1].purpose == "overload"


async def test_recovery_counts_from_the_end_of_the_overload() -> None:
    capacity, _ = await searched(Server(3), overload=2.0)
    assert capacity.recovery_s is not None
    assert 6.0 < capacity.recovery_s < 8.0  # the last one leaves at 40.7, and words are late until 47


async def test_a_server_without_capacity_is_not_overloaded() -> None:
    capacity, benchmark = await searched(Server(0), overload=2.0)
    assert (capacity.streams, capacity.overload_streams, len(benchmark.runs)) == (0, None, 1)


async def test_a_run_in_which_the_client_was_late_ends_the_search() -> None:
    capacity, benchmark = await searched(Server(50), valid_until=4)
    assert (capacity.streams, capacity.tried) == (4, ((1, True), (2, True), (4, True)))
    assert [run.streams for run in benchmark.runs] == [1, 2, 4, 8]


async def test_an_interruption_ends_the_search() -> None:
    watch = Watch()
    watch.leaving.set()
    capacity, benchmark = await searched(Server(50), overload=2.0, watch=watch)
    assert (capacity.streams, len(benchmark.runs)) == (0, 1)
