"""Fixtures: one browser for all tests, and a new page for each.

The tests share one event loop because they share the browser.
"""

from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio

IS_INSTALLED = find_spec("playwright") is not None and find_spec("axe_playwright_python") is not None

collect_ignore_glob = [] if IS_INSTALLED else ["test_*.py"]

if IS_INSTALLED:
    from playwright.async_api import Browser, Page, expect

    from tests.browsers import CHROMIUM, TIMEOUT_MS, opened, with_microphone, write_wav
    from tests.meeting import spoken_frames
    from tests.sessions import silence

    expect.set_options(timeout=TIMEOUT_MS)

    _BEFORE_S = 1.2
    """Silence before the recording, long enough to end a sentence that a reload interrupts."""

    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        """Run the tests of this folder in one event loop, and skip them if there is no browser."""
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
                if CHROMIUM is None:
                    item.add_marker(pytest.mark.skip(reason="no Chromium found: apt install chromium"))

    @pytest.fixture(scope="session")
    def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The microphone's audio: a meeting."""
        path = tmp_path_factory.mktemp("microphone") / "meeting.wav"
        return write_wav(path, silence(_BEFORE_S) + b"".join(spoken_frames()))

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def browser(recording: Path) -> AsyncIterator[Browser]:
        """A Chromium, one per test process."""
        async with with_microphone(recording) as chromium:
            yield chromium

    @pytest_asyncio.fixture(loop_scope="session")
    async def page(browser: Browser) -> AsyncIterator[Page]:
        """A new page."""
        async with opened(browser) as page:
            yield page

else:

    def pytest_report_header() -> str:
        """Report why the browser tests are missing."""
        return "browser tests: playwright and axe-playwright-python are not installed (the group `browser`)"
