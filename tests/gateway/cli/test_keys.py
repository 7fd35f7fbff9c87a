"""`livecue keys`, as a user meets it."""

import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.cli.main import app
from gateway.sqlite import StateDatabase


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state.db"
    monkeypatch.setenv("LIVECUE_STATE__DATABASE", str(path))
    return path


def keys(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def done(*arguments: str) -> str:
    result = keys(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def listed() -> list[list[str]]:
    return [re.split(r"  +", line) for line in done("list").splitlines()]


def test_create_prints_the_key_alone_and_warns_that_it_cannot_be_displayed_again() -> None:
    result = keys("create", "demo")
    assert result.exit_code == 0
    assert re.fullmatch(r"lc_[A-Za-z0-9_-]{32,}\n", result.stdout)
    assert "cannot be displayed again" in result.stderr


def test_list_shows_everything_but_the_key() -> None:
    first = done("create", "first").strip()
    second = done("create", "second", "--requests-per-minute", "60", "--credit-seconds", "90").strip()
    output = done("list")
    assert first not in output
    assert second not in output
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    headings, *rows = listed()
    assert headings == ["name", "created", "key", "requests/min", "credit left", "used"]
    assert [[row[0], row[1][:10], *row[2:]] for row in rows] == [
        ["first", today, f"…{first[-4:]}", "any", "any", "0.0 s"],
        ["second", today, f"…{second[-4:]}", "60", "90.0 s", "0.0 s"],
    ]


def test_list_shows_what_is_left_and_what_was_used(path: Path) -> None:
    done("create", "demo", "--credit-seconds", "90")
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        KeyStore(database).charge({"demo": 60.5})
    assert listed()[1][4:] == ["29.5 s", "60.5 s"]
    done("grant", "demo", "10")
    assert listed()[1][4:] == ["39.5 s", "60.5 s"]


def test_a_revoked_key_is_not_listed() -> None:
    done("create", "first")
    done("create", "second")
    done("revoke", "first")
    assert [row[0] for row in listed()] == ["name", "second"]


def test_list_makes_no_database(path: Path) -> None:
    assert len(listed()) == 1
    assert not path.exists()


def test_the_database_of_the_settings_is_used_unless_another_is_named(tmp_path: Path, path: Path) -> None:
    config = tmp_path / "livecue.toml"
    config.write_text(f'[server]\nport = 1\n[state]\ndatabase = "{tmp_path / "file.db"}"\n')
    done("create", "of-option", "--database", str(tmp_path / "option.db"))
    assert not path.exists()
    done("create", "of-environment", "--config", str(config))  # the environment beats the file
    assert [row[0] for row in listed()] == ["name", "of-environment"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "no spaces"), "1 to 64 letters"),
        (("create", "demo"), "a key has, or had, that name"),
        (("create", "new", "--credit-seconds", "-1"), "--credit-seconds = -1: expected a number from 0"),
        (("create", "new", "--credit-seconds", "nan"), "--credit-seconds = nan"),
        (("create", "new", "--requests-per-minute", "0"), "--requests-per-minute"),
        (("create", "new", "--config", "missing.toml"), "missing.toml"),
        (("revoke", "nobody"), "no such key; existing: demo"),
        (("grant", "nobody", "5"), "no such key; existing: demo"),
        (("grant", "demo", "5"), "credit of this key is unlimited"),
        (("grant", "demo", "0"), "SECONDS = 0: expected a number above 0"),
        (("grant", "demo", "inf"), "SECONDS = inf"),
    ],
)
def test_a_mistake_is_named_and_the_exit_code_is_2(arguments: tuple[str, ...], message: str) -> None:
    done("create", "demo")
    result = keys(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert [row[0] for row in listed()] == ["name", "demo"]


def test_a_database_that_cannot_be_used_is_named_and_the_exit_code_is_1(path: Path) -> None:
    path.write_text("these are no tables\n" * 100)
    result = keys("list")
    assert result.exit_code == 1
    assert result.stderr.strip() == f"livecue: state.database = {str(path)!r}: it is not a SQLite database"
