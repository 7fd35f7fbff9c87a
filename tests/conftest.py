"""Settings of all tests."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests.compatibility import Recorder

# How long an example takes says how busy the machine is. `make test` tries the same examples each time, so that what
# fails has been broken by the change at hand; `make test-slow` searches among others.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings.get_profile("search"), derandomize=True, max_examples=50)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "exercises(client, what): a test with a real client (tests/compatibility.py)")
    if os.environ.get("COMPATIBILITY_UPDATE") == "1":
        config.pluginmanager.register(Recorder())


@pytest.fixture(autouse=True, scope="session")
def _no_state_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the tests, and fixtures that several share, from the user's API keys and journals."""
    path = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(path))
        yield path


@pytest.fixture(autouse=True)
def _state_of_its_own(_no_state_of_the_user: Path) -> Iterator[None]:
    """Keep each test from the sessions and keys of others; the directory exists once something is written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(_no_state_of_the_user / uuid4().hex))
        yield


@pytest.fixture(autouse=True)
def _log_level_of_its_own() -> Iterator[None]:
    """Undo what a command has done to the log."""
    yield
    logging.getLogger("livecue").setLevel(logging.NOTSET)
