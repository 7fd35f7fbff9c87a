"""`livecue check`, as a user meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app

GOOD = "1\n00:00:01,000 --> 00:00:03,000\nGood morning.\n\n"
FAST = "1\n00:00:31,400 --> 00:00:32,400\nGood morning to all of you.\n\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.srt"
    path.write_text(GOOD)
    return path


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_good_subtitles_pass(file: Path) -> None:
    result = check(file, "--profile", "netflix", "--language", "en")
    assert (result.exit_code, result.stdout) == (0, f"{file}: 1 subtitles, no broken rules, profile netflix\n")


def test_each_broken_rule_is_named_with_its_subtitle_and_time(file: Path) -> None:
    file.write_text(FAST)
    result = check(file, "--profile", "netflix")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{file}: subtitle 1 at 00:00:31.400: reading_speed: 27.0 characters/s; allowed: at most 20",
        f"{file}: 1 subtitles, 1 broken rules (1 reading_speed), profile netflix",
    ]


def test_json_has_the_same(file: Path) -> None:
    file.write_text(FAST)
    result = check(file, "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)["files"]
    assert report == {
        "file": str(file),
        "profile": "web",
        "subtitles": 1,
        "problem": None,
        "counts": {"reading_speed": 1},
        "breaches": [
            {
                "rule": "reading_speed",
                "number": 1,
                "start_s": 31.4,
                "got": "27.0 characters/s",
                "allowed": "at most 17",
            }
        ],
    }


def test_a_file_that_cannot_be_read_stops_no_other(file: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.vtt").write_text("no header")
    result = check(tmp_path / "missing.srt", tmp_path / "broken.vtt", file)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{tmp_path / 'missing.srt'}: No such file or directory",
        f"{tmp_path / 'broken.vtt'}: line 1: expected WEBVTT",
        f"{file}: 1 subtitles, no broken rules, profile web",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("talk.txt",), "talk.txt: expected one of .srt, .vtt, .ass, .ttml, .dfxp, .xml, .scc"),
        (("talk.srt", "--profile", "cinema"), "unknown cue profile 'cinema': expected one of web, live"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: tuple[str, ...], message: str) -> None:
    result = check(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
