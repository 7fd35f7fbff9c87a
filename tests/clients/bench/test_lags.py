"""Lags of words."""

from clients.bench.lags import lag_over_time, lags_of, update_gaps_s
from clients.bench.matched_words import MatchedWord, match_words
from clients.bench.trace import Observed
from clients.bench.word_timeline import WordTimeline
from tests.clients.bench.observing import final, partial, reference


def words(spoken: str, *transcripts: Observed) -> tuple[MatchedWord, ...]:
    return match_words(reference(spoken), WordTimeline(transcripts, "en").final_segments).words


def test_lags_are_measured_from_the_end_of_each_right_word() -> None:
    lags = lags_of(words("red blue", partial(2, "red blew"), final(3, "red blew")))

    assert (lags.shown_s, lags.first_shown_s, lags.final_s) == ([0.5], [0.5], [1.5])


def test_the_first_display_of_an_utterance_may_be_of_a_wrong_word() -> None:
    lags = lags_of(words("red blue | pink | gray", partial(1.25, "bed"), final(3, "red blue"), final(4, "new", "b")))

    assert lags.first_partial_s == [0.25, 1.0]


def test_lags_add_up() -> None:
    lags, other = (lags_of(words("red | blue", final(3, "red"), final(4, text, "b"))) for text in ("blue", "pink"))
    lags.add(other)

    assert lags.final_s == [1.5, 1.0, 1.5]
    assert len(lags.shown_s) == len(lags.first_shown_s) == len(lags.committed_s) == 3
    assert len(lags.first_partial_s) == 4


def test_update_gaps_lie_within_one_utterance() -> None:
    spoken = words("red blue pink | gray gold")
    """From 1 to 2.5 s and from 3.5 to 4.5 s."""

    assert update_gaps_s(spoken, [0.5, 1.5, 2.25, 3.0, 3.75, 4.0, 5.0]) == [0.75, 0.25]


def test_the_latest_word_of_each_second_stands_for_it() -> None:
    spoken = words("red blue pink gray", partial(2, "red"), partial(2.75, "red blue"), final(3.5, "red blue pink"))

    assert lag_over_time(spoken) == [(1.5, 0.5), (2.5, 1.0)]
