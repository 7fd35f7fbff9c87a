"""Home Assistant's speech-to-text entity for Wyoming, run by the Python that Home Assistant is installed for.

Asks the service at an address for what it is, sends it the PCM on standard input, 16 kHz mono in 16 bits, and prints
what the entity makes of the answer, as JSON.

python home_assistant.py HOST PORT LANGUAGE
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from types import MappingProxyType

from homeassistant.components import stt
from homeassistant.components.wyoming.data import WyomingService
from homeassistant.components.wyoming.stt import WyomingSttProvider
from homeassistant.config_entries import ConfigEntry

CHUNK_BYTES = 960
"""Audio per message of a satellite: 30 ms."""


async def recording() -> AsyncIterator[bytes]:
    pcm = sys.stdin.buffer.read()
    for at in range(0, len(pcm), CHUNK_BYTES):
        yield pcm[at : at + CHUNK_BYTES]


async def main(host: str, port: int, language: str) -> None:
    service = await WyomingService.create(host, port)
    entry = ConfigEntry(
        data={"host": host, "port": port},
        discovery_keys=MappingProxyType({}),
        domain="wyoming",
        minor_version=1,
        options={},
        source="user",
        subentries_data=(),
        title=service.get_name(),
        unique_id=None,
        version=1,
    )
    entity = WyomingSttProvider(entry, service)
    metadata = stt.SpeechMetadata(
        language=language,
        format=stt.AudioFormats.WAV,
        codec=stt.AudioCodecs.PCM,
        bit_rate=stt.AudioBitRates.BITRATE_16,
        sample_rate=stt.AudioSampleRates.SAMPLERATE_16000,
        channel=stt.AudioChannels.CHANNEL_MONO,
    )
    result = await entity.async_process_audio_stream(metadata, recording())
    answer = {
        "platforms": [str(platform) for platform in service.platforms],
        "is_supported": entity.check_metadata(metadata),
        "state": result.result.value,
        "text": result.text,
    }
    sys.stdout.write(json.dumps(answer))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
