"""Settings as a file and as a page: complete, documented, and read back unchanged."""

import tomllib
from dataclasses import fields, is_dataclass
from itertools import pairwise
from math import inf
from pathlib import Path

import pytest

from gateway.settings import Settings, load_settings
from gateway.settings_reference import settings_page, to_toml
from tools.settings_page import PAGE

UPSTREAM = {"base_url": "https://api.example.com/v1", "model": 'odd "name"\\', "price_per_minute": 0.006}

Overrides = dict[str, dict[str, object]]


def read_back(settings: Settings, folder: Path) -> Settings:
    (folder / "settings.toml").write_text(to_toml(settings), encoding="utf-8")
    return load_settings(file=folder / "settings.toml")


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"journal": {"retention_days": inf}, "session": {"lag_limit_s": inf, "languages": "en,es"}},
        {"engine": {"name": "upstream", "upstreams": [UPSTREAM, UPSTREAM], "pool": {"partials": "upstream"}}},
        {"engine": {"model": "/models/größer\x7f"}, "state": {"database": "/var/lib/livecue/state.db"}},
    ],
)
def test_printed_settings_are_read_back_unchanged(overrides: Overrides, tmp_path: Path) -> None:
    settings = load_settings(overrides)
    again = read_back(settings, tmp_path)
    for name in Settings.model_fields:
        assert getattr(again, name) == getattr(settings, name)


def test_secrets_are_left_out(tmp_path: Path) -> None:
    secrets: Overrides = {
        "server": {"api_keys": "one-hidden,other-hidden"},
        "telephony": {"twilio_auth_token": "hidden"},
        "journal": {"url": "redis://user:hidden@127.0.0.1", "password": "hidden"},
    }
    text = to_toml(load_settings(secrets))
    assert "hidden" not in text
    assert "# api_keys is set, but not displayed" in text
    assert "api_keys" not in tomllib.loads(text)["server"]


def test_every_setting_is_explained_with_its_unit() -> None:
    lines = to_toml(load_settings()).splitlines()
    unexplained = [line for before, line in pairwise(lines) if " = " in line and before[:2] != "# "]
    assert unexplained == []
    place = next(number for number, line in enumerate(lines) if line.startswith("idle_timeout_s = "))
    assert lines[place - 1].endswith("[seconds]")


def test_a_rate_is_not_a_duration() -> None:
    assert "| `syllables_per_s` | `12.0` per second |" in settings_page()


def test_the_page_names_every_setting() -> None:
    page = settings_page()
    for group, field in Settings.model_fields.items():
        assert f"## {group}\n" in page
        for setting in fields(field.default):
            if not is_dataclass(getattr(field.default, setting.name)):
                assert f"| `{setting.name}` | " in page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "make settings"
