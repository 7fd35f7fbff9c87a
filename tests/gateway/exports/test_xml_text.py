"""Any text can stand in an XML document."""

from xml.parsers.expat import ParserCreate

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exports.xml_text import xml_text


def test_markup_is_text_and_forbidden_characters_are_replaced() -> None:
    assert xml_text("AT&T <b>\0\x0b\ufffe") == "AT&amp;T &lt;b&gt;\ufffd\ufffd\ufffd"


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(codec="utf-8")))
def test_a_parser_reads_the_text_back(text: str) -> None:
    read: list[str] = []
    parser = ParserCreate()
    parser.CharacterDataHandler = read.append
    parser.Parse(f"<p>{xml_text(text)}</p>".encode(), True)
    assert len("".join(read)) == len(text)
