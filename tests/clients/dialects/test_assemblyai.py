from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.dialects.assemblyai import AssemblyAiDriver
from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, TimedText, Transcript
from tests.clients.dialects.driving import fed, json_sent, opened

MIN_BYTES, MAX_BYTES = 1_600, 32_000
"""50 ms and 1 s."""


def word(text: str, *, is_final: bool) -> dict[str, object]:
    return {"text": text, "start": 500, "end": 1_000, "confidence": 1.0, "word_is_final": is_final}


def turn(words: list[dict[str, object]], transcript: str, *, ended: bool = False, formatted: bool = False) -> object:
    flags = {"end_of_turn": ended, "turn_is_formatted": formatted, "end_of_turn_confidence": 0.5}
    return {"type": "Turn", "turn_order": 0, "transcript": transcript, "words": words, **flags}


@pytest.mark.parametrize(
    ("language", "model"),
    [
        (None, "universal-streaming-english"),
        ("en", "universal-streaming-english"),
        ("de", "universal-streaming-multilingual"),
    ],
)
def test_the_url_has_all_options(language: str | None, model: str) -> None:
    target = AssemblyAiDriver(DriverOptions(None, language, "key", ("Kiel", "Bonn"))).target("wss://host")
    assert urlsplit(target.url).path == "/v3/ws"
    assert parse_qs(urlsplit(target.url).query) == {
        "sample_rate": ["16000"],
        "encoding": ["pcm_s16le"],
        "format_turns": ["true"],
        "speech_model": [model],
        "keyterms_prompt": ['["Kiel", "Bonn"]'],
    }
    assert target.headers == {"Authorization": "key"}


def test_final_words_of_a_turn_are_committed_and_its_formatted_text_is_final() -> None:
    events = fed(
        opened("assemblyai"),
        {"type": "Begin", "id": "b", "expires_at": 1},
        turn([word("hi", is_final=True), word("my", is_final=False)], "hi"),
        turn([word("hi", is_final=True), word("bob", is_final=True)], "hi bob", ended=True),
        turn([word("Hi", is_final=True), word("Bob.", is_final=True)], "Hi Bob.", ended=True, formatted=True),
    )
    assert events[0] == Ready()
    assert [(each.text, each.is_final, each.committed_chars) for each in events if isinstance(each, Transcript)] == [
        ("hi my", False, 2),
        ("hi bob", False, 6),
        ("Hi Bob.", True, 7),
    ]
    last = events[-1]
    assert isinstance(last, Transcript)
    assert last.words == (TimedText("Hi", 0.5, 1.0), TimedText("Bob.", 0.5, 1.0))


def test_without_formatting_the_end_of_the_turn_is_final() -> None:
    driver = opened("assemblyai", DriverOptions(extra={"format_turns": "False"}))
    assert "format_turns=False" in driver.target("ws://host").url
    assert fed(driver, turn([], "hi bob", ended=True)) == [Transcript("0", "hi bob", is_final=True, committed_chars=6)]


def test_a_turn_without_words_has_its_transcript() -> None:
    assert fed(opened("assemblyai"), turn([], "hi")) == [Transcript("0", "hi", is_final=False, committed_chars=0)]


@given(sizes=st.lists(st.integers(0, 50_000)))
def test_messages_have_50_to_1000_ms_of_audio_however_it_is_cut(sizes: list[int]) -> None:
    driver = opened("assemblyai")
    pcm = b""
    for index, size in enumerate(sizes):
        piece = bytes([index % 256]) * (size - size % 2)
        pcm += piece
        driver.send_audio(piece)
    driver.finish()
    *messages, _ = driver.take_outgoing()
    pieces = [message for message in messages if isinstance(message, bytes)]
    assert all(MIN_BYTES <= len(piece) <= MAX_BYTES for piece in pieces)
    sent = b"".join(pieces)
    assert sent[: len(pcm)] == pcm
    assert sent[len(pcm) :].strip(b"\0") == b""
    assert len(sent) - len(pcm) < MIN_BYTES


def test_the_session_is_terminated_at_the_end() -> None:
    driver = opened("assemblyai")
    driver.finish()
    assert json_sent(driver) == [{"type": "Terminate"}]
    assert fed(driver, {"type": "Termination", "audio_duration_seconds": 1}) == [Finished()]


def test_errors_end_the_session_and_warnings_do_not() -> None:
    warning = {"type": "Warning", "warning_code": 1, "warning": "w"}
    error = {"type": "Error", "error_code": 3007, "error": "Input duration violation"}
    assert fed(opened("assemblyai"), warning, error) == [Failed("3007", "Input duration violation")]
