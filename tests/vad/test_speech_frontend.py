"""The whole way from bytes to utterances does not depend on how the bytes are cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio import noise, silence, speechlike
from tests.recordings import recording
from vad.audio import AudioFormat, Encoding, Float32
from vad.detector import DETECTORS, SpeechDetector, create_detector
from vad.events import SpeechEvent
from vad.settings import SegmenterSettings
from vad.speech_frontend import SpeechFrontend

SHORT = SegmenterSettings(max_utterance_s=2.0, split_search_s=1.0)


class LoudnessDetector:
    """Hears speech in whatever is loud, so that a test decides what is speech."""

    window_samples = 256

    def probabilities(self, windows: Float32) -> Float32:
        loud = np.abs(windows).max(axis=1) > 0.05
        return np.asarray(loud, np.float32)


def events(detector: SpeechDetector, audio_format: AudioFormat, pieces: list[bytes]) -> list[tuple[object, ...]]:
    listener = SpeechFrontend(audio_format, detector, SHORT)
    heard = [event for piece in pieces for event in listener.push(piece)] + listener.finish()
    return [_comparable(event) for event in heard]


def _comparable(event: SpeechEvent) -> tuple[object, ...]:
    reason = getattr(event, "reason", None)
    samples = event.samples.tobytes()
    return (
        type(event),
        event.utterance_id,
        event.start_sample,
        samples,
        event.voiced_end_sample,
        event.audio_end_sample,
        event.speech_probability,
        reason,
    )


def cut(data: bytes, places: list[float]) -> list[bytes]:
    edges = [0, *sorted(int(place * len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def s16(sound: Float32) -> bytes:
    return (sound * 32_767).astype("<i2").tobytes()


@settings(max_examples=20, deadline=None)
@given(
    rate_hz=st.sampled_from([8_000, 16_000, 44_100]),
    encoding=st.sampled_from([Encoding.PCM_S16LE, Encoding.PCM_S24LE, Encoding.PCM_MULAW]),
    channels=st.sampled_from([1, 2]),
    places=st.lists(st.floats(0, 1), max_size=40),
)
def test_any_cut_of_the_bytes_gives_the_same_events(
    rate_hz: int, encoding: Encoding, channels: int, places: list[float]
) -> None:
    mono = np.concatenate([noise(0.3, 0.01), speechlike(5), silence(1), speechlike(1.3), noise(0.7, 0.01)])
    data = s16(np.repeat(mono, 2))
    audio_format = AudioFormat(encoding, rate_hz, channels)
    whole = events(LoudnessDetector(), audio_format, [data])
    assert len(whole) > 3
    assert events(LoudnessDetector(), audio_format, cut(data, places)) == whole


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("piece_bytes", [333, 640, 3_200, 100_001])
def test_a_real_detector_gives_the_same_events_for_any_frame_length(name: str, piece_bytes: int) -> None:
    data = s16(recording("vad_ami/trn00.flac")[: 16_000 * 12])
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    whole = events(create_detector(name), AudioFormat(), [data])
    assert whole
    assert events(create_detector(name), AudioFormat(), pieces) == whole
