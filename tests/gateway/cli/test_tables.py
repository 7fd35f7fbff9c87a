"""Tables on standard output."""

import pytest

from gateway.cli.tables import print_table


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "used"), [("a", "1.0 s"), ("ada lovelace", "")])
    assert capsys.readouterr().out == "name          used\na             1.0 s\nada lovelace\n"


def test_a_table_without_rows_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "used"), [])
    assert capsys.readouterr().out == "name  used\n"
