"""What is counted of a sink, and what its session's client sees."""

from gateway.sinks.progress import SinkCounts, SinkOutcome, SinkProgress, SinkState


def made() -> tuple[SinkProgress, SinkCounts]:
    counts = SinkCounts()
    return SinkProgress("zoom", counts, "client"), counts


def test_events_wait_until_they_are_taken() -> None:
    progress, counts = made()
    for seq in (3, 5, 5, 4):
        progress.published(seq, float(seq))
    assert (progress.queued, progress.is_behind, progress.emitted_s(5), progress.emitted_s(4)) == (2, True, 5.0, None)
    progress.delivered(3)
    progress.delivered(5)
    assert (progress.queued, progress.is_behind, progress.sent, progress.acknowledged) == (0, False, 2, 5)
    assert counts.outcomes == {("client", SinkOutcome.SENT): 2}


def test_a_failure_is_over_with_the_next_success() -> None:
    progress, counts = made()
    progress.retrying("status 503")
    assert (progress.state, progress.message) == (SinkState.RETRYING, "status 503")
    progress.displayed()
    assert (progress.state, progress.message) == (SinkState.OK, None)
    assert counts.outcomes["client", SinkOutcome.RETRIED] == 1


def test_what_was_lost_stays_announced() -> None:
    progress, _ = made()
    progress.lost(1, "too old")
    assert progress.message == "1 caption was lost: too old"
    progress.lost(2, "too old")
    progress.retrying("status 503")
    progress.delivered(3)
    assert (progress.message, progress.dropped) == ("2 captions were lost", 2)


def test_a_sink_that_has_failed_loses_what_waits_and_what_comes() -> None:
    progress, counts = made()
    progress.published(1, 0.0)
    progress.failed("status 410")
    progress.published(2, 0.0)
    progress.stopped()
    assert (progress.state, progress.message, progress.dropped, progress.queued) == (
        SinkState.FAILED,
        "status 410",
        2,
        0,
    )
    assert counts.outcomes["client", SinkOutcome.DROPPED] == 2


def test_a_restored_one_knows_what_was_acknowledged() -> None:
    progress, _ = made()
    progress.restore(7, 4)
    progress.published(7, 0.0)
    assert (progress.queued, progress.sent) == (0, 4)
    progress.unsupported()
    progress.stopped()
    assert progress.state is SinkState.STOPPED
