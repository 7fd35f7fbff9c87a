"""`livecue sessions`, as a user meets it."""

import json
import re
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.journal.journal_file import JournalFile
from gateway.journal.open_store import make_store
from gateway.journal.recording import recordings_folder
from gateway.journal.store import Batch, Change, Opening
from gateway.wire import Finished, OfChannel, ServerEvent
from tests.events import final, final_cue, ready
from tests.redis_servers import redis_server

OPENED_S = 1_764_000_000.0
FIRST, SECOND = "0123456789abcdef", "0123456799abcdef"


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "journal.db"
    monkeypatch.setenv("LIVECUE_JOURNAL__DATABASE", str(path))
    return path


def keep(path: Path, session_id: str, *emitted: ServerEvent, ended_s: float | None = OPENED_S + 90.0) -> None:
    opening = Opening(session_id, "native", "ada", OPENED_S, {"call_id": "CA1"})
    outcome = None if ended_s is None else "finished"
    change = Change(session_id, OPENED_S + 60.0, "en", finals=1, ended_s=ended_s, outcome=outcome)
    with closing(JournalFile(path)) as store:
        events = {(session_id, seq): event for seq, event in enumerate(emitted, start=1)}
        store.write(Batch((opening,), events, (), (change,)))


def sessions(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sessions", *arguments])


def done(*arguments: str) -> str:
    result = sessions(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def listed() -> list[list[str]]:
    return [re.split(r"  +", line) for line in done("list").splitlines()]


def test_list_has_as_much_of_each_id_as_makes_it_unique(path: Path) -> None:
    keep(path, FIRST, ready())
    keep(path, SECOND, ready(), ended_s=None)
    assert listed() == [
        ["session", "opened", "length", "outcome", "dialect", "language", "finals", "key"],
        ["012345678", "2025-11-24 16:00 UTC", "0:01:30", "finished", "native", "en", "1", "ada"],
        ["012345679", "2025-11-24 16:00 UTC", "0:01:00", "open", "native", "en", "1", "ada"],
    ]


def test_list_makes_no_journal(path: Path) -> None:
    assert len(listed()) == 1
    assert not path.exists()


def test_show_prints_all_but_the_transcript(path: Path) -> None:
    keep(path, FIRST, ready(), final(2))
    recording = recordings_folder(path) / f"{FIRST}.flac"
    recording.parent.mkdir()
    recording.touch()
    lines = done("show", FIRST[:4]).splitlines()
    assert lines[0] == f"session: {FIRST}"
    assert {"outcome: finished", "complete: yes", "call_id: CA1", f"recording: {recording}"} <= set(lines)
    assert "words" not in "".join(lines)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "words 1\n"),
        (("--format", "srt"), "1\n00:00:01,006 --> 00:00:01,012\nline 1\n\n"),
        (("--format", "vtt"), "WEBVTT\n\n1.1\n00:00:01.006 --> 00:00:01.012\nline 1\n\n"),
    ],
)
def test_export_writes_the_transcript(path: Path, arguments: tuple[str, ...], text: str) -> None:
    keep(path, FIRST, ready(), final_cue(2), final(3))
    assert done("export", FIRST, *arguments) == text


def test_export_writes_json_and_every_event(path: Path) -> None:
    keep(path, FIRST, ready(), final_cue(2), final(3))
    assert done("export", FIRST, "--format", "json").startswith('[{"id": "1.1"')
    types = re.findall(r'^{"type":"(\w+)"', done("export", FIRST, "--format", "jsonl"), re.MULTILINE)
    assert types == ["ready", "cue", "final"]


def test_correct_replaces_the_text_and_prints_the_cues(path: Path) -> None:
    keep(path, FIRST, ready(), final_cue(2), final(3), Finished(4, 0, 1))
    assert done("correct", FIRST[:4], "1", "  other\twords ") == "1\n00:00:01,006 --> 00:00:01,420\nother words\n\n"
    assert done("correct", FIRST, "1", "better words").endswith("better words\n\n")
    assert done("export", FIRST) == "better words\n"
    types = re.findall(r'^{"type":"(\w+)","seq":(\d+)', done("export", FIRST, "--format", "jsonl"), re.MULTILINE)
    assert types == [("ready", "1"), ("cue", "2"), ("final", "3"), ("finished", "4"), ("correction", "6")]
    assert listed()[1][3] == "finished"


def test_correct_removes_an_utterance_and_repeats_nothing(path: Path) -> None:
    keep(path, FIRST, ready(), final_cue(2), final(3))
    for _ in range(2):
        assert done("correct", FIRST, "1", "") == ""
    assert done("export", FIRST) == ""
    assert done("export", FIRST, "--format", "jsonl").count('"correction"') == 1


