"""How many sessions and files one key may have open."""

import pytest

from gateway.access.admission import Admission
from gateway.access.caller import Caller
from gateway.access.key_slots import KeySlots
from gateway.errors import ConcurrencyLimited

LIMITS = {"studio": 2, "other": 1}


@pytest.fixture
def slots() -> KeySlots:
    return KeySlots(lambda caller: LIMITS.get(caller.name or ""))


def test_one_more_than_the_limit_is_refused_until_one_has_ended(slots: KeySlots) -> None:
    studio = Caller("studio")
    with slots.hold(studio):
        with slots.hold(studio):
            with (
                pytest.raises(ConcurrencyLimited, match=r"2 sessions and files of studio are open \(limit 2\)"),
                slots.hold(studio),
            ):
                pass
            with slots.hold(Caller("other")):
                pass
        with slots.hold(studio):
            pass


def test_sessions_and_files_of_a_key_are_counted_together(slots: KeySlots) -> None:
    live, files = Admission(10, "sessions", key_slots=slots), Admission(10, "files", key_slots=slots)
    other = Caller("other")
    with live.enter(other):
        with pytest.raises(ConcurrencyLimited), files.enter(other):
            pass
        assert files.open == 0, "a refused file takes no slot"
    with files.enter(other):
        pass


def test_callers_without_a_key_or_a_limit_are_not_limited(slots: KeySlots) -> None:
    for caller in (Caller(None), Caller("free")):
        with slots.hold(caller), slots.hold(caller), slots.hold(caller):
            pass
