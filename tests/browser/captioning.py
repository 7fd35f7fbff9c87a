"""What people do with a captioner's page, and what they see there."""

import re

from playwright.async_api import Page, expect

from tests.meeting import words

__all__ = ["MEETING_MS", "begin_to_speak", "shown", "start", "stop", "unsent"]

MEETING_MS = 60_000
"""Until the recording has been said, and its words have come."""

_IS_AMID_A_SENTENCE = """(finals) => document.querySelectorAll("#history p").length >= finals
  && /\\S \\S/.test(document.querySelector("#now").textContent)"""


async def start(page: Page, url: str) -> None:
    """Open a captioner, and let it hear its microphone."""
    await page.goto(url)
    await page.click("#start")
    await expect(page.locator("#state")).to_have_text("Live: what is said becomes captions.")


async def unsent(page: Page, seconds: str) -> None:
    """Wait until so much sound is kept in the page, a regular expression."""
    await expect(page.locator("#unsent")).to_have_text(re.compile(seconds))


async def begin_to_speak(page: Page, finals: int = 0) -> None:
    """Wait until somebody is in the middle of a sentence, so many sentences having been said."""
    await page.wait_for_function(_IS_AMID_A_SENTENCE, arg=finals)


async def stop(page: Page) -> None:
    """Stop, and wait for the last words."""
    await page.click("#stop")
    await expect(page.locator("#state")).to_have_text("Stopped: all has been answered.")


async def shown(page: Page) -> list[str]:
    """Return the words that are final, of a captioner or viewer."""
    return words(" ".join(await page.locator("#history p").all_inner_texts()))
