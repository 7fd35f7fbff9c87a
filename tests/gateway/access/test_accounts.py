"""The accounts of keys from the settings and from the database."""

from gateway.access.accounts import Accounts
from gateway.access.api_keys import Key, digest_of
from gateway.access.caller import Caller
from gateway.access.scopes import ALL_SCOPES, DEFAULT_SCOPES


def test_there_is_no_account_before_there_is_a_key() -> None:
    accounts = Accounts()
    assert accounts.is_empty
    assert accounts.with_digest(digest_of("secret"), 0.0) is None
    assert accounts.named("static-1") is None


def test_a_key_removed_from_the_settings_is_revoked_and_comes_back_with_its_name() -> None:
    accounts = Accounts()
    accounts.replace_static(["one", "two"], 0.0)
    accounts.replace_static(["two"], 1.0)
    first = accounts.with_digest(digest_of("one"), 0.0)
    assert first is not None
    assert first.key.is_revoked
    assert accounts.active == 1
    accounts.replace_static(["two", "one"], 2.0)
    assert accounts.active == 2
    assert accounts.with_digest(digest_of("one"), 0.0) is first
    assert first.key.terms.scopes == ALL_SCOPES
    assert accounts.of(Caller("static-1")) is first
    assert accounts.of(Caller(None)) is None


def test_usage_written_to_the_database_is_no_longer_unwritten() -> None:
    accounts = Accounts()
    digest = digest_of("stored")
    accounts.update_stored(Key("ada", digest, credit_s=10.0), 0.0, 0.0)
    account = accounts.named("ada")
    assert account is not None
    account.spend(4.0)
    assert accounts.unwritten_s() == {"ada": 4.0}
    accounts.update_stored(Key("ada", digest, credit_s=10.0, used_s=4.0), 1.0, 4.0)
    assert accounts.unwritten_s() == {}
    assert account.left_s == 6.0
    assert accounts.has_stored
    assert account.key.terms.scopes == DEFAULT_SCOPES
