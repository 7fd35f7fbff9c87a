"""Scopes, as they are written and as they contain each other."""

import pytest

from gateway.access.scopes import ALL_SCOPES, DEFAULT_SCOPES, Scope, allows, parse_scopes, scopes_text
from gateway.access_settings import OidcSettings
from gateway.errors import ConfigurationError


def test_names_of_scopes_are_read_in_any_order_and_written_in_one() -> None:
    assert parse_scopes(["read", " ingest ", "read"]) == {Scope.READ, Scope.INGEST}
    assert scopes_text(frozenset({Scope.READ, Scope.INGEST})) == "ingest,read"
    assert parse_scopes(scopes_text(ALL_SCOPES).split(",")) == ALL_SCOPES


@pytest.mark.parametrize(
    ("names", "message"), [(["write"], "'write'.*ingest, read, delete, sinks, admin"), ([], "no scope")]
)
def test_an_unknown_scope_and_no_scope_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_scopes(names)


def test_admin_contains_delete_and_nothing_contains_admin() -> None:
    admin = frozenset({Scope.ADMIN})
    assert {scope for scope in Scope if allows(admin, scope)} == {Scope.ADMIN, Scope.DELETE}
    assert not allows(DEFAULT_SCOPES, Scope.ADMIN)
    assert {scope for scope in Scope if allows(frozenset({Scope.DELETE}), scope)} == {Scope.DELETE}


def test_the_settings_map_claims_to_each_scope_and_to_no_other() -> None:
    assert {value.rpartition("=")[2] for value in OidcSettings().scope_values} == set(Scope)
