import json
from urllib.parse import parse_qs, urlsplit

import pytest

from clients.dialects.deepgram_flux import DeepgramFluxDriver
from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, TimedText, Transcript
from tests.clients.dialects.driving import fed, opened


def turn(event: str, index: int, text: str) -> dict[str, object]:
    words = [{"word": word, "confidence": 1.0, "start": 0.5, "end": 1.0} for word in text.split()]
    return {"type": "TurnInfo", "event": event, "turn_index": index, "transcript": text, "words": words}


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (None, {"model": ["flux-general-en"]}),
        ("en", {"model": ["flux-general-en"]}),
        ("de", {"model": ["flux-general-multi"], "language_hint": ["de"]}),
    ],
)
def test_the_model_follows_from_the_language(language: str | None, expected: dict[str, list[str]]) -> None:
    target = DeepgramFluxDriver(DriverOptions(language=language, api_key="key")).target("ws://host")
    assert urlsplit(target.url).path == "/v2/listen"
    assert parse_qs(urlsplit(target.url).query) == {"encoding": ["linear16"], "sample_rate": ["16000"], **expected}
    assert target.headers == {"Authorization": "Token key"}


def test_terms_and_options_are_parameters() -> None:
    driver = DeepgramFluxDriver(DriverOptions("m", terms=("Kiel", "Bonn"), extra={"eot_threshold": "0.8"}))
    query = parse_qs(urlsplit(driver.target("ws://host").url).query)
    assert (query["model"], query["keyterm"], query["eot_threshold"]) == (["m"], ["Kiel", "Bonn"], ["0.8"])


def test_a_turn_is_one_segment_until_it_ends() -> None:
    events = fed(
        opened("deepgram-flux"),
        {"type": "Connected", "request_id": "r", "sequence_id": 0},
        turn("StartOfTurn", 0, "hello"),
        turn("EagerEndOfTurn", 0, "hello there"),
        turn("TurnResumed", 0, "hello there"),
        turn("EndOfTurn", 0, "hello there you"),
        turn("StartOfTurn", 1, "next"),
    )
    word = TimedText("hello", 0.5, 1.0)
    assert events[:2] == [Ready(), Transcript("0", "hello", is_final=False, words=(word,))]
    assert [(each.segment, each.text, each.is_final) for each in events[2:] if isinstance(each, Transcript)] == [
        ("0", "hello there", False),
        ("0", "hello there you", True),
        ("1", "next", False),
    ]


def test_words_without_times_have_none() -> None:
    words = [{"word": "hello", "confidence": 1.0}, {"word": "there", "confidence": 1.0, "start": 1.0}]
    message = {**turn("EndOfTurn", 0, "hello there"), "words": words}
    assert fed(opened("deepgram-flux"), message) == [Transcript("0", "hello there", is_final=True)]


def test_the_server_ends_by_closing() -> None:
    driver = opened("deepgram-flux")
    driver.finish()
    assert [json.loads(each) for each in driver.take_outgoing()] == [{"type": "CloseStream"}]
    assert driver.closed(1000, "") == [Finished()]


def test_a_server_that_breaks_at_the_end_has_failed() -> None:
    driver = opened("deepgram-flux")
    driver.finish()
    assert driver.closed(1011, "broken") == [Failed("1011", "broken")]


def test_errors_end_the_session_and_warnings_do_not() -> None:
    warning = {"type": "Warning", "code": "X", "description": "d"}
    error = {"type": "Error", "sequence_id": 1, "code": "INTERNAL_SERVER_ERROR", "description": "broken"}
    assert fed(opened("deepgram-flux"), warning, error) == [Failed("INTERNAL_SERVER_ERROR", "broken")]
