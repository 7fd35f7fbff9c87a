"""Tables of the report: best figures, invalid runs and missing figures are marked for eyes and for screen readers."""

from msgspec import structs

from clients.bench.report.tables import Field, badge, figure, run_table, scrolling, summary
from tests.clients.bench.report.pages import all_text, classes, elements, parsed
from tests.clients.bench.results import SLOW, a_result, an_empty_result, two_results

WORDS = Field("words", lambda run: str(run.errors.words))


def test_the_summary_has_a_row_a_run() -> None:
    root = parsed(summary(two_results(loads=[1, 2])))
    rows = elements(elements(root, "tbody")[0], "tr")
    assert [all_text(row).split()[:2] for row in rows] == [
        ["livecue", "1"],
        ["WhisperLive", "1"],
        ["livecue", "2"],
        ["WhisperLive", "2"],
        ["livecue", "16"],
    ]


def test_every_row_of_the_summary_has_as_many_cells_as_the_head_has_columns() -> None:
    root = parsed(summary([*two_results(), an_empty_result()]))
    rows = elements(elements(root, "tbody")[0], "tr")
    first, second = elements(elements(root, "thead")[0], "tr")
    columns = sum(int(cell.get("colspan", "1")) for cell in first)
    assert len(second) == sum(int(cell.get("colspan", "0")) for cell in first)
    assert {len(row) for row in rows} == {columns}


def test_loads_are_divided_by_lines() -> None:
    root = parsed(summary(two_results(loads=[1, 2])))
    rows = elements(elements(root, "tbody")[0], "tr")
    assert ["begins" in classes(row) for row in rows] == [False, False, True, False, True]


def test_best_figures_are_bold_with_a_star_and_a_word_for_screen_readers() -> None:
    best = elements(parsed(summary(two_results(loads=[1]))), "best")
    assert best
    for cell in best:
        assert cell.find("strong") is not None
        assert all_text(cell).startswith("★ ")
        assert all_text(elements(cell, "unseen")[0]) == "best"


def test_invalid_runs_are_struck_through_and_say_so() -> None:
    root = parsed(summary([a_result(SLOW, loads=[8], has_capacity=False)]))
    (row,) = elements(root, "invalid")
    assert "✕ INVALID" in all_text(row)


def test_a_run_without_an_slo_has_a_dash() -> None:
    result = an_empty_result()
    assert all_text(elements(parsed(summary([result])), "tr")[-1]).endswith("valid –")


def test_missing_figures_are_dashes_with_a_text() -> None:
    assert all_text(parsed(figure("–"))) == "– not measured"


def test_names_of_servers_are_escaped() -> None:
    result = a_result(loads=[1])
    named = structs.replace(result, server=structs.replace(result.server, name="<script>alert(1)</script>"))
    assert "<script>alert(1)</script>" in all_text(parsed(summary([named])))


def test_tables_scroll_within_themselves_and_take_the_focus() -> None:
    root = parsed(scrolling("Words", badge("met", "good")))
    assert (root.get("tabindex"), root.get("role"), root.get("aria-label")) == ("0", "group", "Words")


def test_a_table_of_runs_has_the_fields_of_those_that_have_any() -> None:
    prose = Field("note", lambda run: "<b>", is_text=True)
    made = run_table("Errors", two_results(loads=[1, 2]), [WORDS, prose], lambda run: run.streams == 2)
    root = parsed(f"<div>{made}</div>")
    rows = [all_text(row) for row in elements(elements(root, "tbody")[0], "tr")]
    assert rows == ["livecue 2 156 <b>", "WhisperLive 2 156 <b>"]
    assert all_text(elements(root, "thead")[0]) == "Server Streams words note"


def test_a_table_without_runs_is_left_out() -> None:
    assert run_table("Errors", two_results(), [WORDS], lambda run: False) is None
