"""Lines break where a reader would, and never where the text would change."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoder.types import Word
from gateway.captions.line_breaking import (
    LineAim,
    Piece,
    bare_word,
    best_break,
    gap_score,
    lexicon_of,
    line_width,
    pieces_of,
)
from gateway.text import join_lines, text_width


def word(text: str, start_sample: int = 0, end_sample: int = 0) -> Word:
    return Word(text, start_sample, end_sample)


def pieces(text: str, max_width: int = 42) -> tuple[Piece, ...]:
    return pieces_of([word(" " + part) for part in text.split()], max_width)


def broken(text: str, language: str | None = None, max_width: int = 42) -> tuple[str, str]:
    """Break a text that overflows by its last word, as live text is broken."""
    whole = pieces(text)
    aim = LineAim(max_width, max_width * 2 / 3)
    at = best_break(whole, range(1, len(whole)), aim, lexicon_of(language))
    return " ".join(piece.text for piece in whole[:at]), " ".join(piece.text for piece in whole[at:])


@pytest.mark.parametrize(
    ("text", "language", "second_line"),
    [
        ("that was all we could do there, nobody else", None, "nobody else"),
        ("we left the old house by the river. Then it", None, "Then it"),
        ("we went home before the rain and the storms", "en", "and the storms"),
        ("everybody was waiting patiently for the bus", "en", "for the bus"),
        ("yesterday somebody had seen a large fox there", "en", "there"),
        ("the letter was signed by a certain Mr. Smith", "en", "Mr. Smith"),
        ("the discovery was made by professor J. Watson", None, "J. Watson"),
        ("everybody counted again and found only 300 grams", None, "300 grams"),
        ("wir warten schon sehr lange hier auf den Zug", "de", "auf den Zug"),
        ("nous attendons depuis longtemps et le train", "fr", "et le train"),
        ("esperamos todavía en la estación pero el tren", "es", "pero el tren"),
        ("aspettiamo ancora alla stazione ma il treno", "it", "ma il treno"),
        ("esperamos ainda aqui na estação mas o comboio", "pt", "mas o comboio"),
    ],
)
def test_a_full_line_breaks_where_the_sense_does(text: str, language: str | None, second_line: str) -> None:
    assert broken(text, language)[1] == second_line


def test_letters_of_two_words_are_no_word() -> None:
    first, second, third = pieces("others then came")
    english = lexicon_of("en")  # which has "st", of a saint
    assert gap_score(first, second, english) == gap_score(second, third, english) == 0.0


def test_a_word_is_compared_without_case_and_punctuation() -> None:
    assert bare_word("(The,") == "the"


def test_a_question_mark_that_stands_alone_begins_no_line() -> None:
    assert broken("mais qui est donc venu nous voir ce matin ? Paul", "fr")[1] == "Paul"
    assert not broken("mais qui est donc venu nous voir ce matin ?", "fr")[1].startswith("?")


def test_an_empty_word_takes_no_space_away() -> None:
    assert [piece.spaced for piece in pieces_of([word("a "), word(""), word("b")], 42)] == [False, True]


def test_a_word_of_only_a_no_break_space_is_a_space() -> None:
    parts = pieces_of([word("a"), word("\u00a0"), word("b")], 42)

    assert [(part.text, part.spaced) for part in parts] == [("a", False), ("b", True)]


def test_a_no_break_space_is_kept() -> None:
    assert [piece.text for piece in pieces_of([word(" Qui\u00a0?"), word(" Moi")], 42)] == ["Qui\u00a0?", "Moi"]


def test_a_word_too_long_is_split_at_a_no_break_space_without_keeping_it() -> None:
    parts = pieces_of([word("abc\u00a0def")], 4)

    assert [(part.text, part.spaced) for part in parts] == [("abc", False), ("def", True)]


def test_words_without_a_space_between_them_are_broken_only_after_a_hyphen() -> None:
    hyphenated = pieces_of([word(" well-"), word("known")], 42)
    number = pieces_of([word(" or"), word(" 20"), word(",000")], 42)
    joined = pieces_of([word(" or"), word(" note"), word("book")], 42)
    aim = LineAim(3, 1)

    assert best_break(hyphenated, range(1, 2), aim, lexicon_of(None)) == 1
    assert best_break(number, range(1, 3), aim, lexicon_of(None)) == 1
    assert best_break(joined, range(1, 3), LineAim(line_width(joined[:2]), 1), lexicon_of(None)) == 1


def test_among_equal_breaks_the_last_wins() -> None:
    assert broken("aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii")[1] == "iiii"


def test_chinese_is_broken_between_characters_but_not_before_punctuation() -> None:
    assert [piece.text for piece in pieces_of([word("你好，"), word("世界。")], 42)] == ["你", "好，", "世", "界。"]


def broken_between_characters(text: str, language: str | None, columns: int) -> str:
    """Return the first line of a text that comes character by character."""
    whole = pieces_of([word(character) for character in text], 42)
    aim = LineAim(columns, columns / 2, columns * 1.5)
    at = best_break(whole, range(1, len(whole)), aim, lexicon_of(language))
    return join_lines(piece.text for piece in whole[:at])


@pytest.mark.parametrize(
    ("text", "language", "first_line"),
    [
        ("公司今年将部署新的系统处理数据", "zh", "公司今年将部署新的"),
        ("他們現在都已經走了我們也走吧", "zh", "他們現在都已經走了"),
        ("今天的天氣很好，我們去公園", "zh", "今天的天氣很好，"),
        ("我們昨天在學校門口見過面", "zh", "我們昨天"),
        ("東京大学の学生が新しい研究を始めた", "ja", "東京大学の学生が"),
        ("コンピューターで日本語を書く", None, "コンピューターで"),
    ],
)
def test_scripts_without_spaces_are_broken_where_a_word_ends(text: str, language: str | None, first_line: str) -> None:
    assert broken_between_characters(text, language, text_width(text) // 2) == first_line


def test_chinese_words_of_several_characters_are_kept_whole_where_a_break_between_them_is_near() -> None:
    whole = pieces_of([word("清晨"), word("保護")], 42)
    assert best_break(whole, range(1, 4), LineAim(6, 1), lexicon_of(None)) == 2


def test_a_space_between_chinese_characters_is_a_pause() -> None:
    whole = pieces_of([word(text) for text in ("清", "晨", " 保", "護", "大", "地")], 42)
    assert best_break(whole, range(1, 6), LineAim(6, 3), lexicon_of("zh")) == 2


def test_a_word_longer_than_a_line_is_split_at_the_width() -> None:
    assert [piece.text for piece in pieces_of([word(" " + "x" * 25)], 10)] == ["x" * 10, "x" * 10, "x" * 5]
    assert [piece.width for piece in pieces_of([word("한" * 7)], 5)] == [4, 4, 4, 2]


def test_a_combining_mark_stays_with_its_letter() -> None:
    assert [piece.text for piece in pieces_of([word("xxe\u0301")], 3)] == ["xxe\u0301"]


def test_times_inside_a_word_are_shared_out() -> None:
    parts = pieces_of([word("你好", 100, 200)], 42)

    assert [(part.start_sample, part.end_sample) for part in parts] == [(100, 150), (150, 200)]


def test_times_out_of_order_are_moved_on() -> None:
    parts = pieces_of([word(" b", 500, 600), word(" a", 100, 200)], 42)

    assert [(part.start_sample, part.end_sample) for part in parts] == [(500, 600), (500, 500)]


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert text_width("aé") == 2
    assert text_width("e\u0301") == 1
    assert text_width("字ｱ한") == 5


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (("Good", "morning"), "Good morning"),
        (("今日は", "いい天気"), "今日はいい天気"),
        (("좋은", "아침"), "좋은 아침"),
        (("สวัสดี", "ครับ"), "สวัสดีครับ"),
        ((), ""),
    ],
)
def test_lines_join_as_their_script_is_written(lines: tuple[str, ...], joined: str) -> None:
    assert join_lines(lines) == joined


@settings(deadline=None)
@given(st.lists(st.text(max_size=60)), st.lists(st.text(max_size=20)), st.integers(2, 50))
def test_pieces_keep_all_text_and_fit_whatever_follows(texts: list[str], more: list[str], max_width: int) -> None:
    parts = pieces_of([word(text) for text in texts], max_width)
    longer = pieces_of([word(text) for text in texts + more], max_width)

    assert longer[: len(parts)] == parts
    assert visible("".join(part.text for part in parts)) == visible("".join(texts))
    assert all(part.text and part.text == part.text.strip() for part in parts)
    assert all(line_width([part]) <= max_width for part in parts)


def visible(text: str) -> str:
    """Return the text without white space and control characters."""
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cc")
