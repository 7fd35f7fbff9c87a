"""Words are found whatever their case, accents and width, and displayed where they are."""

import pytest

from gateway.journal.text_search import Query, folded

TEXT = "The mayor opens the meeting.\nThe budget for Köln is agreed.\nNext: the budget of the école."


@pytest.mark.parametrize(
    ("words", "excerpt"),
    [
        ("budget", "The budget for Köln is agreed."),
        ("KOLN budget", "The budget for Köln is agreed."),
        ("ecole", "Next: the budget of the école."),
        ("mayor budget", "The mayor opens the meeting."),
        ("get", "The budget for Köln is agreed."),
        ("council meeting", "The mayor opens the meeting."),
        ("council", "The mayor opens the meeting."),
        ("absent budget", None),
    ],
)
def test_every_word_must_occur_in_title_or_text(words: str, excerpt: str | None) -> None:
    assert Query.of(words).excerpt("Council of Köln", TEXT) == excerpt


@pytest.mark.parametrize(
    ("text", "words"),
    [("今日は雨です", "雨"), ("STRASSE", "straße"), ("ﬁne ＡＢＣ", "fine abc"), ("مُحَمَّد", "محمد"), ("ΟΔΟΣ", "οδος")],
)
def test_scripts_are_searched_as_people_type_them(text: str, words: str) -> None:
    assert Query.of(words).excerpt(None, text) == text


def test_a_long_line_is_cut_around_the_first_word_between_words() -> None:
    line = "Über " + "very " * 40 + "Äpfel and pears " + "rather " * 40
    excerpt = Query.of("pears apfel").excerpt(None, line)
    assert excerpt is not None
    assert len(excerpt) <= 170
    assert "Äpfel and pears" in excerpt
    assert excerpt.startswith("… very ")
    assert excerpt.endswith(" rather …")


def test_a_long_line_whose_beginning_has_the_word_is_cut_at_its_end_only() -> None:
    excerpt = Query.of("apples").excerpt(None, "apples " + "and " * 60)
    assert excerpt is not None
    assert excerpt.startswith("apples and ")
    assert excerpt.endswith(" and …")


def test_a_word_in_the_title_only_shows_the_beginning() -> None:
    assert Query.of("title").excerpt("a title", "x" * 200) == "x" * 160 + " …"
    assert Query.of("title").excerpt("a title", "") == ""


def test_a_query_has_at_most_sixteen_words() -> None:
    assert Query.of(" ".join(map(str, range(40)))).words == tuple(map(str, range(16)))
    assert Query.of(" \t ").words == ()


def test_folding_keeps_line_feeds() -> None:
    assert folded("Ä\nB\n\nÇ") == "a\nb\n\nc"
