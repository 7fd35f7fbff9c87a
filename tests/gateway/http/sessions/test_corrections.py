"""Corrections over HTTP: who may, what is refused, and who gets them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from gateway.access.api_key_store import KEYS_SCHEMA, KeyStore
from gateway.access.scopes import Scope
from gateway.access.terms import Terms
from gateway.sqlite import StateDatabase, StateUnavailable
from tests.gateway.http.sessions.test_events import interleaved, opened
from tests.servers import Served
from tests.sessions import silence, speech
from tests.uploading import serving_files
from tests.viewing import (
    MASTER,
    bearer,
    keys,
    received_on,
    session,
    settings_with,
    speak,
    stopped_session,
    watch,
    watch_socket,
)


@asynccontextmanager
async def serving(folder: Path, *, has_keys: bool = False) -> AsyncIterator[tuple[Served, httpx2.AsyncClient]]:
    async with (
        serving_files(settings=settings_with(folder, has_keys=has_keys)) as served,
        httpx2.AsyncClient(base_url=served.url) as client,
    ):
        yield served, client


def at(session_id: str, utterance_id: object = 0) -> str:
    return f"/v1/sessions/{session_id}/utterances/{utterance_id}"


async def test_client_viewers_and_transcripts_follow_a_correction_of_a_live_session(tmp_path: Path) -> None:
    async with serving(tmp_path) as (served, client), session(served) as (websocket, session_id):
        await speak(websocket)
        async with watch(served, session_id) as viewer, watch_socket(served, session_id) as socket:
            await viewer.until("final")
            answer = await client.put(at(session_id), json={"text": " two,\nthree ", "revision": 0})
            (event,) = (await viewer.until("correction"))[-1:]
            await websocket.send(json.dumps({"type": "stop"}))
            messages = [json.loads(message) async for message in websocket]
            on_socket, _ = await received_on(socket)
        transcript = await client.get(f"/v1/sessions/{session_id}/transcript.vtt")
    correction = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (correction["type"], correction["revision"], correction["text"]) == ("correction", 1, "two, three")
    assert event == correction | {"last_event_id": str(correction["seq"])}
    assert correction in messages
    assert correction in on_socket
    assert "two, three\n" in transcript.text
    assert "four" not in transcript.text


async def test_a_viewer_who_comes_late_gets_final_and_correction(tmp_path: Path) -> None:
    async with serving(tmp_path) as (served, client):
        session_id, _ = await stopped_session(served)
        await client.put(at(session_id), json={"text": "two"})
        async with watch(served, session_id) as viewer:
            kinds = [event["type"] for event in await viewer.all()]
        last = await client.get(f"/v1/sessions/{session_id}/transcript.txt")
    assert kinds[-3:] == ["final", "finished", "correction"]
    assert last.text == "two\n"


async def test_an_empty_text_removes_the_utterance(tmp_path: Path) -> None:
    async with serving(tmp_path) as (served, client):
        session_id, _ = await stopped_session(served)
        answer = await client.put(at(session_id), json={"text": ""})
        transcript = await client.get(f"/v1/sessions/{session_id}/transcript.txt")
    assert answer.json()["cues"] == []
    assert transcript.text == ""


async def test_a_correction_of_another_revision_conflicts(tmp_path: Path) -> None:
    async with serving(tmp_path) as (served, client):
        session_id, _ = await stopped_session(served)
        await client.put(at(session_id), json={"text": "two"})
        refused = await client.put(at(session_id), json={"text": "three", "revision": 0})
        accepted = await client.put(at(session_id), json={"text": "three", "revision": 1})
        metrics = (await client.get("/metrics")).text
    assert refused.status_code == 409
    assert refused.json()["error"] | {"message": ""} == {
        "code": "conflict",
        "message": "",
        "type": "invalid_request_error",
        "param": "revision",
        "details": None,
    }
    assert accepted.json()["revision"] == 2
    assert 'livecue_corrections_total{session="ended"} 2.0' in metrics


async def test_an_utterance_of_a_channel_is_corrected_in_it(tmp_path: Path) -> None:
    query = "encoding=linear16&sample_rate=16000&channels=2&multichannel=true"
    async with serving(tmp_path) as (served, client):
        async with connect(f"{served.url.replace('http', 'ws', 1)}/v1/listen?{query}") as websocket:
            (session_id,) = await opened(served)
            await websocket.send(interleaved(silence(0.5) + speech(1.2) + silence(0.8)))
            await websocket.send(json.dumps({"type": "CloseStream"}))
            async for _ in websocket:
                pass
        corrected = await client.put(at(session_id), json={"text": "right", "channel": 1})
        without = await client.put(at(session_id), json={"text": "right"})
        transcript = await client.get(f"/v1/sessions/{session_id}/transcript.txt")
    assert (corrected.status_code, corrected.json()["channel"]) == (200, 1)
    assert without.status_code == 404
    assert sorted(transcript.text.splitlines()) == ["right", "two three four five"]


REFUSALS: tuple[tuple[bytes, str | None, str], ...] = (
    (b"", None, "expected a JSON object with text, channel and revision"),
    (b"[]", None, "Expected `object`, got `array`"),
    (b'{"text": 1}', None, "Expected `str`, got `int`"),
    (b'{"channel": 1}', None, "missing required field `text`"),
    (b'{"text": "a", "rev": 1}', None, "unknown field `rev`"),
    (b'{"text": "a", "revision": -1}', None, ">= 0"),
    (b'{"text": "a", "channel": 9007199254740993}', None, "<= 9007199254740992"),
    (b'{"text": "\\u0007"}', "text", "control character U+0007"),
    (b'{"text": "\\ud800"}', None, "expected a JSON object"),
    (b'{"text": "\xff"}', None, "expected a JSON object"),
    (json.dumps({"text": "x" * 2_001}).encode(), "text", "text of 2001 characters: at most 2000 allowed"),
)
"""Body → field and message of the refusal."""


async def test_a_wrong_request_is_refused_with_what_is_allowed_and_changes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (served, client):
        session_id, _ = await stopped_session(served)
        for body, param, message in REFUSALS:
            refused = await client.put(at(session_id), content=body)
            error = refused.json()["error"]
            assert (refused.status_code, error["code"], error["param"]) == (400, "validation_error", param), body
            assert message in error["message"]
        for number in ("-1", "a", "1.5", str(2**53 + 1)):
            assert (await client.put(at(session_id, number), json={"text": ""})).status_code == 400
        too_large = await client.put(at(session_id), content=b" " * 40_000)
        missing = await client.put(at(session_id, 1), json={"text": "a"})
        unknown = await client.put(at("x"), json={"text": "a"})
        transcript = await client.get(f"/v1/sessions/{session_id}/transcript.txt")
    assert too_large.status_code == 413
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "utterance 1 has no final")
    assert unknown.status_code == 404
    assert transcript.text == "two three four five\n"


async def test_the_longest_text_fits_however_it_is_escaped(tmp_path: Path) -> None:
    async with serving(tmp_path) as (served, client):
        session_id, _ = await stopped_session(served)
        text = "\N{MICROPHONE}" * 2_000
        answer = await client.put(at(session_id), content=json.dumps({"text": text}).encode())
    assert answer.json()["text"] == text


async def test_only_keys_of_its_owner_with_the_scope_ingest_and_operators_correct_a_session(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with keys(path, "ada", "bob") as stored:
        scoped = StateDatabase(path, (KEYS_SCHEMA,))
        reader = KeyStore(scoped).create("reader", 0.0, terms=Terms(frozenset({Scope.READ}), owner="ada"))
        scoped.close()
        async with serving(tmp_path, has_keys=True) as (served, client):
            session_id, _ = await stopped_session(served, stored["ada"])
            headers = bearer(stored["ada"])
            created = await client.post(f"/v1/sessions/{session_id}/view_tokens", headers=headers)
            for secret, status in (
                (None, 401),
                (created.json()["token"], 401),
                (stored["bob"], 404),
                (reader, 403),
                (stored["ada"], 200),
                (MASTER, 200),
            ):
                answer = await client.put(at(session_id), json={"text": "a"}, headers=bearer(secret) if secret else {})
                assert answer.status_code == status


async def test_while_the_journal_cannot_be_read_a_past_session_is_not_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as (served, client):
        session_id, _ = await stopped_session(served)
        assert served.gateway.sessions.journal is not None

        async def fail(*_: object) -> list[tuple[int, str]]:
            raise StateUnavailable("the file of the journal is gone")

        monkeypatch.setattr(served.gateway.sessions.journal.store, "events", fail)
        refused = await client.put(at(session_id), json={"text": "a"})
        monkeypatch.undo()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert "file" not in refused.json()["error"]["message"]
