import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.dialects.driver import Driver, DriverOptions, Failed, Finished, Ready, TimedText, Transcript
from clients.dialects.native import NativeDriver
from clients.replay_buffer import KEPT_S, SEND_AHEAD_S
from gateway.wire import ProtocolError
from tests.clients.dialects.driving import fed, json_sent, opened, shown, transcripts

SECOND = 16_000
LATENCY = {"endpoint": 0, "queue": 0, "decode": 0, "delivery": 0}


def ready(seq: int = 1, next_sample: int = 0, *, is_kept: bool = True) -> dict[str, object]:
    message: dict[str, object] = {"type": "ready", "seq": seq, "session_id": "s", "engine": "e", "model": "m"}
    resumable = {"resume_token": "t", "next_sample": next_sample} if is_kept else {}
    return {**message, "device": "cpu", **resumable}


def cue(seq: int, cue_id: str, lines: list[str], stable_chars: int = 0, state: str = "partial") -> dict[str, object]:
    span = {"start_s": 0.0, "end_s": 1.0, "utterance_id": int(cue_id.partition(".")[0])}
    content = {"id": cue_id, "revision": seq, "lines": lines, "stable_chars": stable_chars, "state": state}
    return {"type": "cue", "seq": seq, **content, **span}


def final(seq: int, utterance_id: int, text: str, **more: object) -> dict[str, object]:
    span = {"start_s": 0.0, "end_s": 1.0, "utterance_id": utterance_id}
    return {"type": "final", "seq": seq, "text": text, "latency_ms": LATENCY, **span, **more}


def ack(seq: int, processed_s: float) -> dict[str, object]:
    samples = round(processed_s * SECOND)
    return {"type": "ack", "seq": seq, "received_samples": samples, "processed_samples": samples}


def audio(samples: int) -> bytes:
    """Return that many samples, each of which has its number as value."""
    return b"".join((number % 30_000).to_bytes(2, "little") for number in range(samples))


# --- starting ------------------------------------------------------------------------------------------------------


def test_the_start_has_the_users_options() -> None:
    options = DriverOptions(
        language="de", terms=("Kiel", "Bonn"), extra={"endpointing.silence_ms": "300", "partials": "false"}
    )
    driver = NativeDriver(options)
    driver.open()
    [start] = json_sent(driver)
    assert isinstance(start, dict)
    assert start["type"] == "start"
    assert (start["language"], start["engine"]) == ("de", {"prompt": "Kiel, Bonn"})
    assert start["endpointing"]["silence_ms"] == 300
    assert (start["partials"], start["words"], start["resumable"]) == (False, True, True)


def test_audio_is_sent_without_waiting_for_readiness() -> None:
    driver = opened("native")
    driver.send_audio(b"ab")
    driver.finish()
    assert list(driver.take_outgoing()) == [b"ab", '{"type":"stop"}']


def test_audio_before_the_connection_follows_the_start() -> None:
    driver = NativeDriver(DriverOptions())
    driver.send_audio(b"ab")
    assert driver.take_outgoing() == []
    driver.open()
    assert driver.take_outgoing()[1:] == [b"ab"]


def test_audio_beyond_45_s_without_an_answer_waits() -> None:
    driver = opened("native")
    fed(driver, ready())
    for _ in range(60):
        driver.send_audio(bytes(2 * SECOND))
    assert len(driver.take_outgoing()) == SEND_AHEAD_S + 1
    fed(driver, ack(2, 10.0))
    assert len(driver.take_outgoing()) == 10


# --- transcripts ---------------------------------------------------------------------------------------------------


def test_an_utterance_is_one_segment_of_all_its_cues() -> None:
    driver = opened("native")
    events = fed(
        driver,
        ready(),
        cue(2, "0.1", ["hello"]),
        cue(3, "0.1", ["hello there,", "people"], 12),
        cue(4, "0.2", ["good day"], 5),
        cue(5, "1.1", ["next"]),
    )
    assert events[0] == Ready()
    assert [(each.segment, each.text, each.committed_chars) for each in transcripts(events)] == [
        ("0", "hello", 0),
        ("0", "hello there, people", 12),
        ("0", "hello there, people good day", 12),
        ("1", "next", 0),
    ]


def test_committed_text_goes_on_into_the_next_cue() -> None:
    events = fed(opened("native"), ready(), cue(2, "0.1", ["one", "two"], 7, "final"), cue(3, "0.2", ["three"], 5))
    assert [(each.text, each.committed_chars) for each in transcripts(events)] == [
        ("one two", 7),
        ("one two three", 13),
    ]


def test_lines_of_a_script_without_spaces_are_joined_without() -> None:
    [transcript] = transcripts(fed(opened("native"), ready(), cue(2, "0.1", ["今日は", "雨です"], 7)))
    assert (transcript.text, transcript.committed_chars) == ("今日は雨です", 6)


def test_a_withdrawn_cue_withdraws_its_text() -> None:
    events = fed(opened("native"), ready(), cue(2, "0.1", ["hm"]), cue(3, "0.1", []))
    assert shown(events) == [("0", "hm", False), ("0", "", False)]


