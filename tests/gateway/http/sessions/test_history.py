"""Pages of the list of sessions, and the search in past ones."""

from pathlib import Path

import httpx2
import pytest

from gateway.journal.journal_file import JournalFile
from gateway.journal.store import Batch, Change, EventKey, Opening
from gateway.wire import ServerEvent
from tests.events import final, ready
from tests.uploading import serving_files
from tests.viewing import bearer, keys, session, settings_with

NAMES = ("a", "b", "c", "d")


def keep(folder: Path, owner: str | None = None) -> None:
    """Write past sessions, opened at 1, 2, 3 and 4 s, with one utterance each."""
    store = JournalFile(folder / "journal.db")
    for number, name in enumerate(NAMES, start=1):
        opening = Opening(name, "native", owner, float(number), {})
        events: dict[EventKey, ServerEvent] = {(name, 1): ready(session_id=name), (name, 2): final(2, number % 2)}
        store.write(Batch([opening], events, (), [Change(name, 9e9, ended_s=9e9, outcome="finished")]))
    store.close()


async def listed(client: httpx2.AsyncClient, **params: object) -> tuple[list[str], list[str | None], float | None]:
    reply = (await client.get("/v1/sessions", params={name: str(value) for name, value in params.items()})).json()
    rows = reply["data"]
    return [row["id"] for row in rows], [row["excerpt"] for row in rows], reply["more_before"]


async def test_the_list_is_divided_into_pages_from_its_end(tmp_path: Path) -> None:
    keep(tmp_path)
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        assert await listed(client, all=1, limit=3) == (["b", "c", "d"], [None] * 3, 2.0)
        assert await listed(client, all=1, limit=3, before=2.0) == (["a"], [None], None)
        assert await listed(client, all=1) == ([*NAMES], [None] * 4, None)
        for wrong in ({"limit": "0"}, {"limit": "1001"}, {"before": "x"}, {"q": "x" * 201}):
            assert (await client.get("/v1/sessions", params=wrong)).status_code == 400


async def test_past_sessions_are_found_by_their_words_a_page_at_a_time(tmp_path: Path) -> None:
    keep(tmp_path)
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
        session(served, title="words 1"),
    ):
        assert await listed(client, q="WORDS 1") == (["a", "c"], ["words 1", "words 1"], None)
        assert await listed(client, q="words 1", limit=1) == (["c"], ["words 1"], 3.0)
        assert await listed(client, q="words 1", limit=1, before=3.0) == (["a"], ["words 1"], None)
        assert await listed(client, q="absent") == ([], [], None)
        changed = await client.put("/v1/sessions/a/utterances/1", json={"text": "apples"})
        assert changed.status_code == 200
        await client.patch("/v1/sessions/d", json={"title": "Apple harvest"})
        assert await listed(client, q="apple") == (["a", "d"], ["apples", "words 0"], None)


async def test_a_key_finds_nothing_of_another(tmp_path: Path) -> None:
    keep(tmp_path, owner="ada")
    with keys(tmp_path / "state.db", "ada", "bob") as stored:
        async with (
            serving_files(settings=settings_with(tmp_path, has_keys=True)) as served,
            httpx2.AsyncClient(base_url=served.url) as client,
        ):
            for key, count in (("ada", 4), ("bob", 0)):
                found = await client.get("/v1/sessions", params={"q": "words"}, headers=bearer(stored[key]))
                assert len(found.json()["data"]) == count
            assert (await client.get("/v1/sessions", params={"q": "words"})).status_code == 401


@pytest.mark.parametrize("is_readable", [True, False])
async def test_without_past_sessions_nothing_is_found(tmp_path: Path, is_readable: bool) -> None:
    if not is_readable:
        (tmp_path / "journal.db").write_bytes(b"no database" * 1_000)
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        found = await client.get("/v1/sessions", params={"q": "words"})
    assert found.status_code == (200 if is_readable else 503)
