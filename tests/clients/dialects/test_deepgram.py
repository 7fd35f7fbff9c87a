import json
from urllib.parse import parse_qs, urlsplit

from clients.dialects.deepgram import DeepgramDriver
from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, TimedText, Transcript
from tests.clients.dialects.driving import fed, opened, shown, transcripts


def results(text: str, *, is_final: bool = False, speech_final: bool = False) -> dict[str, object]:
    words = [{"word": word.lower(), "start": 0.5, "end": 1.0, "punctuated_word": word} for word in text.split()]
    channel = {"alternatives": [{"transcript": text, "confidence": 1.0, "words": words}]}
    return {"type": "Results", "is_final": is_final, "speech_final": speech_final, "channel": channel}


METADATA = {"type": "Metadata", "duration": 1.0}


def test_the_url_has_all_options() -> None:
    options = DriverOptions("nova-3", "en", "key", ("Kiel", "Bonn"), {"endpointing": "300", "interim_results": "false"})
    target = DeepgramDriver(options).target("ws://host")
    assert urlsplit(target.url).path == "/v1/listen"
    assert parse_qs(urlsplit(target.url).query) == {
        "encoding": ["linear16"],
        "sample_rate": ["16000"],
        "model": ["nova-3"],
        "language": ["en"],
        "keyterm": ["Kiel", "Bonn"],
        "endpointing": ["300"],
        "interim_results": ["false"],
    }
    assert target.headers == {"Authorization": "Token key"}


def test_an_utterance_is_one_segment_whose_closed_windows_are_committed() -> None:
    events = fed(
        opened("deepgram"),
        results("Hello"),
        results("Hello there", is_final=True),
        results("good"),
        results("good day.", is_final=True, speech_final=True),
        results("Next"),
    )
    assert [(each.segment, each.text, each.is_final, each.committed_chars) for each in transcripts(events)] == [
        ("0", "Hello", False, 0),
        ("0", "Hello there", False, 11),
        ("0", "Hello there good", False, 11),
        ("0", "Hello there good day.", True, 21),
        ("1", "Next", False, 0),
    ]


def test_words_have_times_and_punctuation() -> None:
    [final] = transcripts(fed(opened("deepgram"), results("Hi.", is_final=True, speech_final=True)))
    assert final == Transcript("0", "Hi.", True, 3, (TimedText("Hi.", 0.5, 1.0),))


def test_silence_has_no_segment() -> None:
    driver = opened("deepgram")
    assert fed(driver, results(""), results("", is_final=True, speech_final=True)) == [Ready()]
    assert shown(fed(driver, results("a", is_final=True, speech_final=True))) == [("0", "a", True)]


def test_an_interim_result_can_be_withdrawn() -> None:
    events = fed(opened("deepgram"), results("hm"), results("", is_final=True, speech_final=True), results("a"))
    assert shown(events) == [("0", "hm", False), ("0", "", True), ("1", "a", False)]


def test_utterance_end_ends_an_utterance_that_has_no_speech_final() -> None:
    driver = opened("deepgram")
    events = fed(driver, results("a", is_final=True), {"type": "UtteranceEnd", "last_word_end": 1.0}, results("b"))
    assert shown(events) == [("0", "a", False), ("0", "a", True), ("1", "b", False)]


def test_the_metadata_after_the_end_finish_what_is_open() -> None:
    driver = opened("deepgram")
    fed(driver, results("a", is_final=True))
    assert fed(driver, METADATA) == []
    driver.finish()
    assert [json.loads(each) for each in driver.take_outgoing()] == [{"type": "CloseStream"}]
    [final, end] = fed(driver, METADATA)
    assert shown([final]) == [("0", "a", True)]
    assert end == Finished()


def test_metadata_as_the_first_message_are_not_the_end() -> None:
    driver = opened("deepgram")
    driver.finish()
    assert fed(driver, METADATA, results("a")) == [Ready(), Transcript("0", "a", False, 0, (TimedText("a", 0.5, 1.0),))]
    assert driver.closed(1000, "") == [Finished()]


def test_an_error_ends_the_session_unless_it_answers_a_message() -> None:
    schema = {"type": "Error", "variant": "SchemaError", "description": "unknown", "message": "x"}
    fatal = {"type": "Error", "description": "", "message": "broken"}
    assert fed(opened("deepgram"), schema, fatal) == [Ready(), Failed("Error", "broken")]


def test_other_messages_and_results_without_alternatives_cause_no_transcript() -> None:
    started = {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.4}
    assert fed(opened("deepgram"), started, {"type": "Results", "channel": {"alternatives": []}}) == [Ready()]
