"""The browser of all these tests, and a page of it for each.

They share one event loop, for they share the browser.
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

    from tests.browsers import CHROMIUM, PATIENCE_MS, hearing, opened, write_wav
    from tests.meeting import spoken_frames
    from tests.sessions import silence

    expect.set_options(timeout=PATIENCE_MS)

    _BEFORE_S = 1.2
    """Silence before the recording: enough to end a sentence that is cut by a reload, so that it stands by itself."""

    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        """Put the tests of this folder into one event loop, and skip them where there is no browser."""
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
                if CHROMIUM is None:
                    item.add_marker(pytest.mark.skip(reason="there is no Chromium here: apt install chromium"))

    @pytest.fixture(scope="session")
    def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """What the microphones hear, a meeting."""
        path = tmp_path_factory.mktemp("microphone") / "meeting.wav"
        return write_wav(path, silence(_BEFORE_S) + b"".join(spoken_frames()))

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def browser(recording: Path) -> AsyncIterator[Browser]:
        """A Chromium, one for each process that runs tests."""
        async with hearing(recording) as chromium:
            yield chromium

    @pytest_asyncio.fixture(loop_scope="session")
    async def page(browser: Browser) -> AsyncIterator[Page]:
        """A page of its own."""
        async with opened(browser) as page:
            yield page

else:

    def pytest_report_header() -> str:
        """Say why there are none."""
        return "browser tests: playwright and axe-playwright-python are not installed (the group `browser`)"
