"""Transcripts over HTTP, while a session is live and after."""

import json
from io import BytesIO
from pathlib import Path
from unittest.mock import patch
from zipfile import ZipFile

import httpx2
import pytest

from gateway.exports.scc import NotLatin
from tests.uploading import serving_files
from tests.viewing import session, settings_with, speak, stopped_session

WORDS = "two three four five"
"""Transcript of the first utterance by the scripted engine."""


@pytest.mark.parametrize(
    ("suffix", "media_type", "begins"),
    [
        ("txt", "text/plain; charset=utf-8", WORDS),
        ("srt", "application/x-subrip; charset=utf-8", "1\n00:00:00,"),
        ("vtt", "text/vtt; charset=utf-8", "WEBVTT"),
        ("json", "application/json", "["),
        ("ass", "text/x-ssa; charset=utf-8", "[Script Info]"),
        ("ttml", "application/ttml+xml; charset=utf-8", "<?xml"),
    ],
)
async def test_a_transcript_is_there_while_the_session_is_live_and_after(
    tmp_path: Path, suffix: str, media_type: str, begins: str
) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        async with session(served) as (websocket, session_id):
            path = f"/v1/sessions/{session_id}/transcript.{suffix}"
            assert WORDS not in (await client.get(path)).text
            await speak(websocket)
            live = await client.get(path)
            await websocket.send(json.dumps({"type": "stop"}))
            async for _ in websocket:
                pass
        after = await client.get(path)
    assert live.status_code == 200
    assert live.headers["content-type"] == media_type
    assert live.headers["cache-control"] == "no-store"
    assert "content-disposition" not in live.headers
    assert live.text.startswith(begins)
    assert WORDS in live.text
    assert after.text == live.text


async def test_a_document_for_word_and_scenarist_captions_are_there_too(tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        past, _ = await stopped_session(served)
        document = await client.get(f"/v1/sessions/{past}/transcript.docx")
        captions = await client.get(f"/v1/sessions/{past}/transcript.scc")
    with ZipFile(BytesIO(document.content)) as package:
        assert WORDS in package.read("word/document.xml").decode()
    assert document.headers["content-type"].endswith("wordprocessingml.document")
    assert captions.text.startswith("Scenarist_SCC V1.0\n")
    assert captions.headers["livecue-notes"].startswith("captions displayed late: 1, by up to")


async def test_text_in_other_letters_is_refused_as_scenarist_captions(tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        past, _ = await stopped_session(served)
        with patch("gateway.http.sessions.transcripts.transcript", side_effect=NotLatin("9 of 10 characters")):
            refused = await client.get(f"/v1/sessions/{past}/transcript.scc")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == "9 of 10 characters"


async def test_a_browser_saves_it_when_asked(tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        past, _ = await stopped_session(served)
        saved = await client.get(f"/v1/sessions/{past}/transcript.srt", params={"download": "true"})
    assert saved.headers["content-disposition"] == f'attachment; filename="livecue-{past}.srt"'


@pytest.mark.parametrize("suffix", ["doc", "SRT", "", "srt.exe", "%00"])
async def test_another_format_is_refused_and_the_allowed_are_named(tmp_path: Path, suffix: str) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        past, _ = await stopped_session(served)
        refused = await client.get(f"/v1/sessions/{past}/transcript.{suffix}")
    assert refused.status_code == (400 if suffix else 404)
    if suffix:
        assert "'txt', 'srt', 'vtt', 'json', 'ass', 'ttml', 'scc' or 'docx'" in refused.json()["error"]["message"]


async def test_without_a_journal_transcripts_are_refused_with_the_reason(tmp_path: Path) -> None:
    async with (
        serving_files(settings=settings_with(tmp_path, is_written=False)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
        session(served) as (websocket, session_id),
    ):
        await speak(websocket)
        refused = await client.get(f"/v1/sessions/{session_id}/transcript.txt")
    assert refused.status_code == 404
    assert "journal.enabled" in refused.json()["error"]["message"]


async def test_existing_transcripts_are_readable_with_a_disabled_journal(tmp_path: Path) -> None:
    async with serving_files(settings=settings_with(tmp_path)) as served:
        past, _ = await stopped_session(served)
    async with (
        serving_files(settings=settings_with(tmp_path, is_written=False)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        assert (await client.get(f"/v1/sessions/{past}/transcript.txt")).text == f"{WORDS}\n"
