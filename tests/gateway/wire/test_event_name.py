"""Names of caption events can be read out and typed."""

import pytest

from gateway.wire import ProtocolError
from gateway.wire.event_name import is_event_name, read_event_name


@pytest.mark.parametrize("name", ["abc", "0-9", "sunday-service", "a" * 64])
def test_lower_case_letters_digits_and_hyphens_are_a_name(name: str) -> None:
    assert is_event_name(name)
    assert read_event_name(name) == name


@pytest.mark.parametrize("name", ["", "ab", "a" * 65, "-abc", "Abc", "a_b", "a b", "abc\n", "ａｂｃ", "../abc"])
def test_anything_else_is_refused(name: str) -> None:
    assert not is_event_name(name)
    with pytest.raises(ProtocolError, match="expected 3 to 64 lower-case letters") as refused:
        read_event_name(name)
    assert refused.value.field == "event"


def test_a_session_may_have_no_event() -> None:
    assert read_event_name(None) is None
