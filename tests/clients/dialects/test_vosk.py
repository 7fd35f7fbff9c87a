from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, TimedText
from clients.dialects.vosk import VoskDriver
from tests.clients.dialects.driving import ending, fed, json_sent, opened, recorded, shown, transcripts


def test_the_config_has_the_rate_and_the_users_options_but_no_terms() -> None:
    driver = VoskDriver(DriverOptions("ignored", "en", "key", ("Kiel",), {"max_alternatives": "1"}))
    driver.open()
    assert json_sent(driver) == [{"config": {"sample_rate": 16_000, "words": True, "max_alternatives": 1}}]
    assert driver.target("ws://host:2700").url == "ws://host:2700/"
    assert driver.target("ws://host/v1/vosk").url == "ws://host/v1/vosk"


def test_the_end_is_written_as_vosk_server_compares_it() -> None:
    driver = opened("vosk")
    driver.send_audio(b"ab")
    driver.finish()
    assert driver.take_outgoing() == [b"ab", '{"eof" : 1}']


def test_the_session_has_finished_with_the_reply_to_the_end() -> None:
    driver = opened("vosk")
    for _ in range(2):
        driver.send_audio(b"ab")
    driver.finish()
    assert ending(fed(driver, {"partial": ""}, {"text": "one"})) is None
    assert ending(fed(driver, {"text": ""})) == Finished()


def test_a_server_may_end_by_closing_although_a_reply_is_missing() -> None:
    driver = opened("vosk")
    driver.send_audio(b"ab")
    driver.finish()
    assert driver.closed(1000, "") == [Finished()]


def test_each_result_begins_a_new_segment() -> None:
    driver = opened("vosk")
    result = [{"word": "one", "start": 0.5, "end": 1.0, "conf": 1.0}]
    events = fed(
        driver, {"partial": "on"}, {"partial": "one"}, {"text": "one", "result": result}, {"text": ""}, {"partial": "t"}
    )
    assert events[0] == Ready()
    assert shown(events) == [("0", "on", False), ("0", "one", False), ("0", "one", True), ("1", "t", False)]
    assert transcripts(events)[2].words == (TimedText("one", 0.5, 1.0),)


def test_the_first_alternative_is_the_text() -> None:
    alternatives = [{"text": "one", "confidence": 3.0}, {"text": "won", "confidence": 2.0}]
    assert shown(fed(opened("vosk"), {"alternatives": alternatives})) == [("0", "one", True)]


def test_a_reply_of_another_kind_is_only_counted() -> None:
    assert fed(opened("vosk"), {"spk": [0.1]}) == [Ready()]


def test_an_error_is_the_reason_of_the_close_that_follows() -> None:
    driver = opened("vosk")
    error = {"text": "", "error": "sample rate 1: expected 8000 to 48000"}
    assert fed(driver, error, {"partial": ""}) == [Ready()]
    assert driver.closed(1008, "bad") == [Failed("1008", "sample rate 1: expected 8000 to 48000")]


def test_a_real_servers_session_is_one_final_after_many_hypotheses() -> None:
    """vosk-server with a Korean model: English speech in 100 frames."""
    driver = opened("vosk")
    for _ in range(100):
        driver.send_audio(b"ab")
    driver.finish()
    events = fed(driver, *recorded("vosk"))
    finals = [each for each in transcripts(events) if each.is_final]
    assert [len(each.text.split()) for each in finals] == [17]
    assert len(finals[0].words) == 17
    assert len(transcripts(events)) > 10
    assert events[-1] == Finished()
