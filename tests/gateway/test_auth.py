"""Who may connect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import KeyRing
from gateway.errors import Unauthorized

RING = KeyRing(["first-key", "second-key"])


@pytest.mark.parametrize("header", ["Bearer first-key", "Bearer second-key", "bearer first-key", "BEARER   first-key "])
def test_each_known_key_opens(header: str) -> None:
    RING.check(header)


@pytest.mark.parametrize("header", [None, "", "first-key", "Basic first-key", "Bearerfirst-key", " Bearer first-key"])
def test_a_request_without_a_bearer_key_is_told_how_to_send_one(header: str | None) -> None:
    with pytest.raises(Unauthorized, match="Authorization: Bearer KEY"):
        RING.check(header)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer first-ke", "Bearer first-key,second-key", "Bearer é"])
def test_a_wrong_key_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized, match="not known"):
        RING.check(header)


@pytest.mark.parametrize("header", [None, "", "Bearer anything"])
def test_without_keys_everybody_may_connect(header: str | None) -> None:
    KeyRing([]).check(header)


@given(st.text())
def test_a_refusal_never_repeats_what_was_sent(key: str) -> None:
    secret = f"sk-{key}"
    with pytest.raises(Unauthorized) as refused:
        RING.check(f"Bearer {secret}")
    assert secret not in str(refused.value)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1))
def test_any_key_without_spaces_can_be_used(key: str) -> None:
    KeyRing(["other", key]).check(f"Bearer {key}")
