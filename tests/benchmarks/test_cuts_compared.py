"""The benchmark of cut connections: what counts as a difference."""

from dataclasses import replace

from benchmarks.cuts import outages, planned
from benchmarks.differences import Received, compare
from gateway.wire import Cue, CueEvent, CueState, Error, Final, Gap, Latency, ServerEvent, WordSpan
from tools.fault_proxy import Learns


def final(utterance_id: int, text: str, start_sample: int = 0) -> Final:
    words = tuple(WordSpan(word, start_sample, start_sample + 8_000, 1.0) for word in text.split())
    latency = Latency(0.0, 0.0, 0.0, 0.0)
    return Final(1, utterance_id, start_sample, start_sample + 16_000, text, "en", latency, words)


def cue(cue_id: str, *lines: str, end_sample: int = 16_000) -> CueEvent:
    return CueEvent(1, Cue(cue_id, 0, 1, 0, end_sample, lines, 0, CueState.FINAL))


def received(*events: ServerEvent) -> Received:
    session = Received(journal=True)
    for event in events:
        session.note(event)
    return session


EXPECTED = (cue("0.1", "one two", "three"), final(0, "one two three"), final(1, "four", 32_000))


def test_equal_events_are_no_difference() -> None:
    assert compare(received(*EXPECTED), received(*EXPECTED)).is_none


def test_wrong_missing_and_surplus_words_are_counted() -> None:
    found = compare(received(*EXPECTED), received(EXPECTED[0], final(0, "one too three"), final(2, "five", 64_000)))
    assert (found.words_changed, found.finals_changed, found.finals_repeated) == (2, 2, 0)
    assert not found.is_none


def test_a_repeated_final_is_a_difference() -> None:
    found = compare(received(*EXPECTED), received(*EXPECTED, EXPECTED[2]))
    assert (found.finals_repeated, found.words_changed) == (1, 1)


def test_times_may_differ_by_a_window() -> None:
    def later(samples: int) -> Received:
        return received(*EXPECTED[:2], final(1, "four", 32_000 + samples))

    assert compare(received(*EXPECTED), later(512)).is_none
    assert compare(received(*EXPECTED), later(513)).moved_ms > 32.0
    assert not compare(received(*EXPECTED), later(513)).is_none


def test_a_cue_in_other_lines_is_rebroken_and_not_changed() -> None:
    found = compare(received(*EXPECTED), received(cue("0.1", "one", "two three"), *EXPECTED[1:]))
    assert (found.cues_changed, found.cues_rebroken, found.is_none) == (0, 1, True)
    found = compare(received(*EXPECTED), received(cue("0.1", "one two"), *EXPECTED[1:]))
    assert (found.cues_changed, found.is_none) == (1, False)


def test_gaps_errors_and_a_different_journal_are_differences() -> None:
    for event in (Gap(1, 0, 16_000), Error(1, "internal", "a fault", fatal=False)):
        assert not compare(received(*EXPECTED), received(*EXPECTED, event)).is_none
    assert not compare(received(*EXPECTED), replace(received(*EXPECTED), journal=False)).is_none


def test_an_outage_lasts_from_its_first_cut_to_the_resume() -> None:
    disturbances = [(1.0, "both"), (5.0, "killed"), (6.0, "both")]
    assert outages(disturbances, [1.5, 9.0, 12.0]) == {"both": [0.5], "several": [4.0]}


def test_a_plan_is_repeatable_and_within_the_audio() -> None:
    plan = planned(seed=7, audio_s=60.0, cuts=20, kills=2)
    assert plan == planned(seed=7, audio_s=60.0, cuts=20, kills=2)
    assert (len(plan.cuts), len(plan.kills_s)) == (20, 2)
    assert all(0 < at_s < 60.0 for at_s in [*plan.kills_s, *(at_s for at_s, _ in plan.cuts)])
    assert {cut.learns for _, cut in plan.cuts} == set(Learns)
