"""Captioners in front of a scripted gateway and a scripted interface, with captions if wanted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import Page, expect

from tests.browser.captioning import start
from tests.browser.resumable import ResumableGateway, resumable_gateway
from tests.browser.scripted_api import ScriptedApi, scripted_api

__all__ = ["LATENCY", "Prepared", "captioner", "live_captioner"]

LATENCY = {"endpoint": 500.0, "queue": 0.0, "decode": 20.0, "delivery": 1.0}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A captioner page, and what it talks to."""

    gateway: ResumableGateway
    api: ScriptedApi

    async def final(self, number: int, text: str, **fields: object) -> None:
        """Emit the final of an utterance."""
        span = {"start_s": 3.0 * number, "end_s": 3.0 * number + 2.5, "latency_ms": LATENCY}
        await self.gateway.emit(type="final", utterance_id=number, text=text, language="en", **span, **fields)


@asynccontextmanager
async def captioner(page: Page) -> AsyncIterator[Prepared]:
    """Open a captioner that has not started."""
    async with resumable_gateway("captioner.html") as gateway:
        api = await scripted_api(page)
        await page.goto(gateway.url)
        await expect(page.locator("#linked")).to_be_visible()
        yield Prepared(gateway, api)


@asynccontextmanager
async def live_captioner(page: Page, *texts: str) -> AsyncIterator[Prepared]:
    """Start a captioner, and emit finals with these texts."""
    async with resumable_gateway("captioner.html") as gateway:
        prepared = Prepared(gateway, await scripted_api(page))
        await start(page, gateway.url)
        for number, text in enumerate(texts):
            await prepared.final(number, text)
        await expect(page.locator("#history p")).to_have_count(len(texts))
        yield prepared