def test_correct_names_the_channel(path: Path) -> None:
    keep(path, FIRST, ready(), OfChannel(0, final(2)), OfChannel(1, final(3)))
    done("correct", FIRST, "1", "right", "--channel", "1")
    assert done("export", FIRST) == "words 1\nright\n"


def test_corrections_are_in_the_audit_log_without_words(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(path, FIRST, ready(), final(2))
    log = path.with_name("audit.jsonl")
    monkeypatch.setenv("LIVECUE_AUDIT__PATH", str(log))
    for _ in range(2):
        done("correct", FIRST, "1", "secret")
    (line,) = log.read_text().splitlines()
    assert json.loads(line) | {"time": "", "actor": ""} == {
        "time": "",
        "event": "utterance.corrected",
        "actor": "",
        "address": None,
        "session": FIRST,
        "utterance": "1",
        "revision": "1",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("2", "a"), "utterance 2 has no final"),
        (("1", "a", "--channel", "0"), "utterance 1 in channel 0 has no final"),
        (("1", "a\0"), "text with the control character U+0000"),
        (("1", "x" * 2_001), "text of 2001 characters: at most 2000 allowed"),
    ],
)
def test_a_correction_that_is_not_possible_is_refused(path: Path, arguments: tuple[str, ...], message: str) -> None:
    keep(path, FIRST, ready(), final(2))
    result = sessions("correct", FIRST, *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert done("export", FIRST) == "words 1\n"


def test_a_session_that_is_open_is_corrected_over_http_only(path: Path) -> None:
    keep(path, FIRST, ready(), final(2), ended_s=None)
    result = sessions("correct", FIRST, "1", "a")
    assert result.exit_code == 2
    assert f"PUT /v1/sessions/{FIRST}/utterances/1" in result.stderr


def test_delete_takes_out_the_sessions_named_and_their_recordings(path: Path) -> None:
    for session_id in ("a1", "a2", "b1"):
        keep(path, session_id, ready())
        recording = recordings_folder(path) / f"{session_id}.flac"
        recording.parent.mkdir(exist_ok=True)
        recording.touch()
    done("delete", "a1", "b")
    assert [row[0] for row in listed()[1:]] == ["a2"]
    assert [file.name for file in recordings_folder(path).iterdir()] == ["a2.flac"]


def test_a_session_that_is_open_is_deleted_only_by_force(path: Path) -> None:
    keep(path, "a", ready())
    keep(path, "b", ready(), ended_s=None)
    result = sessions("delete", "a", "b")
    assert result.exit_code == 2
    assert "session b is open, or its gateway was killed: use --force to delete it" in result.stderr
    assert len(listed()) == 3
    done("delete", "a", "b", "--force")
    assert len(listed()) == 1


@pytest.mark.parametrize("command", ["show", "export", "delete"])
@pytest.mark.parametrize(
    ("beginning", "message"),
    [
        ("x", "session 'x': no sessions begin with that"),
        ("01", "session '01': 2 sessions begin with that; 'livecue sessions list'"),
    ],
)
def test_an_id_that_names_no_single_session_is_refused(path: Path, command: str, beginning: str, message: str) -> None:
    keep(path, FIRST, ready())
    keep(path, SECOND, ready())
    result = sessions(command, beginning)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_complete_id_suffices_even_if_another_id_starts_with_it(path: Path) -> None:
    keep(path, "ab", ready())
    keep(path, "abc", ready())
    done("delete", "ab")
    assert [row[0] for row in listed()[1:]] == ["abc"]


def test_a_journal_that_cannot_be_read_is_named_and_the_exit_code_is_1(path: Path) -> None:
    path.write_text("these are no tables\n" * 100)
    result = sessions("list")
    assert result.exit_code == 1
    assert result.stderr.strip() == f"livecue: journal.database = {str(path)!r}: it is not a SQLite database"


def test_the_sessions_of_a_shared_journal_are_listed_exported_and_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_server(tmp_path) as server:
        monkeypatch.delenv("LIVECUE_JOURNAL__DATABASE")
        monkeypatch.setenv("LIVECUE_JOURNAL__URL", server.url)

        async def write() -> None:
            store = make_store(server.settings(prefix="livecue"))
            change = Change("a", OPENED_S + 1.0, finals=1, ended_s=OPENED_S + 1.0, outcome="finished")
            await store.write(Batch([Opening("a", "native", None, OPENED_S, {})], {("a", 1): final(1)}, (), [change]))
            await store.aclose()

        anyio.run(write)
        assert "finished" in done("list")
        assert "outcome: finished" in done("show", "a")
        done("correct", "a", "1", "other words")
        assert done("export", "a") == "other words\n"
        assert "outcome: finished" in done("show", "a"), "it has ended as before"
        done("delete", "a")
        assert "finished" not in done("list")
    assert sessions("list").exit_code == 1, "it cannot be reached"
