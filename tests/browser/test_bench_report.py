"""The report of a benchmark in a real browser: from a file, on a desktop and a phone, light and dark, printed."""

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, ViewportSize, expect

from clients.bench.report.html_file import write_html
from tests.browsers import PHONE
from tests.clients.bench.results import an_empty_result, two_results

DESKTOP: ViewportSize = {"width": 1280, "height": 900}

Scheme = Literal["light", "dark"]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report on two servers."""
    write_html(two_results(loads=[1, 8]), tmp_path / "report.html")
    return tmp_path / "report.html"


async def findings(page: Page) -> list[str]:
    """Return all violations that axe-core finds in a page, whatever their impact."""
    found = await Axe().run(page)
    return [f"{one['id']}: {node['html']}" for one in found.response["violations"] for node in one["nodes"]]


def chosen(page: Page, section: str) -> Locator:
    """Return the blocks of a section that are not hidden."""
    return page.locator(f"section:has(#{section}) .choice:not([hidden])")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_it_is_accessible_and_fits(page: Page, report: Path, scheme: Scheme, size: ViewportSize) -> None:
    await page.set_viewport_size(size)
    await page.emulate_media(color_scheme=scheme)
    await page.goto(report.as_uri())
    assert await findings(page) == []
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= size["width"]


async def test_it_requests_nothing_and_logs_nothing(page: Page, report: Path) -> None:
    requested: list[str] = []
    logged: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: logged.append(message.text))
    await page.goto(report.as_uri(), wait_until="networkidle")
    assert [url for url in requested if not url.startswith("data:")] == [report.as_uri()]
    assert logged == []


async def test_a_load_is_chosen_by_its_button(page: Page, report: Path) -> None:
    await page.goto(report.as_uri())
    blocks = chosen(page, "lags")
    await expect(blocks).to_have_attribute("data-name", "1 stream")
    await page.get_by_role("button", name="8 streams").click()
    await expect(blocks).to_have_attribute("data-name", "8 streams")
    await expect(page.get_by_role("button", name="8 streams")).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_role("button", name="1 stream")).to_have_attribute("aria-pressed", "false")


async def test_a_stream_is_chosen_from_the_menu(page: Page, report: Path) -> None:
    await page.goto(report.as_uri())
    blocks = chosen(page, "timeline")
    await expect(blocks).to_have_attribute("data-name", "livecue, 1 stream: the stream")
    await page.get_by_role("combobox", name="Stream").select_option("WhisperLive, 8 streams: slowest stream")
    await expect(blocks).to_have_attribute("data-name", "WhisperLive, 8 streams: slowest stream")
    await expect(blocks.locator("svg.timeline").first).to_be_visible()
    assert await findings(page) == []


async def test_without_scripts_everything_is_there(browser: Browser, report: Path) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(report.as_uri())
    blocks = page.locator(".choice")
    assert await blocks.count() > 3
    for place in range(await blocks.count()):
        await expect(blocks.nth(place)).to_be_visible()
    await context.close()


async def test_a_wide_table_scrolls_within_itself(page: Page, report: Path) -> None:
    await page.set_viewport_size(PHONE)
    await page.goto(report.as_uri())
    table = page.locator("section:has(#summary) .scroll")
    await table.focus()
    await page.keyboard.press("ArrowRight")
    # A function is parsed once; an expression again for each frame, which the page's policy refuses from the second on.
    await page.wait_for_function("() => document.activeElement.scrollLeft > 0")
    assert await page.evaluate("document.scrollingElement.scrollLeft") == 0


async def test_tables_fit_on_paper(page: Page, report: Path) -> None:
    await page.set_viewport_size({"width": 703, "height": 1000})  # A4 less margins of 12 mm, at 96 dots per inch
    await page.emulate_media(media="print")
    await page.goto(report.as_uri())
    tables = await page.evaluate("Array.from(document.querySelectorAll('.scroll > table'), (one) => one.offsetWidth)")
    assert max(tables) <= 703


async def test_a_result_without_any_figure_is_accessible(page: Page, tmp_path: Path) -> None:
    write_html([an_empty_result()], tmp_path / "empty.html")
    await page.goto((tmp_path / "empty.html").as_uri())
    assert await findings(page) == []
