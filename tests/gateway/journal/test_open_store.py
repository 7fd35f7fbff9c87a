"""Which store the settings name."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.errors import ConfigurationError
from gateway.journal.open_store import make_store, owned_store, store_name
from gateway.settings import JournalSettings

URL = SecretStr("redis://user:secret@127.0.0.1:1")


@pytest.mark.parametrize("changes", [{"record": True}, {"database": Path("journal.db")}])
def test_settings_of_a_file_contradict_redis(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=r"journal\.(record|database): not with journal\.url"):
        make_store(JournalSettings(url=URL, **changes))  # type: ignore[arg-type]


def test_redis_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.open_store.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"livecue\[redis\]"):
        make_store(JournalSettings(url=URL))


def test_a_file_belongs_to_one_gateway_and_a_shared_journal_to_all(tmp_path: Path) -> None:
    settings = JournalSettings(database=tmp_path / "journal.db")
    with owned_store(settings) as store:
        assert not store.is_shared
        with pytest.raises(ConfigurationError, match="in use by"), owned_store(settings):
            pass
    assert store_name(settings) == tmp_path / "journal.db"


def test_the_log_does_not_name_the_password() -> None:
    assert store_name(JournalSettings(url=URL)) == "redis"
