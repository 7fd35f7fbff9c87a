"""Telephone calls as the services send them: frames of 20 ms, or 100 ms of Exotel's, in text messages."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from websockets.asyncio.client import connect

from tests.servers import Served
from tests.sessions import Message
from tests.viewing import open_ids, watch
from vad.audio import Float32

__all__ = [
    "SERVICES",
    "CallFrame",
    "Service",
    "frames_of",
    "g711",
    "linear",
    "media_of",
    "start_of",
    "stop_of",
    "url_of",
    "watched_call",
]

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class CallFrame:
    """A frame of one track.

    Attributes:
        number: of the track's frames, from 1.
        timestamp_ms: since the call began.
    """

    number: int
    timestamp_ms: int
    data: bytes
    track: str = "inbound"


@dataclass(frozen=True, slots=True)
class Service:
    """The messages of a service.

    Attributes:
        start: tracks → its start message.
        media: its message of a frame.
        stop: its last message; None: it just closes the connection.
        frame_ms: length of a frame.
        rate_hz, encode: its audio format.
    """

    start: Callable[[Sequence[str]], JsonObject]
    media: Callable[[CallFrame], JsonObject]
    stop: JsonObject | None
    frame_ms: int
    rate_hz: int
    encode: Callable[[Float32], bytes]


def g711(audio: Float32) -> bytes:
    """Return audio in µ-law. ITU-T G.711: sign, chord and step of the samples biased by 132, inverted."""
    samples = np.clip(np.round(audio * 32_767), -32_635, 32_635).astype(np.int32)
    biased = np.abs(samples) + 132
    chord = np.floor(np.log2(biased)).astype(np.int32) - 7
    step = (biased >> (chord + 3)) & 0x0F
    code = np.where(samples < 0, 0x80, 0) | (chord << 4) | step
    return bytes((~code & 0xFF).astype(np.uint8))


def linear(audio: Float32) -> bytes:
    """Return audio in 16 bits, little-endian."""
    return bytes(np.round(audio * 32_767).astype("<i2"))


def frames_of(data: bytes, frame_bytes: int, frame_ms: int, track: str = "inbound") -> list[CallFrame]:
    """Cut a track's audio into frames."""
    starts = range(0, len(data), frame_bytes)
    return [
        CallFrame(number, (number - 1) * frame_ms, data[start : start + frame_bytes], track)
        for number, start in enumerate(starts, 1)
    ]


def start_of(service: str, tracks: Sequence[str] = ("inbound",), **parameters: str) -> str:
    """Return a service's start message, with custom parameters."""
    message = SERVICES[service].start(tracks)
    start = message["start"]
    assert isinstance(start, dict)
    if service == "plivo":
        message["extra_headers"] = ";".join(f"{name}={value}" for name, value in parameters.items())
    else:
        start["customParameters" if service == "twilio" else "custom_parameters"] = parameters
    return json.dumps(message)


def stop_of(service: str) -> str:
    """Return a service's last message."""
    return json.dumps(SERVICES[service].stop or {"event": "stop"})


def media_of(service: str, frame: CallFrame) -> str:
    """Return a service's message of a frame."""
    return json.dumps(SERVICES[service].media(frame))


def url_of(served: Served) -> str:
    """Return the URL for services."""
    return served.url.replace("http", "ws", 1) + "/v1/twilio"


async def watched_call(served: Served, *messages: str) -> list[Message]:
    """Make a call, and return the messages that a viewer receives from its beginning to its end.

    Args:
        served: a gateway without other sessions.
        messages: of the service, the start first; at the end it closes the connection.
    """
    async with connect(url_of(served)) as websocket:
        await websocket.send(messages[0])
        while not (ids := await open_ids(served)):
            pass  # the start is under way
        async with watch(served, ids[0]) as viewer:
            first = await viewer.next()
            assert first is not None
            for message in messages[1:]:
                await websocket.send(message)
            await websocket.close()
            return [first, *await viewer.all()]


def _payload(frame: CallFrame) -> str:
    return b64encode(frame.data).decode()


def _twilio_start(tracks: Sequence[str]) -> JsonObject:
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    ids = {"accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1"}
    start = ids | {"tracks": list(tracks), "customParameters": {}, "mediaFormat": media_format}
    return {"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start}


def _twilio_media(frame: CallFrame) -> JsonObject:
    numbers = {"chunk": str(frame.number), "timestamp": str(frame.timestamp_ms)}
    media = {"track": frame.track, **numbers, "payload": _payload(frame)}
    return {"event": "media", "sequenceNumber": str(frame.number + 1), "streamSid": "MZ1", "media": media}


def _telnyx_start(_: Sequence[str]) -> JsonObject:
    media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    start = {"user_id": "U1", "call_control_id": "CA1", "media_format": media_format}
    return {"event": "start", "sequence_number": "1", "stream_id": "MZ1", "start": start}


def _telnyx_media(frame: CallFrame) -> JsonObject:
    numbers = {"chunk": str(frame.number), "timestamp": str(frame.timestamp_ms)}
    media = {"track": frame.track, **numbers, "payload": _payload(frame)}
    return {"event": "media", "sequence_number": str(frame.number + 1), "stream_id": "MZ1", "media": media}


_PLIVO_EPOCH_MS = 1_705_312_200_000


def _plivo_start(tracks: Sequence[str]) -> JsonObject:
    media_format = {"encoding": "audio/x-l16", "sampleRate": 16000}
    start = {
        "callId": "CA1",
        "streamId": "MZ1",
        "accountId": "MA1",
        "tracks": list(tracks),
        "mediaFormat": media_format,
    }
    return {"event": "start", "sequenceNumber": 1, "start": start}


def _plivo_media(frame: CallFrame) -> JsonObject:
    timestamp = str(_PLIVO_EPOCH_MS + frame.timestamp_ms)
    media = {"track": frame.track, "timestamp": timestamp, "chunk": frame.number, "payload": _payload(frame)}
    return {"event": "media", "sequenceNumber": frame.number + 1, "streamId": "MZ1", "media": media}


def _exotel_start(_: Sequence[str]) -> JsonObject:
    media_format = {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"}
    start = {"stream_sid": "MZ1", "call_sid": "CA1", "account_sid": "AC1", "media_format": media_format}
    return {"event": "start", "sequence_number": 1, "stream_sid": "MZ1", "start": start}


def _exotel_media(frame: CallFrame) -> JsonObject:
    media = {"chunk": frame.number, "timestamp": str(frame.timestamp_ms), "payload": _payload(frame)}
    return {"event": "media", "sequence_number": frame.number + 1, "stream_sid": "MZ1", "media": media}


_SID_STOP: JsonObject = {"event": "stop", "sequenceNumber": "9", "stop": {"accountSid": "AC1", "callSid": "CA1"}}

SERVICES = {
    "twilio": Service(_twilio_start, _twilio_media, _SID_STOP, 20, 8_000, g711),
    "telnyx": Service(_telnyx_start, _telnyx_media, {"event": "stop", "stop": {"user_id": "U1"}}, 20, 8_000, g711),
    "plivo": Service(_plivo_start, _plivo_media, None, 20, 16_000, linear),
    "exotel": Service(
        _exotel_start, _exotel_media, {"event": "stop", "stop": {"reason": "callended"}}, 100, 8_000, linear
    ),
}
