"""`livecue bench` as a command: its default command, its questions, and its files."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from clients.bench import result as results
from clients.bench.reference import Reference
from clients.bench.result import Capacity, Machine, Result, Server, Tool
from clients.bench.trace import StreamTrace
from gateway.cli import bench
from gateway.cli.bench_run import Exit
from gateway.cli.main import app
from tests.clients.bench.measuring import run_of
from tests.gateway.cli.test_bench_run import plan

REFERENCES = {"talk": Reference("talk", None, 10.0, ())}
RESULT = Result(
    "2026-01-01T00:00:00+00:00",
    Tool("livecue bench", "1", "3", ()),
    Machine("", "", 1, 0),
    Server("server", "ws://x", "native"),
    results.Testset("fake", (), "", "", ""),
    [run_of([StreamTrace(0, "talk", 10.0)], REFERENCES)],
)

runner = CliRunner()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let the command measure nothing; return what it asked for."""
    asked: list[object] = []

    async def run(of: object, play: object, watch: object) -> Result:
        return RESULT

    def made(options: object) -> object:
        asked.append(options)
        return plan()

    monkeypatch.setattr(bench, "make_plan", made)
    monkeypatch.setattr(bench, "run_plan", run)
    monkeypatch.setattr(bench, "print_summary", lambda result, console: console.print(result.server.name))
    return asked


def test_a_url_is_measured_without_the_name_of_a_command(measured: list[object], tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    done = runner.invoke(
        app,
        ["bench", "ws://x", "--audio", "a", "-n", "1,2", "--cut-every", "20s", "--yes", "--json", str(file)],
    )
    assert done.exit_code == Exit.MET, done.output
    [options] = measured
    assert getattr(options, "counts", None) == (1, 2)
    assert getattr(options, "cut_every_s", None) == 20.0
    assert '"schema": "livecue-bench/1"' in file.read_text()
    assert "server" in done.output


def test_options_may_come_before_the_url(measured: list[object]) -> None:
    done = runner.invoke(app, ["bench", "--yes", "--audio", "a", "ws://x"])
    assert done.exit_code == Exit.MET, done.output


def test_a_folder_that_is_not_there_is_refused_before_the_runs(measured: list[object], tmp_path: Path) -> None:
    done = runner.invoke(app, ["bench", "ws://x", "--audio", "a", "--json", str(tmp_path / "no" / "r.json")])
    assert done.exit_code == Exit.USAGE
    assert measured == []


def test_a_service_elsewhere_is_not_sent_audio_where_nobody_can_be_asked(measured: list[object]) -> None:
    done = runner.invoke(app, ["bench", "wss://asr.example.org", "--audio", "a"])
    assert done.exit_code == Exit.USAGE
    assert "0.5 minutes of audio in up to 2 streams" in done.output
    assert "--yes" in done.output


def test_results_are_compared_and_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[object] = []
    other = msgspec.structs.replace(RESULT, server=msgspec.structs.replace(RESULT.server, name="other"))
    monkeypatch.setattr(bench, "read_results", lambda paths: [RESULT, other, RESULT])
    monkeypatch.setattr(bench, "print_summary", lambda result, console: console.print(result.server.name))
    monkeypatch.setattr(bench, "write_html", lambda results, path: written.append((len(results), path.name)))
    done = runner.invoke(app, ["bench", "report", "a.json", "b.json", "c.json", "--html", str(tmp_path / "r.html")])
    assert (done.exit_code, done.output.split(), written) == (0, ["server", "other"], [(2, "r.html")])


def test_the_search_needs_a_condition() -> None:
    done = runner.invoke(app, ["bench", "ws://x", "--audio", "a", "--find-capacity"])
    assert done.exit_code == Exit.USAGE
    assert "--slo" in done.output


def test_help_names_the_other_commands() -> None:
    done = runner.invoke(app, ["bench", "--help"])
    assert all(command in done.output for command in ("prepare", "report", "self-test"))


def test_the_capacity_is_part_of_the_exit_code(measured: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    async def run(of: object, play: object, watch: object) -> Result:
        return msgspec.structs.replace(RESULT, capacity=Capacity([], 0, ()))

    monkeypatch.setattr(bench, "run_plan", run)
    assert runner.invoke(app, ["bench", "ws://x", "--audio", "a", "--yes"]).exit_code == Exit.NOT_MET
