from base64 import b64decode

import pytest

from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, Transcript
from clients.dialects.openai_realtime import OpenAiRealtimeDriver
from tests.clients.dialects.driving import fed, json_sent, opened, transcripts

TRANSCRIPTION = "conversation.item.input_audio_transcription"


def delta(item: str, text: str) -> dict[str, object]:
    return {"type": f"{TRANSCRIPTION}.delta", "item_id": item, "delta": text, "obfuscation": "xyz"}


def completed(item: str, text: str) -> dict[str, object]:
    return {"type": f"{TRANSCRIPTION}.completed", "item_id": item, "transcript": text, "usage": None}


def committed(item: str) -> dict[str, object]:
    return {"type": "input_audio_buffer.committed", "item_id": item}


CLEARED = {"type": "input_audio_buffer.cleared"}
UPDATED = {"type": "session.updated", "session": {}}


def error(code: str | None, message: str = "no") -> dict[str, object]:
    return {"type": "error", "error": {"type": "invalid_request_error", "code": code, "message": message}}


def test_the_session_has_the_users_options_and_the_url_the_intent() -> None:
    extra = {"turn_detection.silence_duration_ms": "300", "transcription.delay": "low", "noise_reduction": "null"}
    driver = OpenAiRealtimeDriver(DriverOptions("gpt-transcribe", "en", "key", ("Kiel", "Bonn"), extra))
    driver.open()
    [update] = json_sent(driver)
    assert update == {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {
                        "model": "gpt-transcribe",
                        "language": "en",
                        "prompt": "Kiel, Bonn",
                        "delay": "low",
                    },
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
                    "noise_reduction": None,
                }
            },
        },
    }
    target = driver.target("http://host/v1")
    assert target.url == "ws://host/v1/realtime?intent=transcription"
    assert target.headers == {"Authorization": "Bearer key"}


def test_audio_is_base64() -> None:
    driver = opened("openai-realtime")
    driver.send_audio(b"\1\0\2\0")
    [append] = json_sent(driver)
    assert isinstance(append, dict)
    assert append["type"] == "input_audio_buffer.append"
    assert b64decode(append["audio"]) == b"\1\0\2\0"


def test_the_server_is_ready_once_it_has_taken_the_options() -> None:
    driver = opened("openai-realtime")
    assert fed(driver, {"type": "session.created", "session": {}}) == []
    assert fed(driver, UPDATED, UPDATED) == [Ready()]


def test_deltas_append_and_the_completed_transcript_may_correct_them() -> None:
    events = fed(
        opened("openai-realtime"),
        delta("a", "Two"),
        delta("a", " words"),
        delta("b", "Three"),
        completed("a", "Too words."),
        {"type": f"{TRANSCRIPTION}.segment", "item_id": "a", "text": "Too words."},
    )
    assert events == [
        Transcript("a", "Two", is_final=False, committed_chars=3),
        Transcript("a", "Two words", is_final=False, committed_chars=9),
        Transcript("b", "Three", is_final=False, committed_chars=5),
        Transcript("a", "Too words.", is_final=True, committed_chars=10),
    ]


def test_the_end_commits_and_clears_and_waits_for_all_items() -> None:
    driver = opened("openai-realtime")
    fed(driver, UPDATED, committed("a"))
    driver.finish()
    assert json_sent(driver) == [{"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.clear"}]
    assert fed(driver, committed("b"), CLEARED, completed("b", "two"))[-1] != Finished()
    assert fed(driver, completed("a", "one"))[-1] == Finished()


def test_a_buffer_that_is_cleared_before_the_end_does_not_end_the_session() -> None:
    assert Finished() not in fed(opened("openai-realtime"), UPDATED, committed("a"), CLEARED, completed("a", "one"))


def test_an_item_that_was_settled_before_it_was_committed_is_not_awaited() -> None:
    driver = opened("openai-realtime")
    driver.finish()
    assert fed(driver, completed("a", "one"), committed("a"), CLEARED)[-1] == Finished()


def test_a_failed_item_loses_its_text_and_is_settled() -> None:
    driver = opened("openai-realtime")
    driver.finish()
    failed = {"type": f"{TRANSCRIPTION}.failed", "item_id": "a", "error": {"code": "x"}}
    events = fed(driver, delta("a", "Two"), committed("a"), CLEARED, failed)
    assert [each.text for each in transcripts(events)] == ["Two", ""]
    assert events[-1] == Finished()


def test_nothing_to_commit_at_the_end_is_no_failure() -> None:
    driver = opened("openai-realtime")
    driver.finish()
    assert fed(driver, error("input_audio_buffer_commit_empty"), CLEARED) == [Finished()]


@pytest.mark.parametrize(
    ("code", "expected"), [("session_expired", "session_expired"), (None, "invalid_request_error")]
)
def test_any_other_error_ends_the_session(code: str | None, expected: str) -> None:
    assert fed(opened("openai-realtime"), error(code, "over")) == [Failed(expected, "over")]
