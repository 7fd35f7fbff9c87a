"""The benchmark of cut connections: what it takes for a difference."""

from dataclasses import replace

from benchmarks.cuts import outages, planned
from benchmarks.differences import Heard, compare
from gateway.wire import Cue, CueEvent, CueState, Error, Final, Gap, Latency, ServerEvent, WordSpan
from tools.fault_proxy import Learns


def final(utterance_id: int, text: str, start_sample: int = 0) -> Final:
    words = tuple(WordSpan(word, start_sample, start_sample + 8_000, 1.0) for word in text.split())
    latency = Latency(0.0, 0.0, 0.0, 0.0)
    return Final(1, utterance_id, start_sample, start_sample + 16_000, text, "en", latency, words)


def cue(cue_id: str, *lines: str, end_sample: int = 16_000) -> CueEvent:
    return CueEvent(1, Cue(cue_id, 0, 1, 0, end_sample, lines, 0, CueState.FINAL))


def heard(*events: ServerEvent) -> Heard:
    session = Heard(journal=True)
    for event in events:
        session.note(event)
    return session


EXPECTED = (cue("0.1", "one two", "three"), final(0, "one two three"), final(1, "four", 32_000))


def test_the_same_is_no_difference() -> None:
    assert compare(heard(*EXPECTED), heard(*EXPECTED)).is_none


def test_words_that_are_others_missing_or_too_many_are_counted() -> None:
    found = compare(heard(*EXPECTED), heard(EXPECTED[0], final(0, "one too three"), final(2, "five", 64_000)))
    assert (found.words_changed, found.finals_changed, found.finals_repeated) == (2, 2, 0)
    assert not found.is_none


def test_a_final_that_comes_again_is_a_difference() -> None:
    found = compare(heard(*EXPECTED), heard(*EXPECTED, EXPECTED[2]))
    assert (found.finals_repeated, found.words_changed) == (1, 1)


def test_times_may_differ_by_a_frame() -> None:
    def later(samples: int) -> Heard:
        return heard(*EXPECTED[:2], final(1, "four", 32_000 + samples))

    assert compare(heard(*EXPECTED), later(512)).is_none
    assert compare(heard(*EXPECTED), later(513)).moved_ms > 32.0
    assert not compare(heard(*EXPECTED), later(513)).is_none


def test_a_cue_in_other_lines_is_rebroken_and_not_changed() -> None:
    found = compare(heard(*EXPECTED), heard(cue("0.1", "one", "two three"), *EXPECTED[1:]))
    assert (found.cues_changed, found.cues_rebroken, found.is_none) == (0, 1, True)
    found = compare(heard(*EXPECTED), heard(cue("0.1", "one two"), *EXPECTED[1:]))
    assert (found.cues_changed, found.is_none) == (1, False)


def test_gaps_errors_and_another_journal_are_differences() -> None:
    for event in (Gap(1, 0, 16_000), Error(1, "internal", "a fault", fatal=False)):
        assert not compare(heard(*EXPECTED), heard(*EXPECTED, event)).is_none
    assert not compare(heard(*EXPECTED), replace(heard(*EXPECTED), journal=False)).is_none


def test_an_outage_lasts_from_its_first_cut_until_the_client_is_back() -> None:
    blows = [(1.0, "both"), (5.0, "killed"), (6.0, "both")]
    assert outages(blows, [1.5, 9.0, 12.0]) == {"both": [0.5], "several": [4.0]}


def test_a_plan_is_the_same_again_and_lies_within_the_sound() -> None:
    plan = planned(seed=7, sound_s=60.0, cuts=20, kills=2)
    assert plan == planned(seed=7, sound_s=60.0, cuts=20, kills=2)
    assert (len(plan.cuts), len(plan.kills_s)) == (20, 2)
    assert all(0 < at_s < 60.0 for at_s in [*plan.kills_s, *(at_s for at_s, _ in plan.cuts)])
    assert {cut.learns for _, cut in plan.cuts} == set(Learns)
