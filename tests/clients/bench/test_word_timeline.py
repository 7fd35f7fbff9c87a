"""Displayed words of one stream, followed from update to update."""

from hypothesis import given
from hypothesis import strategies as st

from clients.bench.result import Correction
from clients.bench.trace import Observed
from clients.bench.word_timeline import DisplayedWord, WordTimeline
from tests.clients.bench.observing import final, partial


def followed(*transcripts: Observed, language: str | None = "en") -> WordTimeline:
    return WordTimeline(transcripts, language)


def word(timeline: WordTimeline, text: str) -> DisplayedWord:
    return next(word for word in timeline.final_words if word.text == text)


def test_a_word_is_shown_since_its_lasting_display() -> None:
    timeline = followed(partial(1, "red blue"), partial(2, "red green"), final(3, "Red, green blue."))

    assert [each.shown_s for each in timeline.final_words] == [1, 2, 3]


def test_a_word_first_appears_when_its_place_is_filled_right_or_wrong() -> None:
    timeline = followed(partial(1, "red blew"), partial(2, "red"), partial(3, "red blue"), final(4, "red blue"))

    assert word(timeline, "red").appeared_s == (1,)
    assert word(timeline, "blue").appeared_s == (3,)

    replaced = followed(partial(1, "red blew"), partial(2, "red blue"), final(4, "red blue"))

    assert word(replaced, "blue").appeared_s == (1, 2)


def test_a_word_that_comes_back_soon_keeps_its_first_appearance() -> None:
    timeline = followed(partial(1, "red blue"), partial(2, "red"), final(3, "red blue"))
    late = followed(partial(1, "red blue"), partial(2, "red"), final(13, "red blue"))

    assert word(timeline, "blue").appeared_s == (1, 3)
    assert word(late, "blue").appeared_s == (13,)


def test_a_moved_word_keeps_its_time() -> None:
    timeline = followed(partial(1, "blue green"), final(2, "red blue green"))

    assert [each.shown_s for each in timeline.final_words] == [2, 1, 1]


def test_a_word_is_committed_while_the_server_promises_to_keep_it() -> None:
    timeline = followed(
        partial(1, "red blue", committed="red"),
        partial(2, "red blue", committed="red bl"),
        partial(3, "red blue", committed="red blue"),
        final(4, "red blue pink"),
    )

    assert [each.committed_s for each in timeline.final_words] == [1, 3, 4]
    assert timeline.has_commitments


def test_a_revoked_commitment_does_not_count() -> None:
    timeline = followed(partial(1, "red", committed="red"), partial(2, "red", committed=""), final(3, "red"))

    assert word(timeline, "red").committed_s == 3


def test_a_word_is_final_since_the_first_final_with_it() -> None:
    timeline = followed(partial(1, "red"), final(2, "red blue"), final(3, "red green"))

    assert [each.final_s for each in timeline.final_words] == [2, 3]


def test_what_follows_a_final_of_the_segment_revises_it() -> None:
    timeline = followed(final(2, "red"), partial(3, "red blue"))

    assert timeline.transcript == "red blue"
    assert timeline.counts.erased_by_final == 0


def test_words_that_move_into_the_next_segment_in_the_same_update_stay() -> None:
    timeline = followed(
        partial(1, "red blue pink", "a"), final(2, "red blue", "a"), partial(2.001, "pink", "b"), final(3, "pink", "b")
    )

    assert word(timeline, "pink").shown_s == 1
    assert timeline.counts.erased_by_final == 0
    assert timeline.counts.updates_s == [1]
    assert timeline.corrections == []


def test_words_that_come_back_in_a_later_update_were_taken_away() -> None:
    timeline = followed(
        partial(1, "red blue pink", "a"), final(2, "red blue", "a"), partial(2.3, "pink", "b"), final(3, "pink", "b")
    )

    assert word(timeline, "pink").appeared_s == (1, 2.3)
    assert (timeline.counts.erased_by_final, timeline.counts.changed_by_final) == (1, 1)


