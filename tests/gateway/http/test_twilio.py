"""Telephone services call a running gateway: admission, events for viewers, and the end of a call."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.access.twilio_signature import is_signed, signed_urls
from gateway.errors import ConfigurationError
from gateway.settings import load_settings
from tests.audio import silence, tone
from tests.calls import SERVICES, CallFrame, frames_of, media_of, start_of, stop_of, url_of, watched_call
from tests.servers import Served, get
from tests.sessions import Message
from tests.uploading import serving_files
from tests.viewing import open_ids
from vad.audio import Float32

TOKEN = "12345"
SIGNED = ("wss://captions.example/v1/twilio", "nuHGbm3Ms+C3EoSpuW4q0tXcr80=")
"""As `openssl dgst -sha1 -hmac 12345 -binary | base64` has it."""

UTTERANCE_S = (0.5, 1.2, 0.8)


def telephone(service: str, samples: Float32, track: str = "inbound") -> list[CallFrame]:
    """Return 16 kHz audio as the frames of a service."""
    spoken = SERVICES[service]
    data = spoken.encode(samples[:: 16_000 // spoken.rate_hz])
    return frames_of(data, len(data) * spoken.frame_ms // (len(samples) // 16), spoken.frame_ms, track)


def utterance() -> Float32:
    before, spoken, after = UTTERANCE_S
    return np.concatenate([silence(before), tone(spoken), silence(after)])


def of(kind: str, events: list[Message]) -> list[Message]:
    return [event for event in events if event["type"] == kind]


def seconds(event: Message, name: str) -> float:
    value = event[name]
    assert isinstance(value, float | int)
    return float(value)


async def refusal(served: Served, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            url_of(served), additional_headers={k.replace("_", "-"): v for k, v in headers.items()}
        ).__aenter__()
    return refused.value.response.status_code


# --- events --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
async def test_a_call_of_each_service_is_captioned_for_its_viewers(service: str) -> None:
    frames = [media_of(service, frame) for frame in telephone(service, utterance())]
    stop = [stop_of(service)] if SERVICES[service].stop else []
    async with serving_files() as served:
        events = await watched_call(served, start_of(service), *frames, *stop)
    (final,) = of("final", events)
    assert final["text"] == "two three four five"
    assert seconds(final, "start_s") == pytest.approx(0.1, abs=0.05)
    assert seconds(final, "end_s") == pytest.approx(2.0, abs=0.05)
    assert events[-1]["type"] == "finished"


async def test_a_call_that_is_cut_in_the_middle_of_a_word_is_captioned_to_its_end() -> None:
    samples = np.concatenate([silence(0.5), tone(1.2)])
    frames = [media_of("twilio", frame) for frame in telephone("twilio", samples)]
    async with serving_files() as served:
        events = await watched_call(served, start_of("twilio"), *frames)
        metrics = (await get(f"{served.url}/metrics")).body.decode()
    assert [final["text"] for final in of("final", events)] == ["two three four"]
    assert 'livecue_sessions_ended_total{outcome="finished"} 1.0' in metrics


async def test_each_track_has_captions_of_its_own() -> None:
    inbound = telephone("twilio", utterance())
    outbound = telephone("twilio", np.concatenate([silence(2.0), tone(0.6), silence(0.8)]), "outbound")
    frames = sorted([*inbound, *outbound], key=lambda frame: frame.timestamp_ms)
    messages = [media_of("twilio", frame) for frame in frames]
    async with serving_files() as served:
        events = await watched_call(served, start_of("twilio", ("inbound", "outbound")), *messages, stop_of("twilio"))
    finals = {final["channel"]: final for final in of("final", events)}
    assert finals.keys() == {0, 1}
    assert seconds(finals[0], "start_s") == pytest.approx(0.1, abs=0.05)
    assert seconds(finals[1], "start_s") == pytest.approx(1.6, abs=0.05)
    assert all("channel" in cue for cue in of("cue", events))


async def test_the_list_of_sessions_names_the_call() -> None:
    async with serving_files() as served, connect(url_of(served)) as websocket:
        await websocket.send(start_of("twilio"))
        while not await open_ids(served):
            pass  # the start is under way
        (listed,) = json.loads((await get(f"{served.url}/v1/sessions")).body)["data"]
    assert listed["dialect"] == "twilio"
    assert listed["about"] == {"call_id": "CA1", "stream_id": "MZ1", "tracks": "inbound"}


async def test_metrics_count_the_frames_by_fate() -> None:
    frames = telephone("twilio", utterance())
    disturbed = [*frames[:10], frames[11], frames[10], frames[9], *frames[20:]]
    messages = [media_of("twilio", frame) for frame in disturbed]
    async with serving_files() as served:
        await watched_call(served, start_of("twilio"), *messages, stop_of("twilio"))
        while "livecue_call_frames_total{" not in (metrics := (await get(f"{served.url}/metrics")).body.decode()):
            pass  # the route counts when the session is over
    assert f'livecue_call_frames_total{{fate="heard"}} {len(frames) - 8}.0' in metrics
    assert 'livecue_call_frames_total{fate="reordered"} 1.0' in metrics
    assert 'livecue_call_frames_total{fate="dropped"} 1.0' in metrics
    assert "livecue_call_silence_seconds_total 0.16" in metrics


async def test_hints_that_cannot_be_met_end_no_call() -> None:
    frames = [media_of("twilio", frame) for frame in telephone("twilio", utterance())]
    start = start_of("twilio", profile="cinema", prompt="x" * 1_001, language="Klingon")
    async with serving_files() as served:
        events = await watched_call(served, start, *frames, stop_of("twilio"))
    assert [final["text"] for final in of("final", events)] == ["two three four five"]
    assert {warning["code"] for warning in of("warning", events)} == {"hint_ignored", "language_ignored"}


# --- what is wrong -------------------------------------------------------------------------------------------------


async def test_a_malformed_frame_harms_nothing_and_viewers_get_a_warning() -> None:
    frames = [media_of("twilio", frame) for frame in telephone("twilio", utterance())]
    async with serving_files() as served:
        messages = (start_of("twilio"), *frames[:50], "nonsense", *frames[50:], stop_of("twilio"))
        events = await watched_call(served, *messages)
    assert [error["fatal"] for error in of("error", events)] == [False]
    assert [final["text"] for final in of("final", events)] == ["two three four five"]


@pytest.mark.parametrize(
    "first",
    [
        "nonsense",
        stop_of("twilio"),
        json.dumps({"event": "start", "start": {"media_format": {"encoding": "OPUS"}}}),
    ],
)
async def test_a_bad_beginning_ends_the_connection(first: str) -> None:
    async with serving_files() as served, connect(url_of(served)) as websocket:
        await websocket.send(first)
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
    assert websocket.close_code == 1008


async def test_a_caller_that_hangs_up_before_the_start_leaves_nothing_behind() -> None:
    async with serving_files() as served:
        async with connect(url_of(served)) as websocket:
            await websocket.send('{"event":"connected"}')
        while 'outcome="disconnected"} 1.0' not in (await get(f"{served.url}/metrics")).body.decode():
            pass  # the gateway sees the close when it sees it


async def test_a_call_that_falls_silent_is_ended() -> None:
    settings = {"session": {"detector": "loudness", "idle_timeout_s": 0.2}}
    async with serving_files(settings=settings) as served, connect(url_of(served)) as websocket:
        await websocket.send(start_of("twilio"))
        with anyio.fail_after(10), pytest.raises(ConnectionClosed):
            await websocket.recv()
    assert websocket.close_code == 1008


# --- who is let in -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def signed_gateway(**server: object) -> AsyncIterator[Served]:
    telephony = {"twilio_auth_token": TOKEN, "public_url": "wss://captions.example/"}
    async with serving_files(settings={"telephony": telephony, "server": server}) as served:
        yield served


async def test_twilios_signature_lets_in() -> None:
    async with (
        signed_gateway() as served,
        connect(url_of(served), additional_headers={"X-Twilio-Signature": SIGNED[1]}) as websocket,
    ):
        await websocket.send(start_of("twilio"))
        while not await open_ids(served):
            pass  # the start is under way


@pytest.mark.parametrize("signature", ["", "nonsense", "ñ", SIGNED[1].lower()])
async def test_another_signature_does_not(signature: str) -> None:
    async with signed_gateway() as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(url_of(served), additional_headers={"X-Twilio-Signature": signature}).__aenter__()
        metrics = (await get(f"{served.url}/metrics")).body.decode()
    assert refused.value.response.status_code == 401
    assert TOKEN.encode() not in (refused.value.response.body or b"")
    assert 'livecue_connections_refused_total{code="unauthorized"} 1.0' in metrics


async def test_with_a_twilio_token_a_signature_or_key_is_required() -> None:
    async with signed_gateway() as served:
        assert await refusal(served) == 401
    async with signed_gateway(api_keys=["secret"]) as served:
        assert await refusal(served) == 401
        assert await refusal(served, Authorization="Bearer wrong") == 401
        assert await refusal(served, Authorization="Bearer secret", X_Twilio_Signature="wrong") == 401


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": "Bearer secret"}, ""),
        ({"Authorization": "Basic " + b64encode(b"me:secret").decode()}, ""),
        ({"X-Telnyx-Streaming-Auth-Token": "secret"}, ""),
        ({}, "?token=secret"),
    ],
)
async def test_a_key_lets_in_from_wherever_a_service_can_put_it(headers: dict[str, str], query: str) -> None:
    async with (
        signed_gateway(api_keys=["secret"]) as served,
        connect(url_of(served) + query, additional_headers=headers) as websocket,
    ):
        await websocket.send(start_of("telnyx"))
        while not await open_ids(served, {"Authorization": "Bearer secret"}):
            pass  # the start is under way


@pytest.mark.parametrize("credentials", ["Basic", "Basic %%%", "Basic " + b64encode(b"\xff").decode(), "Digest x"])
async def test_credentials_that_are_none_are_refused(credentials: str) -> None:
    async with signed_gateway(api_keys=["secret"]) as served:
        assert await refusal(served, Authorization=credentials) == 401


async def test_a_foreign_page_may_not_call() -> None:
    async with serving_files() as served:
        assert await refusal(served, Origin="https://evil.example") == 403


async def test_a_full_gateway_refuses_a_call() -> None:
    async with serving_files(settings={"server": {"max_sessions": 1}}) as served, connect(url_of(served)):
        assert await refusal(served) == 503


def test_a_signature_is_of_url_and_token() -> None:
    url, signature = SIGNED
    assert is_signed(url, signature, TOKEN)
    assert not is_signed(url + "/", signature, TOKEN)
    assert not is_signed(url, signature, TOKEN + "6")


def test_twilio_may_sign_with_the_port_or_without() -> None:
    assert list(signed_urls("a.example", "/v1/twilio", None)) == [
        "wss://a.example/v1/twilio",
        "wss://a.example:443/v1/twilio",
    ]
    assert "wss://a.example/v1/twilio?x=1" in signed_urls("a.example:8443", "/v1/twilio?x=1", None)
    assert "wss://[::1]:443/v1/twilio" in signed_urls("[::1]", "/v1/twilio", None)
    assert list(signed_urls("b", "/v1/twilio", "wss://a.example/x/")) == ["wss://a.example/x/v1/twilio"]


def test_a_token_is_never_displayed() -> None:
    settings = load_settings({"telephony": {"twilio_auth_token": TOKEN}})
    assert TOKEN not in settings.model_dump_json() + repr(settings)


def test_a_token_that_is_refused_is_not_displayed() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings({"telephony": {"twilio_auth_token": [TOKEN]}})
    assert "telephony.twilio_auth_token" in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"telephony\.public_url"):
        load_settings({"telephony": {"public_url": "captions.example"}})
