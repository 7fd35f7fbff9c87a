"""The counts of sessions, and the metrics they are added to."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from decoder.engines.scripted import ScriptedEngine
from decoder.scheduler import Scheduler
from decoder.settings import PlannerSettings, SchedulerSettings
from gateway.delivery.broadcast import Broadcaster
from gateway.metrics import Metrics
from gateway.session.stats import SessionCounts, SessionStats

counts = st.integers(0, 100)
filtered = st.dictionaries(
    st.tuples(st.sampled_from(["partial", "final"]), st.sampled_from(["loop", "prompt"])), counts
)
stats = st.builds(SessionStats, counts, filtered, counts, counts)


@given(st.lists(stats))
def test_the_sum_of_the_channels_is_the_count_of_the_session(channels: list[SessionStats]) -> None:
    total = sum(channels, SessionStats())
    assert total.finals == sum(each.finals for each in channels)
    assert total.eager_used == sum(each.eager_used for each in channels)
    assert total.eager_dropped == sum(each.eager_dropped for each in channels)
    assert Counter(total.filtered) == sum((Counter(each.filtered) for each in channels), Counter())


def values(metrics: Metrics, name: str) -> set[str]:
    lines = metrics.exposition().decode().splitlines()
    return {line.removeprefix(name) for line in lines if line.startswith(f"{name}{{")}


def test_each_update_adds_only_what_is_new() -> None:
    scheduler = Scheduler(ScriptedEngine(), PlannerSettings(), SchedulerSettings(), lambda: 0.0)
    metrics = Metrics(scheduler, Broadcaster())
    one, other = SessionCounts(metrics), SessionCounts(metrics)
    one.update(SessionStats(1, {("final", "loop"): 2}, 1, 0))
    one.update(SessionStats(2, {("final", "loop"): 3}, 1, 1))
    one.update(SessionStats(2, {("final", "loop"): 3}, 1, 1))
    other.update(SessionStats(1, {("final", "loop"): 1}, 2, 0))
    assert values(metrics, "livecue_guarded_total") == {'{kind="final",reason="loop"} 4.0'}
    assert values(metrics, "livecue_eager_finals_total") == {'{outcome="used"} 3.0', '{outcome="dropped"} 1.0'}
