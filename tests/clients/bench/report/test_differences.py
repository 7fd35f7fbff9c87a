"""Differences of texts, and words of transcripts that nobody spoke."""

from hypothesis import given
from hypothesis import strategies as st

from clients.bench.report.differences import Change, Piece, differences, inserted_words, is_substituted
from clients.bench.result import Word

KEPT, REMOVED, ADDED = Change.KEPT, Change.REMOVED, Change.ADDED

TEXT = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12).map(" ".join)


def spoken(*pairs: tuple[str, str | None]) -> list[Word]:
    return [Word(text, 0.0, 1.0, False, written) for text, written in pairs]


def test_a_replaced_word_is_removed_and_added() -> None:
    assert differences("the cat", "the dog sat") == (
        Piece(KEPT, "the"),
        Piece(REMOVED, "cat"),
        Piece(ADDED, "dog sat"),
    )


def test_a_withdrawn_text_is_removed() -> None:
    assert differences("the cat", "") == (Piece(REMOVED, "the cat"),)


def test_long_unchanged_text_is_shortened_to_what_stands_beside_the_changes() -> None:
    before = "one two three four five six seven eight nine ten"
    assert differences(f"x {before} y", f"z {before} y")[2:] == (Piece(KEPT, "one two three …"),)
    assert differences(f"{before} y", f"{before} z")[0] == Piece(KEPT, "… eight nine ten")
    assert differences(f"x {before} y", f"{before} z")[1] == Piece(KEPT, "one two three … eight nine ten")


def test_equal_texts_are_kept() -> None:
    assert differences("a b", "a b") == (Piece(KEPT, "a b"),)


@given(before=TEXT, after=TEXT)
def test_kept_and_removed_pieces_are_the_text_before_and_kept_and_added_ones_that_after(
    before: str, after: str
) -> None:
    pieces = differences(before, after)
    if not any("…" in piece.text for piece in pieces):
        assert " ".join(piece.text for piece in pieces if piece.change is not ADDED) == before
        assert " ".join(piece.text for piece in pieces if piece.change is not REMOVED) == after


def test_words_between_the_spoken_ones_are_inserted() -> None:
    words = spoken(("the", "The"), ("cat", "cat"), ("sat", None))
    assert inserted_words(words, "Um, the very old cat. Bye!") == {0: ("Um,",), 1: ("very", "old"), 2: ("Bye!",)}


def test_a_word_in_place_of_another_is_not_inserted() -> None:
    assert inserted_words(spoken(("cat", "hat"), ("sat", "sat")), "hat sat") == {}


def test_forms_that_the_normaliser_changed_are_not_inserted_but_what_is_more_is() -> None:
    assert inserted_words(spoken(("it's", "it is"), ("now", "now")), "it's now") == {}
    assert inserted_words(spoken(("colour", "color"), ("now", "now")), "the colour now") == {1: ("colour",)}


def test_punctuation_alone_is_no_word() -> None:
    assert inserted_words(spoken(("so", "so")), "so – ") == {}


def test_a_transcript_of_silence_is_inserted() -> None:
    assert inserted_words([], "thank you") == {0: ("thank", "you")}


def test_case_and_punctuation_do_not_make_another_word() -> None:
    same, other, missing = spoken(("Cat,", "cat"), ("cat", "hat"), ("cat", None))
    assert [is_substituted(word) for word in (same, other, missing)] == [False, True, False]
