"""A caption event of a real gateway with keys: a viewer with its link follows two sessions and a correction."""

from pathlib import Path

import httpx2
from playwright.async_api import Page, expect

from tests.browsers import Speaker, network
from tests.uploading import serving_files
from tests.viewing import MASTER, bearer, session, settings_with

STATE, HISTORY = "#state", "#history .words"


async def test_a_viewer_follows_an_event_by_its_link_alone(page: Page, tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path, has_keys=True)) as served,
        network(served.url) as way,
        httpx2.AsyncClient(base_url=served.url, headers=bearer(MASTER)) as http,
    ):
        event = (await http.put("/v1/events/weekly", json={"title": "Weekly"})).json()
        await page.goto(way.url + event["url"])
        await expect(page.locator(STATE)).to_have_attribute("data-state", "waiting")
        await expect(page.locator("h1")).to_have_text("Weekly")
        names = [{"channel": 0, "name": "Ann"}]
        async with session(served, MASTER, event="weekly", title="Part one", names=names) as (websocket, first):
            early = await Speaker(websocket, first, served.url).speak()
            await expect(page.locator(HISTORY)).to_have_text([early])
            await expect(page.locator("#history .speaker")).to_have_text(["Ann"])
            await expect(page.locator("h1")).to_have_text("Part one")
            final = (await http.get(f"/v1/sessions/{first}/transcript.json")).json()[0]
            path = f"/v1/sessions/{first}/utterances/{final['utterance_id']}"
            assert (await http.put(path, json={"text": "Corrected."})).status_code == 200
            await expect(page.locator(HISTORY)).to_have_text(["Corrected."])
            await Speaker(websocket, first, served.url).stop()
        await expect(page.locator(STATE)).to_have_attribute("data-state", "over")
        async with session(served, MASTER, event="weekly") as (websocket, second):
            way.is_down = True
            way.cut()
            await expect(page.locator(STATE)).to_have_attribute("data-state", "lost")
            late = await Speaker(websocket, second, served.url).speak()
            way.is_down = False
            await expect(page.locator(HISTORY)).to_have_text(["Corrected.", late])
            await expect(page.locator(STATE)).to_have_attribute("data-state", "live")
            saved = await page.request.get(
                await page.locator("#save [data-suffix=txt]").evaluate("(link) => link.href")
            )
            assert await saved.text() == f"{late}\n"
            revoked = await http.delete("/v1/events/weekly/view_tokens")
            assert revoked.status_code == 204
            await page.reload()
            await expect(page.locator(STATE)).to_have_attribute("data-state", "forbidden")
