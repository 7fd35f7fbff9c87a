"""Actions on the captioner page, and what it displays."""

import re
from urllib.parse import urlencode

from playwright.async_api import Page, expect

from tests.meeting import words

__all__ = ["MEETING_MS", "final_words", "link_of", "open_settings", "start", "stop", "unsent", "until_mid_sentence"]

MEETING_MS = 60_000
"""Timeout until the recording has been played and transcribed."""

_IS_MID_SENTENCE = """(finals) => document.querySelectorAll("#history p").length >= finals
  && /\\S \\S/.test(document.querySelector("#now").textContent)"""


async def start(page: Page, url: str) -> None:
    """Open a captioner, and start to caption its microphone."""
    await page.goto(url)
    await page.click("#start")
    await expect(page.locator("#state")).to_have_text("Live: speech is captioned.")


async def open_settings(page: Page) -> None:
    """Open the settings of a captioner that is live."""
    await page.click("#toggle-settings")
    await expect(page.locator("#settings")).to_be_visible()


async def link_of(page: Page, **query: str) -> str:
    """Return the link for viewers of a captioner that is live.

    Args:
        query: more of it.
    """
    await expect(page.locator("#link")).to_have_value(re.compile("^http"))
    link = await page.input_value("#link")
    joint = "&" if "?" in link else "?"
    return link + (joint + urlencode(query) if query else "")


async def unsent(page: Page, seconds: str) -> None:
    """Wait until the unsent audio matches a regular expression."""
    await expect(page.locator("#unsent")).to_have_text(re.compile(seconds))


async def until_mid_sentence(page: Page, finals: int = 0) -> None:
    """Wait until a sentence is in progress, after that many finals."""
    await page.wait_for_function(_IS_MID_SENTENCE, arg=finals)


async def stop(page: Page) -> None:
    """Stop, and wait for the last words."""
    await page.click("#stop")
    await expect(page.locator("#state")).to_have_text("Stopped: all audio was transcribed.")


async def final_words(page: Page) -> list[str]:
    """Return the final words on a captioner or viewer."""
    return words(" ".join(await page.locator("#history p").all_inner_texts()))
