"""Messages between the bench and its worker processes keep what they carry."""

import msgspec

from clients.bench.endpoint import Conditions
from clients.bench.targets import EndpointSpec
from clients.bench.trace import Cut, Observed, Pacing, StreamTrace
from clients.bench.worker_messages import PlannedStream, WorkerPlan, WorkerReport, line
from clients.dialects.driver import DriverOptions, TimedText, Transcript


def test_a_plan_arrives_as_it_was_sent() -> None:
    options = DriverOptions("tiny", "en", "key", ("livecue", "bench"), {"a": "1"})
    plan = WorkerPlan(
        EndpointSpec("ws://x", "vosk", options),
        Conditions(0.02, 5.0, 6.0, cut_every_s=20.0),
        [PlannedStream(1, "talk", "/tmp/1.pcm", 0.5)],  # noqa: S108
    )
    assert msgspec.json.decode(line(plan), type=WorkerPlan) == plan


def test_a_trace_arrives_as_it_was_observed() -> None:
    transcript = Transcript("1", "one\ntwo", True, 3, (TimedText("one", 0.0, 0.1),))
    trace = StreamTrace(
        3,
        "talk",
        2.0,
        0.25,
        [Observed(0.1, transcript)],
        [Cut(1.0, None, True)],
        ("1013", "full"),
        True,
        None,
        Pacing(1, [0.1], [0.2]),
        0.5,
    )
    report = line(WorkerReport(traces=[trace]))
    assert report.count(b"\n") == 1
    assert msgspec.json.decode(report, type=WorkerReport).traces == [trace]
