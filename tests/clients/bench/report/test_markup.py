"""Markup escapes by construction, and is valid XML whatever it contains."""

from hypothesis import given
from hypothesis import strategies as st

from clients.bench.report.markup import Markup, element, joined
from tests.clients.bench.report.pages import all_text, parsed

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=[]))


def test_text_and_attributes_are_escaped() -> None:
    made = element("td", "<b>&", title='"<>&')
    assert made == '<td title="&quot;&lt;&gt;&amp;">&lt;b&gt;&amp;</td>'


def test_markup_is_not_escaped_again() -> None:
    assert element("p", element("b", "a < b"), "&") == "<p><b>a &lt; b</b>&amp;</p>"


def test_names_of_attributes_are_those_of_html() -> None:
    assert element("th", class_="num", aria_hidden="true") == '<th class="num" aria-hidden="true"></th>'


def test_attributes_without_a_value_stand_alone_and_absent_ones_are_left_out() -> None:
    assert element("details", open=True, id=None, hidden=False) == '<details open=""></details>'


def test_numbers_are_rounded_to_hundredths() -> None:
    assert element("rect", x=1 / 3, y=2.0, width=120.0) == '<rect x="0.33" y="2" width="120"></rect>'


def test_a_zero_is_a_value() -> None:
    assert element("rect", x=0.0) == '<rect x="0"></rect>'


def test_void_elements_have_no_end_tag() -> None:
    assert element("meta", charset="utf-8") == '<meta charset="utf-8"/>'


def test_pieces_are_joined_as_they_are() -> None:
    assert joined("a", Markup("<br/>"), "<") == "a<br/>&lt;"


@given(text=ANY_TEXT, attribute=ANY_TEXT)
def test_any_text_is_valid_xml_in_utf_8(text: str, attribute: str) -> None:
    made = element("p", text, title=attribute).encode("utf-8").decode("utf-8")
    assert len(list(parsed(made).iter())) == 1


@given(text=st.text(st.characters(categories=["L", "Nd", "P", "S"])))
def test_text_is_read_back_unchanged(text: str) -> None:
    assert all_text(parsed(element("p", text))) == text
