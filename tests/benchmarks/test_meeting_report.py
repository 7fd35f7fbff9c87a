"""The faults of a meeting."""

from dataclasses import replace

from benchmarks.meeting_account import Account
from benchmarks.meeting_report import Findings, PlayerFinding, SinkFinding, faults_of

ACCOUNT = Account("zoom", 9, (), 0, 0, 1.0, 0.1, 0.2, 0.1, 0.2)
SINK = SinkFinding(ACCOUNT, may_lose=False, announced=0, dropped=0, unsupported=1, has_correction=False)
LOSING = SinkFinding(replace(ACCOUNT, name="obs", lost=("a",)), True, 1, 1, 0, has_correction=True)
VIEWER = replace(ACCOUNT, name="viewer, late")
PLAYER = PlayerFinding((0.1, -0.4), 0, 5, 5, 0, {})
GOOD = Findings((SINK, LOSING), (VIEWER,), PLAYER, {"a = b": True})


def faults_with_sink(sink: SinkFinding) -> list[str]:
    return faults_of(replace(GOOD, sinks=(sink,)))


def test_losses_that_are_announced_and_allowed_are_no_faults() -> None:
    assert faults_of(GOOD) == []


def test_a_sink_that_may_repeat_loses_nothing() -> None:
    lost = replace(SINK, account=replace(ACCOUNT, lost=("a", "b")), announced=2, dropped=2)
    assert faults_with_sink(lost) == ["zoom has lost 2 captions"]


def test_losses_are_announced_and_counted() -> None:
    fault = "obs has lost 1, announced {} and counted {} captions"
    assert faults_with_sink(replace(LOSING, announced=0)) == [fault.format(0, 1)]
    assert faults_with_sink(replace(LOSING, dropped=0)) == [fault.format(1, 0)]


def test_outages_delay_nobody_else() -> None:
    slow = replace(ACCOUNT, others_p95_s=0.8)
    assert faults_with_sink(replace(SINK, account=slow)) == [
        "zoom was delayed by outages of others: 0.80 s, else 0.20 s"
    ]
    assert faults_with_sink(replace(SINK, account=replace(ACCOUNT, others_p95_s=None))) == []


def test_viewers_have_every_final_and_nothing_else() -> None:
    wrong = replace(VIEWER, lost=("a",), foreign=2)
    assert faults_of(replace(GOOD, viewers=(wrong,))) == [
        "viewer, late has 2 unexpected captions",
        "the viewer, late has lost 1 finals",
    ]


def test_cues_appear_in_time_and_as_they_are() -> None:
    player = replace(PLAYER, late_s=(0.6, -0.7, 0.0), missing=1, wrong=2)
    assert faults_of(replace(GOOD, player=player)) == [
        "the player has displayed 2 cues more than 0.5 s early or late",
        "the player has not displayed 1 cues, and 2 with another text",
    ]


def test_texts_agree() -> None:
    assert faults_of(replace(GOOD, texts={"a = b": False})) == ["not so: a = b"]
