"""The report as a file."""

from pathlib import Path

import pytest
from msgspec import structs

from clients.bench.report.html_file import read_assets, write_html
from clients.bench.report.page import page
from tests.clients.bench.results import a_result, two_results


def test_one_file_has_the_whole_report(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_html(two_results(), path)
    assert path.read_text(encoding="utf-8") == page(two_results(), read_assets())
    assert list(tmp_path.iterdir()) == [path]


def test_text_of_any_script_is_written_as_utf_8(tmp_path: Path) -> None:
    result = a_result(loads=[1])
    named = structs.replace(result, server=structs.replace(result.server, name="東京 \ud83d Größe"))
    write_html([named], tmp_path / "report.html")
    assert "東京 \ufffd Größe" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_report_on_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no result: a report needs at least one"):
        write_html([], tmp_path / "report.html")
    assert not list(tmp_path.iterdir())
