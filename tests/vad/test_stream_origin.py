"""A stream that is taken up again hears what it would have heard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio import noise, silence, speechlike
from tests.recordings import recording
from vad.audio import AudioFormat, Encoding, Float32, PcmDecoder
from vad.audio_history import AudioHistory
from vad.detector import DETECTORS, create_detector
from vad.events import EndReason, SpeechEnded
from vad.settings import SegmenterSettings
from vad.speech_frontend import SpeechFrontend
from vad.stream_origin import GRID_SAMPLES, StreamOrigin, warm_up_start

SETTINGS = SegmenterSettings(max_utterance_s=4.0, split_search_s=1.0)

TOLERANCE = {"webrtc": 0, "hybrid": 0, "silero": 512}
"""In samples. Silero's own state fades slowly where it hears everything: a window near the threshold may differ."""

Heard = tuple[int, int, int, EndReason]
"""Utterance, its span, and why it ended."""


def utterances(detector: str, sound: Float32, origin: StreamOrigin = StreamOrigin()) -> list[Heard]:  # noqa: B008  # it is frozen
    data = (sound * 32_767).astype("<i2").tobytes()
    listener = SpeechFrontend(AudioFormat(), create_detector(detector), SETTINGS, origin)
    events = listener.push(data[origin.first_sample * 2 :]) + listener.finish()
    ended = [event for event in events if isinstance(event, SpeechEnded)]
    return [(event.utterance_id, event.start_sample, event.end_sample, event.reason) for event in ended]


def after(heard: Heard) -> StreamOrigin:
    """Return where a stream is taken up when that was the last utterance with a final."""
    utterance_id, _, end_sample, reason = heard
    return StreamOrigin(warm_up_start(end_sample), end_sample, utterance_id + 1, reason is EndReason.MAX_LENGTH)


def talk() -> Float32:
    """Speech of several lengths, one too long for an utterance, between noises and pauses."""
    pieces = [speechlike(1.3), noise(0.7, 0.01), speechlike(9.0), silence(1.0), speechlike(2.2), noise(0.9, 0.02)]
    return np.concatenate([noise(0.8, 0.01), *pieces, speechlike(0.8), silence(1.2), speechlike(3.0), silence(1.0)])


@pytest.mark.parametrize("detector", DETECTORS)
def test_what_follows_any_utterance_is_heard_as_before(detector: str) -> None:
    sound = talk()
    whole = utterances(detector, sound)
    assert whole
    for number, heard in enumerate(whole):
        rest, expected = utterances(detector, sound, after(heard)), whole[number + 1 :]
        assert len(rest) == len(expected)
        for (_, start, end, _), (_, expected_start, expected_end, _) in zip(rest, expected, strict=True):
            assert abs(start - expected_start) <= TOLERANCE[detector]
            assert abs(end - expected_end) <= TOLERANCE[detector]


@pytest.mark.parametrize("name", ["en_two_cities.flac", "en_harvard.flac"])
def test_so_it_is_in_a_recording(name: str) -> None:
    sound = recording(name)
    whole = utterances("hybrid", sound)
    for number in range(0, len(whole), max(1, len(whole) // 6)):
        rest = utterances("hybrid", sound, after(whole[number]))
        assert rest == whole[number + 1 :]


def test_sound_before_the_settled_sample_is_for_the_detector_alone() -> None:
    sound = np.concatenate([speechlike(6.0), silence(1.0), speechlike(2.0), silence(1.0)])
    (heard,) = utterances("hybrid", sound, StreamOrigin(0, 7 * 16_000, 3))
    assert heard[0] == 3
    assert heard[1] >= 7 * 16_000


@settings(max_examples=30, deadline=None)
@given(
    rate_hz=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    grid=st.integers(0, 20),
    encoding=st.sampled_from(list(Encoding)),
)
def test_a_decoder_counts_from_where_it_begins(rate_hz: int, grid: int, encoding: Encoding) -> None:
    audio, first = AudioFormat(encoding, rate_hz), grid * GRID_SAMPLES
    decoder = PcmDecoder(audio, first)
    assert decoder.received_samples * 16_000 == first * rate_hz
    frame = decoder.push(audio.silence(rate_hz))
    assert frame.start_sample == first
    assert decoder.received_samples == first * rate_hz // 16_000 + rate_hz


@pytest.mark.parametrize("encoding", list(Encoding))
def test_silence_is_silent_in_every_encoding(encoding: Encoding) -> None:
    frame = PcmDecoder(AudioFormat(encoding)).push(AudioFormat(encoding).silence(100))
    assert len(frame.samples) == 100
    assert np.abs(frame.samples).max() < 0.001


def test_a_cut_sample_is_forgotten_and_comes_again_whole() -> None:
    decoder = PcmDecoder(AudioFormat())
    whole = (speechlike(0.1) * 32_767).astype("<i2").tobytes()
    before = decoder.push(whole[:1001]).samples
    decoder.drop_partial_frame()
    assert decoder.received_samples == 500
    after_cut = decoder.push(whole[1000:]).samples
    assert np.array_equal(np.concatenate([before, after_cut]), PcmDecoder(AudioFormat()).push(whole).samples)


def test_a_tape_may_begin_anywhere() -> None:
    tape = AudioHistory(1_000)
    tape.append(np.ones(20_000, np.float32))
    assert tape.end_sample == 21_000
    assert len(tape.view(1_000, 21_000)) == 20_000
    with pytest.raises(ValueError, match="holds 1000 to 21000"):
        tape.view(999, 1_001)
