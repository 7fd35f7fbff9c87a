"""One settings tree: command line > environment > file > default."""

import os
import traceback
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from decoder.settings import PlannerSettings
from gateway.errors import ConfigurationError
from gateway.settings import Settings, load_settings

SECRET = "silence-4711"

Overrides = Mapping[str, Mapping[str, object]]

GROUPS = {name: type(field.default) for name, field in Settings.model_fields.items()}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.upper().startswith("LIVECUE_"):
            monkeypatch.delenv(variable)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "livecue.toml"


def refusal(file: Path | None = None, overrides: Overrides | None = None) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(overrides, file)
    return str(refused.value)


def keys(settings: Settings) -> list[str]:
    return [key.get_secret_value() for key in settings.server.api_keys]


# --- where values come from -----------------------------------------------------------------------------------------


def test_without_any_source_each_group_has_its_defaults() -> None:
    settings = load_settings()
    for name, group in GROUPS.items():
        assert getattr(settings, name) == group()


def test_the_command_line_beats_the_environment_which_beats_the_file(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    file.write_text('[server]\nport = 3\nhost = "file"\nmax_sessions = 30\n')
    monkeypatch.setenv("LIVECUE_SERVER__PORT", "2")
    monkeypatch.setenv("LIVECUE_SERVER__HOST", "environment")
    server = load_settings({"server": {"port": 1}}, file).server
    assert (server.port, server.host, server.max_sessions, server.log_level) == (1, "environment", 30, "info")


def test_each_source_may_set_another_key_of_another_group(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    file.write_text("[segmenter]\nsilence_ms = 700\n")
    monkeypatch.setenv("LIVECUE_STABILISER__AGREEMENT", "4")
    settings = load_settings({"session": {"idle_timeout_s": 10}}, file)
    assert settings.segmenter.silence_ms == 700
    assert settings.stabiliser.agreement == 4
    assert settings.session.idle_timeout_s == 10.0


def test_variables_may_be_written_in_small_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("livecue_session__idle_timeout_s", "10")
    assert load_settings().session.idle_timeout_s == 10.0


def test_two_loads_do_not_know_of_each_other(file: Path) -> None:
    file.write_text("[server]\nport = 1\n")
    assert load_settings(file=file).server.port == 1
    assert load_settings().server.port == 8000


@pytest.mark.parametrize("written", ["1,2.5", " 1, 2.5 "])
def test_a_list_is_separated_by_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("LIVECUE_PLANNER__BUCKET_EDGES_S", written)
    assert load_settings().planner.bucket_edges_s == (1.0, 2.5)


def test_a_list_is_a_list_in_the_file_and_on_the_command_line(file: Path) -> None:
    file.write_text("[planner]\nbucket_edges_s = [1, 2.5]\n")
    assert load_settings(file=file).planner.bucket_edges_s == (1.0, 2.5)
    assert load_settings({"planner": {"bucket_edges_s": (3.0,)}}, file).planner == PlannerSettings((3.0,))


def test_api_keys_are_separated_by_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SERVER__API_KEYS", f" {SECRET}, other,, ")
    assert keys(load_settings()) == [SECRET, "other"]


def test_api_keys_are_a_list_in_the_file(file: Path) -> None:
    file.write_text(f'[server]\napi_keys = ["{SECRET}", "other"]\n')
    assert keys(load_settings(file=file)) == [SECRET, "other"]


def test_no_api_keys_are_no_api_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SERVER__API_KEYS", "")
    assert keys(load_settings()) == []


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_an_unknown_key_is_refused_in_every_source_naming_those_there_are(
    monkeypatch: pytest.MonkeyPatch, file: Path, group: str
) -> None:
    allowed = ", ".join(field.name for field in fields(GROUPS[group]))
    expected = f"{group}.nope: no such setting; {group} has {allowed}"
    assert refusal(overrides={group: {"nope": 1}}) == expected
    file.write_text(f"[{group}]\nnope = 1\n")
    assert refusal(file) == expected
    monkeypatch.setenv(f"LIVECUE_{group.upper()}__NOPE", "1")
    assert refusal() == expected


def test_an_unknown_group_is_refused_in_every_source_naming_those_there_are(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    expected = f"nope: no such group; groups are {', '.join(GROUPS)}"
    assert refusal(overrides={"nope": {"port": 1}}) == expected
    file.write_text("[nope]\nport = 1\n")
    assert refusal(file) == expected
    monkeypatch.setenv("LIVECUE_NOPE__PORT", "1")
    assert refusal().startswith("LIVECUE_NOPE__PORT: no such setting; groups are LIVECUE_SERVER__…, LIVECUE_SESSION__…")


def test_a_variable_with_a_single_underscore_is_not_taken_for_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SERVER_PORT", "1")
    assert refusal().startswith("LIVECUE_SERVER_PORT: no such setting")


@pytest.mark.parametrize(
    ("group", "key", "value", "allowed"),
    [
        ("server", "port", "many", "integer"),
        ("server", "port", 99_999, "65535"),
        ("server", "max_sessions", 0, "1"),
        ("server", "insecure", "perhaps", "boolean"),
        ("session", "idle_timeout_s", "long", "number"),
        ("session", "idle_timeout_s", 0, "greater than 0"),
        ("session", "outbox_max_events", 0, "1"),
        ("engine", "max_batch", 0, "at least 1"),
        ("engine", "final_beam_size", 0, "at least 1"),
        ("engine", "workers", -1, "at least 0"),
        ("engine", "cpu_threads", -1, "at least 0"),
        ("planner", "max_wait_s", -1, "at least 0"),
        ("planner", "bucket_edges_s", (5, 1), "ascending"),
        ("scheduler", "decode_timeout_s", 0, "more than 0"),
        ("scheduler", "failures_until_unready", 0, "at least 1"),
        ("stabiliser", "agreement", 0, "at least 1"),
        ("segmenter", "pause_ms", 99_999, "1–2000"),
    ],
)
def test_a_wrong_value_is_refused_naming_key_value_and_what_is_allowed(
    group: str, key: str, value: object, allowed: str
) -> None:
    message = refusal(overrides={group: {key: value}})
    assert message.startswith(group)
    assert key in message
    assert allowed in message
    for part in value if isinstance(value, tuple) else (value,):
        assert str(part) in message


def test_a_wrong_value_in_a_list_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_PLANNER__BUCKET_EDGES_S", "1,two")
    assert refusal().startswith("planner.bucket_edges_s.1 = 'two': ")


def test_all_errors_are_reported_at_once() -> None:
    message = refusal(overrides={"server": {"port": -1, "nope": 1}, "stabiliser": {"agreement": "x"}})
    assert [line.partition(":")[0] for line in message.splitlines()] == [
        "server.port = -1",
        "server.nope",
        "stabiliser.agreement = 'x'",
    ]


def test_a_missing_file_is_refused(file: Path) -> None:
    assert refusal(file) == f"config {file}: no such file"


@pytest.mark.parametrize("content", [b"[server\n", b"port = \xff\n"])
def test_a_file_that_is_no_toml_is_refused_by_name(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert refusal(file).startswith(f"config {file}: ")


def test_a_group_that_is_no_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SERVER", "8000")
    assert refusal().startswith("server: ")
    monkeypatch.setenv("LIVECUE_SERVER", "not json")
    assert "server" in refusal()


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(FrozenInstanceError):
        settings.server.port = 1  # type: ignore[misc]  # this is the mistake the test makes
    with pytest.raises(ValidationError, match="frozen"):
        settings.server = settings.server


# --- secrets --------------------------------------------------------------------------------------------------------


def test_api_keys_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_SERVER__API_KEYS", SECRET)
    settings = load_settings()
    assert SECRET not in f"{settings} {settings!r} {settings.server}"
    assert SECRET not in f"{settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "content",
    [
        f'server = "{SECRET}"',
        f'server = ["{SECRET}"]',
        f'[server]\napi_keys = [["{SECRET}"]]',
        f'[server]\napi_keys = {{ key = "{SECRET}" }}',
        f'[server]\napi_keys = ["{SECRET}", 7]',
        f'[server]\napi_keys = ["{SECRET}"]\nport = -1',
        f'[server]\napi_keys = ["{SECRET}"]\nnope = 1',
        f'[server]\napi_kyes = ["{SECRET}"]',
        f'api_keys = ["{SECRET}"]',
        f'[server]\napi_keys = "{SECRET}',
    ],
)
def test_no_refusal_shows_an_api_key_not_even_its_traceback(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(file=file)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIVECUE_SERVER__API_KEYS__FIRST", SECRET),
        ("LIVECUE_SERVER__API_KEY", SECRET),
        ("LIVECUE_SERVER_API_KEYS", SECRET),
        ("LIVECUE_API_KEYS", SECRET),
        ("LIVECUE_SERVER", SECRET),
        ("LIVECUE_SERVER", f'{{"api_keys": ["{SECRET}"], "port": -1}}'),
        ("LIVECUE_SERVER", f'["{SECRET}"]'),
    ],
)
def test_no_refused_variable_shows_an_api_key(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_the_key_a_client_sends_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVECUE_API_KEY", SECRET)
    assert load_settings().server.api_keys == ()


def test_an_empty_api_key_is_refused_for_it_would_let_everybody_in(file: Path) -> None:
    file.write_text('[server]\napi_keys = [""]\n')
    assert refusal(file).startswith("server.api_keys.0: ")


@pytest.mark.parametrize("url", ["http://user:hidden@127.0.0.1", "redis://", "rediss:///0"])
def test_an_address_of_redis_that_is_wrong_is_not_displayed(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^journal\.url: expected redis://HOST:PORT or rediss") as refused:
        load_settings({"journal": {"url": url}})
    assert "hidden" not in str(refused.value)
