import json

import numpy as np
import pytest

from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, SettlingDriver, TimedText, Transcript
from clients.dialects.whisperlive import WhisperLiveDriver
from tests.clients.dialects.driving import fed, json_sent, opened, recorded, shown

END = b"END_OF_AUDIO"
SECOND = bytes(2 * 16_000)


def segment(start: float, end: float, text: str, *, completed: bool = False) -> dict[str, object]:
    return {"start": f"{start:.3f}", "end": f"{end:.3f}", "text": f" {text}", "completed": completed}


def message(*segments: dict[str, object]) -> dict[str, object]:
    return {"uid": "livecue", "segments": segments}


def test_the_first_message_has_the_users_options() -> None:
    driver = WhisperLiveDriver(DriverOptions("tiny.en", "en", "key", ("Kiel", "Bonn"), {"use_vad": "false"}))
    driver.open()
    [request] = json_sent(driver)
    assert request == {
        "uid": "livecue",
        "language": "en",
        "task": "transcribe",
        "model": "tiny.en",
        "use_vad": False,
        "hotwords": "Kiel, Bonn",
    }
    target = driver.target("host:9090")
    assert (target.url, target.headers) == ("ws://host:9090/", {"Authorization": "Bearer key"})


def test_a_model_is_named_in_any_case() -> None:
    driver = WhisperLiveDriver(DriverOptions())
    driver.open()
    [request] = json_sent(driver)
    assert request == {"uid": "livecue", "language": None, "task": "transcribe", "model": "small", "use_vad": True}


def test_audio_is_float32_between_minus_1_and_1() -> None:
    driver = opened("whisperlive")
    driver.send_audio(np.array([-32_768, 0, 16_384], "<i2").tobytes())
    [sent] = driver.take_outgoing()
    assert isinstance(sent, bytes)
    assert np.frombuffer(sent, "<f4").tolist() == [-1.0, 0.0, 0.5]


def test_completed_segments_are_final_and_the_open_one_is_not() -> None:
    events = fed(
        opened("whisperlive"),
        {"uid": "livecue", "message": "SERVER_READY", "backend": "faster_whisper"},
        {"uid": "livecue", "language": "en", "language_prob": 0.9},
        message(segment(0.0, 1.0, "hello there good")),
        message(segment(0.0, 1.0, "hello there", completed=True), segment(1.0, 2.0, "good")),
        message(segment(0.0, 1.0, "hello there", completed=True), segment(1.0, 2.5, "good day", completed=True)),
        message(segment(1.0, 2.5, "good day", completed=True), segment(2.5, 3.0, "next")),
    )
    assert events[0] == Ready()
    assert shown(events) == [
        ("0", "hello there good", False),
        ("0", "hello there", True),
        ("1", "good", False),
        ("1", "good day", True),
        ("2", "next", False),
    ]


def test_all_segments_are_new_if_more_were_completed_than_a_message_holds() -> None:
    driver = opened("whisperlive")
    fed(driver, message(segment(0.0, 1.0, "one", completed=True)))
    later = [segment(float(at), at + 1.0, f"word {at}", completed=True) for at in range(1, 4)]
    assert [name for name, _, _ in shown(fed(driver, message(*later)))] == ["1", "2", "3"]


def test_a_repeated_text_is_another_segment_if_its_times_differ() -> None:
    driver = opened("whisperlive")
    fed(driver, message(segment(0.0, 1.0, "yes", completed=True)))
    both = message(segment(0.0, 1.0, "yes", completed=True), segment(1.0, 2.0, "yes", completed=True))
    assert shown(fed(driver, both)) == [("1", "yes", True)]


def test_an_open_segment_that_is_missing_is_withdrawn() -> None:
    first = segment(0.0, 1.0, "one", completed=True)
    events = fed(opened("whisperlive"), message(first, segment(1.0, 2.0, "hm")), message(first))
    assert shown(events)[1:] == [("1", "hm", False), ("1", "", False)]


def test_words_have_times_if_they_were_requested() -> None:
    words = [{"word": " one", "start": "0.100", "end": "0.500", "probability": 0.9}]
    events = fed(opened("whisperlive"), message({**segment(0.0, 1.0, "one", completed=True), "words": words}))
    assert events == [Transcript("0", "one", is_final=True, words=(TimedText("one", 0.1, 0.5),))]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"status": "WAIT", "message": 2.5}, "WAIT"),
        ({"status": "ERROR", "message": "Failed to load model: x"}, "ERROR"),
        ({"message": "DISCONNECT"}, "DISCONNECT"),
    ],
)
def test_a_refusal_or_disconnect_ends_the_session(status: dict[str, object], code: str) -> None:
    [failed] = fed(opened("whisperlive"), {"uid": "livecue", **status})
    assert isinstance(failed, Failed)
    assert failed.code == code


def test_a_warning_does_not_end_the_session() -> None:
    assert fed(opened("whisperlive"), {"uid": "livecue", "status": "WARNING", "message": "slow"}) == []


# --- the end -------------------------------------------------------------------------------------------------------


def test_the_end_is_withheld_until_all_audio_is_completed() -> None:
    driver = opened("whisperlive")
    for _ in range(3):
        driver.send_audio(SECOND)
    driver.take_outgoing()
    driver.finish()
    fed(driver, message(segment(0.0, 1.5, "one", completed=True)))
    assert driver.take_outgoing() == []
    fed(driver, message(segment(0.0, 1.5, "one", completed=True), segment(1.5, 2.5, "two", completed=True)))
    assert driver.take_outgoing() == [END]
    assert driver.closed(1000, "") == [Finished()]


def test_the_end_is_sent_once_nothing_more_arrives() -> None:
    driver = opened("whisperlive")
    driver.send_audio(SECOND)
    driver.take_outgoing()
    driver.finish()
    assert isinstance(driver, SettlingDriver)
    assert driver.settle_s == 15.0
    driver.settle()
    driver.settle()
    assert driver.take_outgoing() == [END]


def test_segments_before_the_end_of_the_audio_do_not_end_it() -> None:
    driver = opened("whisperlive")
    driver.send_audio(SECOND)
    driver.take_outgoing()
    fed(driver, message(segment(0.0, 1.0, "one", completed=True)))
    assert driver.take_outgoing() == []


@pytest.mark.parametrize("name", ["whisperlive", "whisperlive-batch"])
def test_a_real_servers_session_has_every_word_in_a_final(name: str) -> None:
    """WhisperLive 0.10.0 with Whisper tiny.en, without and with batches: speech of 10 s, and of 5 s and silence."""
    driver = opened(name.removesuffix("-batch"))
    events = fed(driver, *recorded(name))
    finals = " ".join(text for _, text, is_final in shown(events) if is_final)
    assert finals.startswith("Hello, can everyone hear me? Can you read the ")
    assert json.loads(recorded(name)[-1])["segments"][-1]["completed"]
