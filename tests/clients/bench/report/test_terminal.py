"""The summary on a terminal and in a file."""

import io

import pytest
from msgspec import structs
from rich.console import Console

from clients.bench.report.terminal import capacity_text, print_summary, summary_table, summary_text
from clients.bench.result import Capacity, Result
from tests.clients.bench.results import SLOW, a_result, an_empty_result


def printed(result: Result, is_terminal: bool, width: int = 80) -> str:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=width, color_system=None)
    print_summary(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("result", [a_result(), a_result(SLOW, has_capacity=False), an_empty_result()])
def test_the_table_fits_into_a_terminal_of_80_columns(result: Result) -> None:
    text = printed(structs.replace(result, capacity=None), is_terminal=True)
    assert "…" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_row_has_the_figures_of_a_run() -> None:
    lines = printed(a_result(loads=[1], has_capacity=False), is_terminal=True).splitlines()
    run = a_result(loads=[1], has_capacity=False).runs[0]
    cells = lines[-1].split()
    assert cells[0] == "1"
    assert cells[2] == f"{run.word_shown.p50:.2f}/{run.word_shown.p95:.2f}"
    assert cells[-2:] == ["valid", "2/2"]


def test_a_file_gets_plain_text_whose_lines_are_never_broken() -> None:
    result = structs.replace(a_result(), capacity=None)
    text = printed(result, is_terminal=False, width=40)
    assert text == summary_text(result) + "\n"
    lines = text.splitlines()
    assert lines[0] == "livecue (native, tiny.en) on harbour"
    assert lines[1].split()[:3] == ["streams", "words", "wrong"]
    assert lines[-1].startswith("16 overload")


def test_an_invalid_run_is_marked() -> None:
    assert summary_text(a_result(SLOW, loads=[8], has_capacity=False)).splitlines()[-1].split()[-2] == "INVALID"


def test_what_is_withheld_is_a_dash() -> None:
    result = a_result(loads=[1], has_capacity=False)
    run = structs.replace(result.runs[0], withheld={"finals": "no times", "stability": "no partials"})
    cells = summary_text(structs.replace(result, runs=[run])).splitlines()[-1].split()
    assert cells[5:8] == ["–", "–", "–"]


def test_nothing_measured_is_a_dash() -> None:
    assert summary_text(an_empty_result()).splitlines()[-1].split() == ["1", *"–––", "–", "0/0", "0", "–", "valid", "–"]


def test_names_are_no_markup_of_the_terminal() -> None:
    result = a_result(loads=[1])
    named = structs.replace(result, server=structs.replace(result.server, name="[red]a[/red]", model=None))
    assert "[red]a[/red] (native) on harbour" in printed(named, is_terminal=True)


def test_the_capacity_follows_the_runs() -> None:
    found = Capacity(["final.p95<=1"], 3, [(2, True), (4, False), (3, True)])
    assert capacity_text(found) == "capacity: 3 streams meet final.p95<=1 (tried 2 yes, 4 no, 3 yes)"
    overloaded = structs.replace(
        found, overload_streams=6, overload_goodput=1.5, overload_refused=1, overload_finals_missing=0, recovery_s=0.25
    )
    effect = "1 streams refused, 0 finals missing, on time again: "
    overload = f"overload of 6 streams: 1.50 × the words on time at capacity, {effect}"
    assert capacity_text(overloaded).splitlines()[1] == f"{overload}0.25 s after its end"
    assert capacity_text(structs.replace(overloaded, recovery_s=None)).endswith(f"{overload}never")
    printed_lines = printed(structs.replace(a_result(loads=[1]), capacity=found), is_terminal=False).splitlines()
    assert printed_lines[-1] == capacity_text(found)


def test_one_row_a_run() -> None:
    assert summary_table(a_result(loads=[1, 2], has_capacity=False)).row_count == 2
