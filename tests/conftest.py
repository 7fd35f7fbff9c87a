"""Settings of all tests."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.compatibility import Recorder

# No deadline: how long an example takes says how busy the machine is.
settings.register_profile("livecue", deadline=None)
settings.load_profile("livecue")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "exercises(client, what): a test with a real client (tests/compatibility.py)")
    if os.environ.get("COMPATIBILITY_UPDATE") == "1":
        config.pluginmanager.register(Recorder())


@pytest.fixture(autouse=True, scope="session")
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests from the API keys and journals of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield
