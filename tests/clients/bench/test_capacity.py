"""The search for capacity, and what an overload leaves behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.bench.capacity import CapacitySearch, TimedWord, first_part, recovery_s, timed_words, words_on_time
from clients.bench.reference import Reference, ReferenceWord
from clients.bench.result import Word


def searched(capacity: int, first: int = 1, limit: int = 4096) -> CapacitySearch:
    search = CapacitySearch(first, limit)
    while search.count is not None:
        search.note(is_met=search.count <= capacity)
    return search


def test_the_search_doubles_and_then_bisects() -> None:
    search = searched(11)
    assert search.tried == [
        (1, True),
        (2, True),
        (4, True),
        (8, True),
        (16, False),
        (12, False),
        (10, True),
        (11, True),
    ]
    assert search.streams == 11


def test_a_search_that_begins_too_high_goes_down() -> None:
    assert searched(3, first=16).tried == [(16, False), (8, False), (4, False), (2, True), (3, True)]


def test_a_server_that_holds_no_stream_has_no_capacity() -> None:
    assert searched(0).tried == [(1, False)]
    assert searched(0, first=4).streams == 0


def test_the_search_does_not_exceed_its_limit() -> None:
    assert searched(999, limit=5).tried == [(1, True), (2, True), (4, True), (5, True)]


def test_nothing_is_noted_after_the_end() -> None:
    search = searched(0)
    with pytest.raises(ValueError, match="over"):
        search.note(is_met=True)


@given(st.integers(0, 3000), st.integers(1, 100))
def test_the_capacity_is_found_within_5_percent_in_few_tries(capacity: int, first: int) -> None:
    search = searched(capacity, first)
    assert search.streams <= capacity <= max(search.streams, search.streams * 1.05)
    assert len(search.tried) <= 20
    assert len({count for count, _ in search.tried}) == len(search.tried)


def spoken(end_s: float, shown_s: float | None, first_shown_s: float | None = None) -> Word:
    return Word("a", end_s - 0.3, end_s, False, "a", first_shown_s, shown_s)


def test_words_are_on_time_by_their_lasting_display_and_wrong_ones_by_their_first() -> None:
    words = [spoken(1.0, 2.0), spoken(2.0, 4.1), spoken(3.0, None, 3.5), spoken(4.0, None)]
    timed = timed_words(words, began_s=10.0, limit_s=1.5)
    assert timed == [TimedWord(11.0, True), TimedWord(12.0, False), TimedWord(13.0, True), TimedWord(14.0, False)]
    assert words_on_time(timed, 11.0, 13.0) == 1
    assert words_on_time(timed, 11.0, 13.1) == 2


def ticking(late: set[int]) -> list[TimedWord]:
    """Return a word a second for 40 s, some of them late."""
    return [TimedWord(float(second), second not in late) for second in range(40)]


def test_recovery_is_when_the_words_are_on_time_again() -> None:
    assert recovery_s(ticking(set(range(10, 26))), 20.0) == 6.0
    assert recovery_s(ticking(set()), 20.5) == 0.5


def test_a_single_word_on_time_is_no_recovery() -> None:
    late = set(range(10, 30)) - {22}
    assert recovery_s(ticking(late), 20.0) == 10.0


def test_words_that_stay_late_never_recover() -> None:
    assert recovery_s(ticking(set(range(10, 40))), 20.0) is None
    assert recovery_s([], 20.0) is None


REFERENCE = Reference(
    "talk",
    "en",
    10.0,
    (ReferenceWord("one", 1.0, 1.5), ReferenceWord("two", 1.5, 2.0), ReferenceWord("three", 6.0, 6.5, True)),
)


@pytest.mark.parametrize(
    ("seconds", "words", "duration_s"),
    [(5.0, "one two", 5.0), (1.7, "one", 1.5), (6.2, "one two", 6.0), (1.2, "", 1.0), (0.5, "", 0.5)],
)
def test_the_first_part_cuts_no_word(seconds: float, words: str, duration_s: float) -> None:
    part = first_part(REFERENCE, seconds)
    assert " ".join(word.text for word in part.words) == words
    assert part.duration_s == duration_s
    assert [word.ends_speech for word in part.words] == [False] * (len(part.words) - 1) + [True] * bool(part.words)
    assert part.recording == f"talk, first {seconds:g} s"


def test_a_recording_that_is_short_enough_stays() -> None:
    assert first_part(REFERENCE, 10.0) is REFERENCE


def test_words_that_overlap_keep_their_audio() -> None:
    words = (ReferenceWord("one", 0.0, 1.0), ReferenceWord("two", 0.9, 3.0))
    assert first_part(Reference("talk", "en", 3.0, words), 2.0).duration_s == 1.0
