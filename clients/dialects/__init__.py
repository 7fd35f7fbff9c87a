"""Drivers of the dialects of streaming transcription servers: one module and one line of `DRIVERS` each."""

from collections.abc import Mapping

from clients.dialects.addresses import detect
from clients.dialects.assemblyai import AssemblyAiDriver
from clients.dialects.deepgram import DeepgramDriver
from clients.dialects.deepgram_flux import DeepgramFluxDriver
from clients.dialects.driver import DriverFactory
from clients.dialects.native import NativeDriver
from clients.dialects.openai_realtime import OpenAiRealtimeDriver
from clients.dialects.openai_rest import OpenAiRestDriver
from clients.dialects.vllm_realtime import VllmRealtimeDriver
from clients.dialects.vosk import VoskDriver
from clients.dialects.whisperlive import WhisperLiveDriver
from clients.dialects.whisperlivekit import WhisperLiveKitDriver
from clients.dialects.wyoming import WyomingDriver

__all__ = ["DRIVERS", "READY_WHEN_CONNECTED", "detect"]

DRIVERS: Mapping[str, DriverFactory] = {
    "native": NativeDriver,
    "openai-realtime": OpenAiRealtimeDriver,
    "deepgram": DeepgramDriver,
    "deepgram-flux": DeepgramFluxDriver,
    "vosk": VoskDriver,
    "wyoming": WyomingDriver,
    "whisperlive": WhisperLiveDriver,
    "whisperlivekit": WhisperLiveKitDriver,
    "assemblyai": AssemblyAiDriver,
    "vllm-realtime": VllmRealtimeDriver,
    "openai-rest": OpenAiRestDriver,
}
"""Dialect → factory of its driver."""

READY_WHEN_CONNECTED = frozenset({"deepgram", "vosk", "wyoming", "openai-rest"})
"""Dialects without a message that says that the server takes audio."""
