"""Acks count the client's sample frames, and never exceed what was received."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from gateway.session.acknowledgements import Acknowledgements
from gateway.wire import Ack, AudioFormat
from vad.audio import Encoding

PHONE = AudioFormat(Encoding.PCM_S16LE, 8_000)


def acks(settled_sample: int = 0, interval_s: float = 1.0) -> Acknowledgements:
    return Acknowledgements(PHONE, interval_s, settled_sample, count(1).__next__)


def test_an_ack_is_due_once_an_interval_of_audio_was_received() -> None:
    made = acks()
    assert not made.is_due(7_999)
    assert made.is_due(8_000)
    made.build(8_000, None)
    assert not made.is_due(15_999)
    assert made.is_due(16_000)


def test_an_infinite_interval_is_never_due() -> None:
    assert not acks(interval_s=float("inf")).is_due(10**12)


def test_audio_up_to_the_oldest_outstanding_utterance_is_processed() -> None:
    assert acks().build(8_000, 4_000) == Ack(1, 8_000, 2_000)


def test_all_audio_is_processed_without_an_outstanding_utterance() -> None:
    assert acks().build(8_000, None) == Ack(1, 8_000, 8_000)


def test_settled_audio_stays_acknowledged_while_it_is_received_again() -> None:
    made = acks(settled_sample=32_000)
    assert made.build(8_000, None) == Ack(1, 16_000, 16_000)
    assert made.build(24_000, 40_000) == Ack(2, 24_000, 20_000)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.none() | st.integers(0, 10**8))
def test_processed_audio_never_exceeds_received_audio(
    received: int, settled_sample: int, answered_until: int | None
) -> None:
    ack = acks(settled_sample).build(received, answered_until)
    assert 0 <= ack.processed_samples <= ack.received_samples >= received
