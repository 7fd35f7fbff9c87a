"""`livecue sinks`, and sinks of the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from tests.caption_services import teams, zoom

CONFIG = """
[[sinks.targets]]
name = "meeting"
url = "https://wmcc.zoom.us/closedcaption?id=1&signature=very-secret"
automatic = false
keys = ["ada"]
"""


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["sinks", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_sinks_of_the_settings_are_listed_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(CONFIG)
    listed = run("list", "--config", str(tmp_path / "a.toml"))
    assert "very-secret" not in listed
    assert all(text in listed for text in ("meeting", "zoom", "https://wmcc.zoom.us", "chosen by clients", "ada"))


def test_a_test_caption_is_sent() -> None:
    with zoom() as service:
        assert "has taken the test caption" in run("test", f"zoom+{service.url}")
    assert service.shown == ["This is a test caption of livecue."]


def test_a_refusal_is_reported_without_the_url() -> None:
    with teams() as service:
        url = f"teams+{service.url}".replace("04751eac", "very-secret")
        result = CliRunner().invoke(app, ["sinks", "test", url])
    assert result.exit_code == 1
    assert "status 401" in result.stderr
    assert "very-secret" not in result.output


def test_a_file_is_a_test_too(tmp_path: Path) -> None:
    run("test", f"file://{tmp_path}/all.txt")
    assert (tmp_path / "all.txt").read_text() == "This is a test caption of livecue.\n"


@pytest.mark.parametrize("text", ["https://example.com", "zoom"])
def test_a_sink_of_the_command_line_has_a_name(text: str) -> None:
    result = CliRunner().invoke(app, ["serve", "--print-config", "--sink", text])
    assert result.exit_code == 2
    assert "expected NAME=URL" in result.stderr


def test_sinks_of_the_command_line_are_settings() -> None:
    result = CliRunner().invoke(app, ["serve", "--print-config", "--sink", "text=file:///tmp/a.txt"])
    assert result.exit_code == 0, result.output
    assert 'name = "text"' in result.output
    assert "url is set, but not displayed" in result.output
