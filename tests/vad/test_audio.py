"""Bytes to sound."""

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio import noise, speechlike, tone
from vad.audio import AudioFormat, Encoding, Float32, PcmDecoder
from vad.errors import AudioError, AudioFormatError

MULAW = AudioFormat(Encoding.PCM_MULAW)
ALAW = AudioFormat(Encoding.PCM_ALAW)
S24 = AudioFormat(Encoding.PCM_S24LE)
F32 = AudioFormat(Encoding.PCM_F32LE)
STEREO = AudioFormat(channels=2)


def decode(audio_format: AudioFormat, *pieces: bytes) -> Float32:
    decoder = PcmDecoder(audio_format)
    frames = [decoder.push(piece) for piece in pieces]
    frames.append(decoder.finish())
    for earlier, later in pairwise(frames):
        assert later.start_sample == earlier.end_sample
    return np.concatenate([frame.samples for frame in frames])


def cut(data: bytes, places: list[float]) -> list[bytes]:
    edges = [0, *sorted(int(place * len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def codes(audio_format: AudioFormat, *values: int) -> list[int]:
    return [round(float(sample) * 32_768) for sample in decode(audio_format, bytes(values))]


def test_s16_is_scaled_by_its_full_range() -> None:
    assert decode(AudioFormat(), struct.pack("<4h", 0, 16_384, -32_768, 32_767)).tolist() == [
        0,
        0.5,
        -1,
        32_767 / 32_768,
    ]


def test_s24_keeps_every_bit() -> None:
    values = [0, 1, -1, 2**22, -(2**23), 2**23 - 1]
    data = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    assert (decode(S24, data) * 2**23).tolist() == values


def test_stereo_is_mixed_by_its_mean() -> None:
    left, right = tone(0.1, amplitude=0.5), tone(0.1, 300, amplitude=0.25)
    stereo = np.stack([left, right], axis=1).astype("<f4").tobytes()
    mixed = decode(AudioFormat(Encoding.PCM_F32LE, channels=2), stereo)
    np.testing.assert_allclose(mixed, (left + right) / 2, atol=1e-7)


def test_mulaw_has_the_values_of_g711() -> None:
    # ITU-T G.711 table 2a, decoder output values y of 14 bits, times four.
    assert codes(MULAW, 0x80, 0x8F, 0xFF, 0x7F, 0x00, 0xFE) == [32_124, 16_764, 0, 0, -32_124, 8]


def test_alaw_has_the_values_of_g711() -> None:
    # ITU-T G.711 table 1a, decoder output values y of 13 bits, times eight.
    assert codes(ALAW, 0xAA, 0xD5, 0x55, 0x2A, 0xD4) == [32_256, 8, -8, -32_256, 24]


def test_g711_is_odd_and_uses_all_its_codes() -> None:
    for audio_format, values in ((MULAW, 255), (ALAW, 256)):  # µ-law has two zeros
        table = codes(audio_format, *range(256))
        assert len(set(table)) == values
        assert table[:128] == [-value for value in table[128:]] or table[128:] == [-value for value in table[:128]]


def test_floats_that_are_no_sound_are_repaired_and_counted() -> None:
    decoder = PcmDecoder(F32)
    signalling_nan = b"\x01\x00\x80\x7f"
    wrong = struct.pack("<5f", float("nan"), float("inf"), float("-inf"), 1.5, -7.0) + signalling_nan
    samples = decoder.push(wrong + struct.pack("<2f", 1.0, -0.25)).samples
    assert samples.tolist() == [0, 0, 0, 1, -1, 0, 1, -0.25]
    assert decoder.repaired_samples == 6


def test_bytes_of_an_incomplete_sample_frame_are_reported() -> None:
    decoder = PcmDecoder(STEREO)
    assert len(decoder.push(bytes(19)).samples) == 4
    assert decoder.leftover_bytes == 3
    decoder.finish()
    assert decoder.leftover_bytes == 3
    assert decoder.received_samples == 4


def test_received_samples_count_at_the_rate_of_the_input() -> None:
    decoder = PcmDecoder(AudioFormat(sample_rate_hz=48_000))
    decoder.push(bytes(9_600))
    assert decoder.received_samples == 4_800


def test_a_stream_shorter_than_any_header_comes_out_at_the_end() -> None:
    decoder = PcmDecoder(AudioFormat())
    assert len(decoder.push(struct.pack("<2h", 8_192, -8_192)).samples) == 0
    assert decoder.finish().samples.tolist() == [0.25, -0.25]


def test_an_empty_stream_is_empty() -> None:
    assert len(decode(AudioFormat())) == 0
    assert len(decode(AudioFormat(sample_rate_hz=8_000), b"")) == 0


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "WAVE"),
        (b"fLaC\x00\x00\x00\x22", "FLAC"),
        (b"OggS\x00\x02", "Ogg"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81", "WebM"),
        (b"ID3\x04\x00", "MP3"),
        (b"\x00\x00\x00\x20ftypM4A ", "MP4"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1, 5, 100])
def test_a_file_instead_of_raw_samples_is_refused(head: bytes, name: str, piece_bytes: int) -> None:
    data = head + bytes(40)
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    with pytest.raises(AudioError, match=rf"{name}.*raw PCM"):
        decode(AudioFormat(), *pieces)


def test_the_start_of_a_file_is_refused_even_when_nothing_follows() -> None:
    with pytest.raises(AudioError, match="Ogg"):
        decode(AudioFormat(), b"OggS")


def test_what_looks_like_a_header_later_on_is_sound() -> None:
    assert len(decode(AudioFormat(), bytes(16), b"RIFF\x24\x00\x00\x00WAVE")) == 14


def test_riff_without_wave_is_sound() -> None:
    assert len(decode(AudioFormat(), b"RIFF\x24\x00\x00\x00RIFF")) == 6


@pytest.mark.parametrize(
    ("sample_rate_hz", "channels", "message"),
    [
        (7_999, 1, "7999 Hz: allowed are 8000 to 48000"),
        (96_000, 1, "96000 Hz"),
        (16_000, 0, "0 channels: allowed are 1 and 2"),
        (16_000, 6, "6 channels"),
    ],
)
def test_a_format_that_is_not_read_says_what_is_allowed(sample_rate_hz: int, channels: int, message: str) -> None:
    with pytest.raises(AudioFormatError, match=message):
        AudioFormat(Encoding.PCM_S16LE, sample_rate_hz, channels)


@pytest.mark.parametrize(
    ("encoding", "size_bytes"),
    [("pcm_s16le", 2), ("pcm_s24le", 3), ("pcm_f32le", 4), ("pcm_mulaw", 1), ("pcm_alaw", 1)],
)
def test_a_sample_frame_has_a_sample_of_every_channel(encoding: str, size_bytes: int) -> None:
    assert AudioFormat(Encoding(encoding), channels=2).bytes_per_sample_frame == 2 * size_bytes


def test_a_full_scale_square_wave_stays_in_range_when_resampled() -> None:
    square = np.sign(tone(0.5, 440)).astype("<f4").tobytes()
    samples = decode(AudioFormat(Encoding.PCM_F32LE, 44_100), square)
    assert np.max(np.abs(samples)) <= 1


@settings(max_examples=60, deadline=None)
@given(
    encoding=st.sampled_from(Encoding),
    sample_rate_hz=st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]),
    channels=st.sampled_from([1, 2]),
    data=st.binary(max_size=64),
    places=st.lists(st.floats(0, 1), max_size=12),
)
def test_the_cuts_do_not_change_the_sound(
    encoding: Encoding, sample_rate_hz: int, channels: int, data: bytes, places: list[float]
) -> None:
    sound = np.concatenate([noise(0.05), speechlike(0.2)])
    data = bytes(12) + (sound * 32_767).astype("<i2").tobytes() + data
    audio_format = AudioFormat(encoding, sample_rate_hz, channels)
    whole, pieces = decode(audio_format, data), decode(audio_format, *cut(data, places))
    assert whole.dtype == pieces.dtype == np.float32
    assert np.max(np.abs(whole)) <= 1
    np.testing.assert_array_equal(whole, pieces)
