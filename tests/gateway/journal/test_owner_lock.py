"""The lock that gives a journal one gateway."""

import logging
import os
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.journal.owner_lock import owned

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such locks there")


def test_a_second_owner_is_refused_and_the_message_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "data" / "journal.db"
    message = rf"in use by the gateway with process id {os.getpid()} on"
    with owned(path), pytest.raises(ConfigurationError, match=message), owned(path):
        pass
    with owned(path):
        pass


def test_the_lock_is_released_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with pytest.raises(RuntimeError), owned(path):
        raise RuntimeError
    with owned(path):
        pass


def test_two_journals_in_one_folder_have_an_owner_each(tmp_path: Path) -> None:
    with owned(tmp_path / "one.db"), owned(tmp_path / "other.db"):
        pass


def test_if_no_lock_can_be_made_the_block_runs_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    has_run = False
    with caplog.at_level(logging.WARNING), owned(tmp_path / "file" / "journal.db"):
        has_run = True
    assert has_run
    assert "journal cannot be locked" in caplog.text
