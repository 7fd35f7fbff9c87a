"""When the audio of a session was spoken."""

from dataclasses import replace

import pytest

from gateway.sinks.session_clock import SessionClock
from gateway.wire import Latency, OfChannel, SpeechEnded, SpeechStarted
from tests.events import final, ready

SECOND = 16_000


def test_without_events_audio_begins_with_the_session() -> None:
    assert SessionClock(100.0).time_of(SECOND) == 101.0


def test_the_beginning_of_speech_is_an_estimate_until_a_final_says_better() -> None:
    clock = SessionClock(100.0)
    clock.observe(SpeechStarted(2, 1, 3 * SECOND), 110.0)
    assert clock.time_of(3 * SECOND) == 110.0
    event = replace(final(3, 3), start_sample=3 * SECOND, end_sample=4 * SECOND, latency=Latency(0.5, 0.1, 0.2, 0.2))
    clock.observe(OfChannel(0, event), 111.5)
    assert clock.time_of(3 * SECOND) == 109.5, "it ended a second before its final"
    clock.observe(SpeechStarted(4, 2, 5 * SECOND), 120.0)
    assert clock.time_of(5 * SECOND) == 111.5, "finals are more exact"


@pytest.mark.parametrize(
    ("reason", "endpoint_s", "ended_s"),
    [
        ("silence", 0.7, 3.7),  # the utterance has 0.3 s of the silence
        ("flush", 0.1, 3.9),  # and here all that there is
        ("max_length", 0.7, 4.0),  # it was cut while somebody spoke
    ],
)
def test_the_silence_that_an_utterance_keeps_was_after_the_last_speech(
    reason: str, endpoint_s: float, ended_s: float
) -> None:
    clock = SessionClock(100.0, pad_after_s=0.3)
    clock.observe(SpeechEnded(2, 0, 0, 4 * SECOND, reason), 104.0)
    event = replace(final(3, 3), utterance_id=0, end_sample=4 * SECOND, latency=Latency(endpoint_s, 0.0, 0.2, 0.0))
    clock.observe(event, 104.0)
    assert clock.origin_s == pytest.approx(104.0 - endpoint_s - 0.2 - ended_s)


def test_audio_that_is_early_was_delayed_before() -> None:
    clock = SessionClock(100.0)
    clock.observe(final(1, 1), 101.5)
    clock.observe(final(2, 2), 102.4)
    assert clock.time_of(2 * SECOND) == pytest.approx(101.9)


def test_a_pause_of_the_client_moves_what_follows_and_not_what_was_before() -> None:
    clock = SessionClock(100.0)
    clock.observe(final(1, 1), 101.5)
    clock.observe(final(2, 2), 162.5)
    assert (clock.time_of(SECOND), clock.time_of(2 * SECOND), clock.origin_s) == (101.0, 162.0, 160.0)


def test_jitter_is_no_pause() -> None:
    clock = SessionClock(100.0)
    clock.observe(final(1, 1), 101.5)
    clock.observe(final(2, 2), 102.6)
    assert clock.time_of(2 * SECOND) == 102.0


def test_other_events_say_nothing_and_an_earlier_run_can_be_continued() -> None:
    clock = SessionClock(100.0)
    clock.observe(ready(), 500.0)
    clock.restore(90.0)
    assert clock.origin_s == 90.0
