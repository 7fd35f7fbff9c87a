"""`overlay-options.js`: the options in the URL of the overlay. In a browser, without a gateway."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

SOURCE = (Path(__file__).parents[2] / "clients" / "web" / "overlay-options.js").read_text()

PARSE = """async ([source, query]) => {
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  return module.overlayOptions(query);
}"""

DEFAULTS: dict[str, object] = {"lines": 2, "clearMs": 2_000, "isTop": False, "hasNames": False, "style": {}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page for all tests of this module, which leave no state in it."""
    blank = await browser.new_page()
    yield blank
    await blank.close()


async def options(page: Page, query: str) -> dict[str, object]:
    found: dict[str, object] = await page.evaluate(PARSE, [SOURCE, query])
    return found


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("lines=1", "lines", 1),
        ("lines=8", "lines", 8),
        ("clear=0", "clearMs", 0),
        ("clear=2.5", "clearMs", 2_500),
        ("position=top", "isTop", True),
        ("names=1", "hasNames", True),
    ],
)
async def test_valid_values_are_used(page: Page, query: str, name: str, value: object) -> None:
    assert (await options(page, query))[name] == value


@pytest.mark.parametrize(
    ("query", "style"),
    [
        ("lines=3", {"--lines": "3"}),
        ("size=4.5", {"--size": "4.5vw"}),
        ("size=20", {"--size": "20vw"}),
        ("size=48", {"--size": "48px"}),
        ("align=center", {"--align": "center"}),
        ("color=ffffff", {"--color": "#ffffff", "--tail-color": "var(--color)"}),
        ("color=%23FF0", {"--color": "#FF0", "--tail-color": "var(--color)"}),
        ("background=000000cc", {"--background": "#000000cc"}),
        ("background=0000", {"--background": "#0000"}),
        ("safe=0", {"--safe": "0"}),
    ],
)
async def test_only_what_the_url_sets_overrides_the_style(page: Page, query: str, style: dict[str, str]) -> None:
    assert (await options(page, query))["style"] == style


@pytest.mark.parametrize(
    "query",
    [
        "",
        "lines=0&clear=-1&size=0&safe=-1&names=2",
        "lines=9&clear=61&size=401&safe=26&position=left",
        "lines=x&clear=&size=4vw&safe=%20&names=true&position=",
        "align=justify&color=red&background=url(x)",
        "align=toString&color=12345&background=0000000;--x:1",
    ],
)
async def test_invalid_values_are_ignored(page: Page, query: str) -> None:
    assert await options(page, query) == DEFAULTS
