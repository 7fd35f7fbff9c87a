"""The table of clients matches the tests."""

import os

import pytest

from tests.compatibility import DOCUMENT, marked_rows, rows_of


@pytest.mark.skipif(os.environ.get("COMPATIBILITY_UPDATE") == "1", reason="the table is being written")
def test_every_client_that_is_exercised_is_in_the_table_and_passes() -> None:
    rows = rows_of(DOCUMENT.read_text(encoding="utf-8"))
    assert rows.keys() == marked_rows()
    assert {result for _, result in rows.values()} == {"passed"}
