"""Callers, and whose sessions are theirs."""

from gateway.access.caller import Caller
from gateway.access.scopes import Scope


def test_a_callers_sessions_belong_to_it_or_to_the_owner_that_it_shares() -> None:
    assert Caller("studio").owner == "studio"
    assert Caller("player", shared_owner="studio").owner == "studio"
    assert Caller(None).owner is None


def test_only_admin_sees_the_sessions_of_others_and_by_default_a_caller_may_do_nothing() -> None:
    assert Caller("ops", scopes=frozenset({Scope.ADMIN})).sees_all
    assert not Caller("studio", scopes=frozenset(Scope) - {Scope.ADMIN}).sees_all
    assert not Caller(None).sees_all
