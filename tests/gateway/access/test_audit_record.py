"""One line of the audit log."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.access.audit_record import AuditEvent, actor_of, audit_line
from gateway.access.caller import Caller


def test_a_line_has_who_did_what_when_and_from_where() -> None:
    line = audit_line(AuditEvent.SESSION_DELETED, 1_800_000_000.0625, "key:ops", "192.0.2.7", {"session": "abc"})
    assert line == (
        b'{"time": "2027-01-15T08:00:00.062Z", "event": "session.deleted", "actor": "key:ops", '
        b'"address": "192.0.2.7", "session": "abc"}\n'
    )


def test_an_actor_is_a_key_a_subject_or_nobody_known() -> None:
    assert actor_of(Caller("studio")) == "key:studio"
    assert actor_of(Caller("oidc:alice")) == "oidc:alice"
    assert actor_of(Caller(None)) == "anonymous"


@given(st.text(), st.text() | st.none())
def test_whatever_a_client_sends_stays_in_one_line_of_bounded_length(text: str, address: str | None) -> None:
    line = audit_line("session.opened", 0.0, text * 50, address, {"session": text})
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert len(line) < 8_000
    assert json.loads(line)["session"] == text[:200]