def test_the_final_has_words_with_their_times() -> None:
    words = [{"text": "hello", "start_s": 0.5, "end_s": 1.0, "probability": None}]
    events = fed(opened("native"), ready(), final(2, 0, "hello", words=words), cue(3, "0.1", ["late"]))
    assert transcripts(events) == [
        Transcript("0", "hello", is_final=True, committed_chars=5, words=(TimedText("hello", 0.5, 1.0),))
    ]


def test_a_fatal_error_ends_the_session_and_others_do_not() -> None:
    driver = opened("native")
    error = {"type": "error", "seq": 2, "code": "audio_too_far_behind", "message": "too late", "fatal": False}
    assert fed(driver, ready(), error) == [Ready()]
    assert fed(driver, {**error, "seq": 3, "fatal": True}) == [Failed("audio_too_far_behind", "too late")]
    assert driver.closed(1008, "") == []
    assert not driver.lose()


def test_messages_without_a_transcript_cause_no_event() -> None:
    assert fed(opened("native"), {"type": "speech_started", "seq": 1, "utterance_id": 0, "start_s": 0.0}) == []


# --- resuming ------------------------------------------------------------------------------------------------------


def test_a_lost_session_is_resumed_from_the_sample_that_the_server_requests() -> None:
    driver = opened("native")
    fed(driver, ready(), final(5, 0, "hello"))
    pcm = audio(SECOND)
    driver.send_audio(pcm)
    driver.take_outgoing()
    assert driver.lose()
    driver.send_audio(b"zz")
    assert driver.take_outgoing() == []
    driver.open()
    [resume] = json_sent(driver)
    assert resume == {"type": "resume", "session_id": "s", "token": "t", "after_seq": 5}
    assert fed(driver, ready(5, next_sample=SECOND - 10)) == [Ready()]
    assert b"".join(bytes(each) for each in driver.take_outgoing() if isinstance(each, bytes)) == pcm[-20:] + b"zz"


def test_events_that_are_repeated_after_a_resume_are_reported_once() -> None:
    driver = opened("native")
    fed(driver, ready(), cue(2, "0.1", ["a"]), final(3, 0, "a"))
    driver.lose()
    driver.open()
    assert fed(driver, ready(3), final(3, 0, "a"), final(9, 0, "a"), cue(10, "0.1", ["a"])) == [Ready()]


def test_a_session_that_has_not_begun_is_not_resumed() -> None:
    driver = opened("native")
    driver.send_audio(b"ab")
    driver.take_outgoing()
    assert not driver.lose()


def test_a_session_of_a_server_that_does_not_keep_it_begins_again() -> None:
    driver = opened("native")
    fed(driver, ready(is_kept=False))
    driver.send_audio(b"ab")
    driver.take_outgoing()
    assert not driver.lose()
    driver.open()
    start, sent = driver.take_outgoing()
    assert json.loads(start)["type"] == "start"
    assert sent == b"ab"


def test_a_server_that_requests_discarded_audio_has_lost_it() -> None:
    driver = opened("native")
    fed(driver, ready())
    for _ in range(40):
        driver.send_audio(bytes(2 * SECOND))
    fed(driver, ack(2, 40.0))
    driver.lose()
    driver.open()
    [resume] = json_sent(driver)[-1:]
    assert isinstance(resume, dict)
    assert 0 < resume["held_sample"] <= (40 - KEPT_S) * SECOND
    [failed] = fed(driver, ready(3, next_sample=0))
    assert isinstance(failed, Failed)
    assert failed.code == "audio_lost"
    assert fed(driver, ready(4)) == []


def test_a_server_that_requests_audio_from_the_future_is_refused() -> None:
    driver = opened("native")
    fed(driver, ready())
    driver.lose()
    driver.open()
    with pytest.raises(ProtocolError, match="at most 0"):
        fed(driver, ready(2, next_sample=1))


@dataclass
class Server:
    """Receives audio; a lost connection loses what it has not read."""

    received: bytes = b""
    seq: int = 1
    has_stopped: bool = False

    def read(self, driver: Driver, share: float) -> None:
        messages = list(driver.take_outgoing())
        for message in messages[: round(share * len(messages))]:
            if isinstance(message, bytes):
                self.received += message
            self.has_stopped = self.has_stopped or '"stop"' in str(message)

    def ready(self, driver: Driver) -> None:
        self.seq += 1
        fed(driver, ready(self.seq, next_sample=len(self.received) // 2))


@settings(max_examples=60)
@given(steps=st.lists(st.tuples(st.sampled_from(["send", "cut"]), st.floats(0, 1)), max_size=12))
def test_the_server_gets_all_audio_once_wherever_the_wire_is_cut(steps: list[tuple[str, float]]) -> None:
    driver, server, position = opened("native"), Server(), 0
    pcm = audio(12 * 400)
    server.ready(driver)
    for step, share in steps:
        if step == "send":
            driver.send_audio(pcm[position : position + 800])
            position += 800
        else:
            server.read(driver, share)
            assert driver.lose()
            driver.open()
            driver.take_outgoing()
            server.ready(driver)
    driver.send_audio(pcm[position:])
    driver.finish()
    server.read(driver, 1.0)
    assert server.received == pcm
    assert server.has_stopped
    assert fed(driver, {"type": "finished", "seq": 99, "audio_s": 1.0, "utterances": 0}) == [Finished()]
