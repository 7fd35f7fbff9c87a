"""Skip the collection of tests whose client is not installed; tests that run theirs as a program are collected."""

from importlib.util import find_spec

_NEEDED = {
    "test_livekit.py": "livekit",
    "test_mistral.py": "mistralai",
    "test_pipecat.py": "pipecat",
    "test_speech_to_speech.py": "speech_to_speech",
    "test_vosk.py": "vosk",
}

collect_ignore = [tests for tests, module in _NEEDED.items() if find_spec(module) is None]