def test_segments_are_displayed_in_the_order_of_their_first_appearance() -> None:
    timeline = followed(partial(1, "red", "b"), final(2, "blue", "a"), final(3, "Red.", "b"))

    assert timeline.transcript == "Red. blue"


def test_only_finals_make_the_transcript() -> None:
    timeline = followed(final(1, "red", "a"), partial(2, "blue", "b"), final(3, " ", "c"))

    assert timeline.transcript == "red"
    assert timeline.final_segments[1:] == [[]]
    assert timeline.withdrawn_words == 1


def test_erased_words_are_counted_from_the_first_changed_one_on() -> None:
    timeline = followed(
        partial(1, "red blue pink"), partial(2, "red blew pink gray"), partial(3, "red"), final(4, "bed pink")
    )

    assert timeline.counts.erased == 2 + 3
    assert timeline.counts.erased_by_final == 1
    assert timeline.counts.withdrawn == 1 + 3 + 1
    assert timeline.counts.changed_by_final == 1


def test_a_correction_has_the_texts_before_and_after() -> None:
    timeline = followed(partial(1, "Red blew"), partial(2, "red, blew"), final(3, "Red blue."))

    assert timeline.corrections == [Correction(3, "1", "red, blew", "Red blue.", by_final=True)]


def test_the_same_words_again_are_no_update() -> None:
    timeline = followed(partial(1, "red"), partial(2, "Red!"), partial(3, "red blue"), final(4, "red blue"))

    assert timeline.counts.updates_s == [1, 3]


def test_the_most_displayed_words_of_each_segment_are_counted() -> None:
    timeline = followed(partial(1, "red blue"), final(2, ""), final(3, "pink", "b"))

    assert timeline.displayed_words == 3


def test_neighbouring_and_distant_segments_may_change_in_one_update() -> None:
    timeline = followed(
        partial(1, "red", "a"), partial(1.1, "blue", "b"), partial(1.2, "pink", "c"),
        final(2, "red gold", "a"), final(2, "pink gray", "c"), final(3, "blue", "b"),
    )  # fmt: skip

    assert timeline.transcript == "red gold blue pink gray"
    assert [each.shown_s for each in timeline.final_words] == [1, 2, 1.1, 1.2, 2]


def test_scripts_without_spaces_are_followed_by_characters() -> None:
    timeline = followed(partial(1, "你", committed="你"), final(2, "你好", "1"), final(3, "吗", "2"), language="zh")

    assert [each.shown_s for each in timeline.final_words] == [1, 2, 3]
    assert timeline.transcript == "你好吗"


TEXTS = st.lists(st.sampled_from(["red", "blue", "pink"]), max_size=5).map(" ".join)


@given(st.lists(TEXTS, max_size=6), TEXTS)
def test_every_displayed_word_is_either_kept_or_withdrawn(partials: list[str], last: str) -> None:
    timeline = followed(*(partial(at_s, text) for at_s, text in enumerate(partials)), final(len(partials), last))

    counts = timeline.counts
    appearances = sum(len(each.appeared_s) for each in timeline.final_words)
    assert counts.erased >= 0
    assert 0 <= counts.changed_by_final <= counts.withdrawn
    assert counts.changed_by_final <= counts.erased_by_final
    assert counts.withdrawn - counts.changed_by_final <= counts.erased
    assert [each.text for each in timeline.final_words] == last.split()
    assert appearances <= len(timeline.final_words) + counts.withdrawn
    assert all(list(each.appeared_s) == sorted(each.appeared_s) for each in timeline.final_words)


@given(st.permutations([partial(3, "blue pink", "b"), final(3, "red gold", "a"), final(3, "gray", "c")]))
def test_the_order_of_simultaneous_transcripts_of_known_segments_is_irrelevant(together: list[Observed]) -> None:
    begun = [partial(1, "red", "a"), partial(1.5, "blue", "b"), partial(2, "grey", "c")]

    def described(order: list[Observed]) -> object:
        timeline = followed(*begun, *order, final(4, "blue pink", "b"))
        return timeline.final_words, timeline.counts, timeline.transcript

    assert described(together) == described(
        [final(3, "red gold", "a"), partial(3, "blue pink", "b"), final(3, "gray", "c")]
    )
