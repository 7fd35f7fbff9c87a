"""What cut connections cost."""

from clients.bench.cut_costs import CutStream, cost_of_cuts
from clients.bench.matched_words import Matches, match_words
from clients.bench.result import Cuts
from clients.bench.trace import Cut, Observed
from clients.bench.word_timeline import WordTimeline
from tests.clients.bench.observing import final, reference

SPOKEN = " ".join(f"{letter}x" for letter in "abcdefghijklmnopqrstuvwz")
"""Words that end at 1.5, 2, 2.5 … 13 s."""


def matches(*transcripts: Observed, spoken: str = SPOKEN) -> Matches:
    return match_words(reference(spoken), WordTimeline(transcripts, "en").final_segments)


def without(*numbers: int) -> Matches:
    kept = [word for number, word in enumerate(SPOKEN.split()) if number not in numbers]
    return matches(final(15, " ".join(kept)))


def cost(*cuts: Cut, found: Matches, uncut: Matches | None = None) -> Cuts:
    costs = cost_of_cuts([CutStream(cuts, found, uncut)])
    assert costs is not None
    return costs


def test_words_lost_at_a_cut_are_counted_and_those_elsewhere_are_not() -> None:
    found = without(0, 16, 17, 18, 22)
    """Of which 16 to 18 are spoken from 9 to 10.5 s."""

    assert cost(Cut(9.5, 10.0, resumed=False), found=found).words_lost == 3
    assert cost(Cut(9.5, 10.9, resumed=False), found=found).words_lost == 3
    assert cost(Cut(9.5, None, resumed=False), found=found).words_lost == 4


def test_words_that_are_lost_without_a_cut_too_are_not_its_cost() -> None:
    assert cost(Cut(9.5, 10.0, resumed=True), found=without(16, 17), uncut=without(17)).words_lost == 1


def test_words_that_follow_a_cut_twice_are_doubled() -> None:
    found = matches(
        final(2.6, "ax bx cx", "a"), final(5, "bx cx dx ex", "b"), final(9, "ax fx", "c"), spoken="ax bx cx dx ex fx"
    )

    assert cost(Cut(2.6, 3.0, resumed=True), found=found).words_doubled == 3
    assert cost(Cut(5.5, 5.6, resumed=True), found=found).words_doubled == 1


def test_a_word_is_doubled_as_often_as_it_was_spoken_around_the_cut_and_counts_for_one_cut() -> None:
    found = matches(final(2.6, "ax bx cx", "a"), final(5, "cx cx new dx ex", "b"), spoken="ax bx cx dx ex")

    assert cost(Cut(2.6, 3.0, resumed=True), found=found).words_doubled == 1
    assert cost(Cut(2.6, 2.7, resumed=True), Cut(3.2, 3.3, resumed=True), found=found).words_doubled == 2


def test_a_doubled_word_counts_for_one_of_two_cuts_around_which_it_was_spoken() -> None:
    found = matches(final(2.6, "ax bx cx", "a"), final(5, "cx dx ex", "b"), spoken="ax bx cx dx ex")

    assert cost(Cut(2.6, 2.7, resumed=True), Cut(3.2, 3.3, resumed=True), found=found).words_doubled == 1


def test_the_time_until_the_server_takes_audio_again_is_measured() -> None:
    costs = cost(Cut(2.0, 2.5, resumed=True), Cut(4.0, None, resumed=False), found=without())

    assert (costs.cuts, costs.resumed, costs.live_again.count, costs.live_again.max) == (2, 1, 1, 0.5)


def test_without_cuts_there_is_no_cost() -> None:
    assert cost_of_cuts([CutStream((), without())]) is None
