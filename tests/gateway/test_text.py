"""Joining lines, and columns of text."""

import pytest

from gateway.text import is_unspaced, join_lines, text_width


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        ([], ""),
        (["one"], "one"),
        (["one", "two"], "one two"),
        (["你好", "世界"], "你好世界"),
        (["你好", "world"], "你好world"),
        (["안녕", "세계"], "안녕 세계"),
        (["สวัสดี", "โลก"], "สวัสดีโลก"),
    ],
)
def test_lines_are_joined_with_a_space_unless_the_script_has_none(lines: list[str], joined: str) -> None:
    assert join_lines(lines) == joined


def test_one_character_without_spaces_is_enough() -> None:
    assert is_unspaced("a", "世")
    assert not is_unspaced("a", "b")


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("世界", 4), ("e\u0301", 1), ("a\u200bb", 2), ("é", 1)])
def test_wide_characters_take_two_columns_and_combining_ones_none(text: str, columns: int) -> None:
    assert text_width(text) == columns
