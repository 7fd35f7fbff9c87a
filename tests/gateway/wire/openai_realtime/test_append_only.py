"""The unsent rest of a final, if sent text cannot be revoked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.openai_realtime.append_only import unsent_text

TEXTS = st.lists(st.sampled_from(["one", "One,", "two", "three.", "four", "你好", "吗"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("final", "sent", "rest"),
    [
        ("two three four", "", "two three four"),
        ("two three four", "two three", " four"),
        ("Two, three four", "two three", " four"),
        ("two tree four", "two three", " four"),
        ("and so two three four", "two three", " four"),
        ("two four", "two three", ""),
        ("we hold these truths to be self-evident", "we hold the truths", " to be self-evident"),
        ("", "two", ""),
        ("今天天气很好", "今天田气", "很好"),
    ],
)
def test_the_rest_is_what_comes_after_the_words_that_were_sent(final: str, sent: str, rest: str) -> None:
    assert unsent_text(final, sent) == rest


@given(TEXTS, TEXTS)
def test_the_unsent_rest_completes_a_final_that_contradicts_nothing(sent: str, later: str) -> None:
    assert sent + unsent_text(sent + later, sent) == sent + later


@given(TEXTS, TEXTS)
def test_the_rest_is_the_end_of_the_final(final: str, sent: str) -> None:
    assert final.endswith(unsent_text(final, sent))


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_texts_have_a_rest(final: str, sent: str) -> None:
    assert final.endswith(unsent_text(final, sent))
