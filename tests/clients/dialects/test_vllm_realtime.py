from base64 import b64decode

from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, Transcript
from clients.dialects.vllm_realtime import VllmRealtimeDriver
from tests.clients.dialects.driving import fed, json_sent, opened

COMMIT = {"type": "input_audio_buffer.commit"}


def delta(text: str) -> dict[str, object]:
    return {"type": "transcription.delta", "delta": text}


def done(text: str) -> dict[str, object]:
    return {"type": "transcription.done", "text": text, "usage": None}


def test_the_model_is_named_and_the_generation_begun_at_once() -> None:
    driver = VllmRealtimeDriver(DriverOptions("voxtral", api_key="key", extra={"temperature": "0"}))
    driver.open()
    assert json_sent(driver) == [{"type": "session.update", "model": "voxtral", "temperature": 0}, COMMIT]
    assert driver.target("host").url == "ws://host/v1/realtime"
    assert driver.target("host").headers == {"Authorization": "Bearer key"}


def test_no_model_is_the_one_that_the_server_runs() -> None:
    driver = VllmRealtimeDriver(DriverOptions())
    driver.open()
    assert json_sent(driver)[0] == {"type": "session.update", "model": ""}


def test_audio_is_base64_and_the_last_commit_ends_it() -> None:
    driver = opened("vllm-realtime")
    driver.send_audio(b"\1\0")
    driver.finish()
    append, end = json_sent(driver)
    assert isinstance(append, dict)
    assert b64decode(append["audio"]) == b"\1\0"
    assert end == {**COMMIT, "final": True}


def test_text_only_grows_and_all_of_it_is_committed() -> None:
    driver = opened("vllm-realtime")
    driver.finish()
    events = fed(
        driver,
        {"type": "session.created", "id": "s", "created": 1},
        delta(" hello"),
        delta(" there"),
        done(" hello there"),
    )
    assert events == [
        Ready(),
        Transcript("0", "hello", is_final=False, committed_chars=5),
        Transcript("0", "hello there", is_final=False, committed_chars=11),
        Transcript("0", "hello there", is_final=True, committed_chars=11),
        Finished(),
    ]


def test_a_generation_that_ends_early_is_followed_by_another() -> None:
    driver = opened("vllm-realtime")
    assert Finished() not in fed(driver, delta("one"), done("one"))
    assert json_sent(driver) == [COMMIT]
    assert fed(driver, delta("two")) == [Transcript("1", "two", is_final=False, committed_chars=3)]


def test_an_error_ends_the_session() -> None:
    error = {"type": "error", "error": "The model `x` does not exist.", "code": "model_not_found"}
    assert fed(opened("vllm-realtime"), {"type": "other"}, error) == [
        Failed("model_not_found", "The model `x` does not exist.")
    ]
    assert fed(opened("vllm-realtime"), {"type": "error", "error": "no"}) == [Failed("error", "no")]
