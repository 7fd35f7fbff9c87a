"""`livecue keys`, as a user meets it."""

import json
import re
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.api_keys import digest_of
from gateway.access.terms import Terms
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
    assert headings[3:7] == ["scopes", "expires", "from", "open at once"]
    assert headings[:3] + headings[7:] == ["name", "created", "key", "requests/min", "credit left", "used"]
    limits = ["ingest,read,delete", "never", "any", "any"]
    assert [[row[0], row[1][:10], *row[2:]] for row in rows] == [
        ["first", today, f"…{first[-4:]}", *limits, "any", "any", "0.0 s"],
        ["second", today, f"…{second[-4:]}", *limits, "60", "90.0 s", "0.0 s"],
    ]


def test_list_shows_what_is_left_and_what_was_used(path: Path) -> None:
    done("create", "demo", "--credit-seconds", "90")
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        KeyStore(database).charge({"demo": 60.5})
    assert listed()[1][8:] == ["29.5 s", "60.5 s"]
    done("grant", "demo", "10")
    assert listed()[1][8:] == ["39.5 s", "60.5 s"]


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
        (("create", "new", "--scopes", "write"), "expected one or more of ingest, read, delete, sinks, admin"),
        (("create", "new", "--expires", "soon"), "--expires 'soon': expected never, a duration such as 90d"),
        (("create", "new", "--from", "example.com"), "expected an IP address"),
        (("create", "new", "--owner", "static-1"), "1 to 64 letters"),
        (("create", "new", "--max-open", "-1"), "--max-open"),
        (("change", "nobody", "--scopes", "read"), "no such key; existing: demo"),
        (("rotate", "nobody"), "no such key; existing: demo"),
        (("rotate", "demo", "--overlap", "1 day"), "expected a duration such as 30m"),
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


# --- terms ----------------------------------------------------------------------------------------------------------


def test_a_key_has_the_terms_of_its_options_and_change_leaves_what_is_not_given() -> None:
    done(
        "create",
        "demo",
        "--scopes",
        "read,ingest",
        "--expires",
        "2999-01-31",
        "--from",
        "192.0.2.7,::1",
        "--max-open",
        "2",
    )
    assert listed()[1][3:7] == ["ingest,read", "2999-01-31 00:00 UTC", "192.0.2.7/32,::1/128", "2"]
    done("change", "demo", "--scopes", "admin")
    assert listed()[1][3:7] == ["admin", "2999-01-31 00:00 UTC", "192.0.2.7/32,::1/128", "2"]
    done("change", "demo", "--expires", "never", "--from", "any", "--max-open", "0")
    assert listed()[1][3:7] == ["admin", "never", "any", "any"]


def test_an_expired_key_is_listed_as_such(path: Path) -> None:
    done("create", "demo")
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        KeyStore(database).change("demo", Terms(expires_s=1.0))
    assert listed()[1][4] == "expired"


def test_rotate_prints_the_new_key_alone_and_keeps_the_present_one_for_the_overlap(path: Path) -> None:
    first = done("create", "demo").strip()
    second = done("rotate", "demo", "--overlap", "1h").strip()
    assert re.fullmatch(r"lc_[A-Za-z0-9_-]{32,}", second)
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        key = KeyStore(database).find("demo").key
    now_s = time.time()
    assert [key.has_digest(digest_of(secret), now_s) for secret in (first, second)] == [True, True]
    assert [key.has_digest(digest_of(secret), now_s + 3_600) for secret in (first, second)] == [False, True]
    done("rotate", "demo")
    with closing(StateDatabase(path, (KEYS_SCHEMA,))) as database:
        key = KeyStore(database).find("demo").key
    assert not any(key.has_digest(digest_of(secret), time.time()) for secret in (first, second))


# --- the audit log --------------------------------------------------------------------------------------------------


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "audit.jsonl"
    monkeypatch.setenv("LIVECUE_AUDIT__PATH", str(path))
    monkeypatch.setattr("gateway.cli.auditing.getpass.getuser", lambda: "ada")
    return path


def test_who_changed_which_key_is_recorded_without_the_key(audit: Path) -> None:
    secrets = [done("create", "demo", "--credit-seconds", "5").strip(), done("rotate", "demo").strip()]
    done("change", "demo", "--scopes", "read")
    done("grant", "demo", "60")
    done("revoke", "demo")
    assert keys("revoke", "demo").exit_code == 2
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [line["event"] for line in lines] == [
        "key.created",
        "key.rotated",
        "key.changed",
        "key.granted",
        "key.revoked",
    ]
    assert {(line["actor"], line["address"], line["key"]) for line in lines} == {("user:ada", None, "demo")}
    assert lines[2]["scopes"] == "read"
    assert not any(secret in audit.read_text() for secret in secrets)


def test_a_log_that_cannot_be_written_is_a_warning_unless_it_is_required(
    audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit.mkdir()
    result = keys("create", "demo")
    assert result.exit_code == 0
    assert "not recorded in the audit log" in result.stderr
    monkeypatch.setenv("LIVECUE_AUDIT__REQUIRED", "true")
    result = keys("revoke", "demo")
    assert result.exit_code == 2
    assert "audit.path" in result.stderr
    assert len(listed_without_log(monkeypatch)) == 2, "it is still there"


def listed_without_log(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    monkeypatch.delenv("LIVECUE_AUDIT__REQUIRED")
    return listed()


def test_a_user_without_a_name_is_recorded_all_the_same(audit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000650000")

    monkeypatch.setattr("gateway.cli.auditing.getpass.getuser", nobody)
    done("create", "demo")
    assert json.loads(audit.read_text())["actor"] == "user:unknown"
