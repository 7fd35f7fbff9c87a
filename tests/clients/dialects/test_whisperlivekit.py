import struct

from clients.dialects.driver import DriverOptions, Failed, Finished, Ready, Transcript
from clients.dialects.whisperlivekit import WhisperLiveKitDriver
from tests.clients.dialects.driving import fed, opened, recorded, shown, transcripts

PCM_CONFIG = {"type": "config", "useAudioWorklet": True, "mode": "full"}
SILENCE: dict[str, object] = {"speaker": -2, "text": None, "start": "0:00:01.00", "end": "0:00:02.00"}


def line(text: str) -> dict[str, object]:
    return {"speaker": 1, "text": f" {text}", "start": "0:00:00.00", "end": "0:00:01.00"}


def state(*lines: dict[str, object], buffer: str = "", diarization: str = "") -> dict[str, object]:
    buffers = {"buffer_transcription": buffer, "buffer_diarization": diarization}
    return {"status": "active_transcription", "lines": lines, **buffers}


def test_the_url_has_the_language_and_the_users_options() -> None:
    driver = WhisperLiveKitDriver(DriverOptions(language="en", api_key="key", extra={"target_language": "de"}))
    target = driver.target("host:8000")
    assert target.url == "ws://host:8000/asr?language=en&target_language=de"
    assert target.headers == {"Authorization": "Bearer key"}
    assert WhisperLiveKitDriver(DriverOptions()).target("host").url == "ws://host/asr"


def test_audio_waits_for_the_server_to_say_that_it_takes_pcm() -> None:
    driver = opened("whisperlivekit")
    driver.send_audio(b"ab")
    driver.finish()
    assert driver.take_outgoing() == []
    assert fed(driver, PCM_CONFIG) == [Ready()]
    assert driver.take_outgoing() == [b"ab", b""]


def test_a_server_that_takes_files_gets_a_wav_header_first() -> None:
    driver = opened("whisperlivekit")
    driver.send_audio(b"ab")
    fed(driver, {"type": "config", "useAudioWorklet": False})
    driver.send_audio(b"cd")
    header, *audio = driver.take_outgoing()
    assert isinstance(header, bytes)
    assert (header[:4], header[8:16], header[36:40]) == (b"RIFF", b"WAVEfmt ", b"data")
    assert struct.unpack("<HHIIHH", header[20:36]) == (1, 1, 16_000, 32_000, 2, 16)
    assert len(header) == 44
    assert audio == [b"ab", b"cd"]


def test_validated_words_are_committed_and_the_buffer_is_not() -> None:
    events = fed(
        opened("whisperlivekit"),
        state(buffer="hello"),
        state(line("hello"), buffer=" there"),
        state(line("hello"), buffer=" there"),
        state(line("hello there"), buffer="", diarization="you"),
    )
    assert transcripts(events) == [
        Transcript("0", "hello", is_final=False, committed_chars=0),
        Transcript("0", "hello there", is_final=False, committed_chars=5),
        Transcript("0", "hello there you", is_final=False, committed_chars=11),
    ]


def test_a_line_is_final_when_silence_or_another_line_follows() -> None:
    events = fed(
        opened("whisperlivekit"),
        state(SILENCE, line("one")),
        state(SILENCE, line("one"), SILENCE, buffer="tw"),
        state(SILENCE, line("one"), SILENCE, line("two"), line("three")),
    )
    assert shown(events) == [
        ("0", "one", False),
        ("0", "one", True),
        ("1", "tw", False),
        ("1", "two", True),
        ("2", "three", False),
    ]


def test_a_buffer_that_is_dropped_is_withdrawn() -> None:
    assert shown(fed(opened("whisperlivekit"), state(buffer="hm"), state())) == [("0", "hm", False), ("0", "", False)]


def test_the_end_finishes_the_open_line() -> None:
    events = fed(opened("whisperlivekit"), state(line("one"), buffer=" two"), {"type": "ready_to_stop"})
    assert events[-2:] == [Transcript("0", "one two", is_final=True, committed_chars=7), Finished()]


def test_an_error_ends_the_session() -> None:
    assert fed(opened("whisperlivekit"), {"type": "error", "error": "no"}) == [Failed("error", "no")]
    assert fed(opened("whisperlivekit"), {"status": "error", "error": "FFmpeg"}) == [Failed("error", "FFmpeg")]


def test_other_messages_are_ignored() -> None:
    assert fed(opened("whisperlivekit"), {"type": "pong"}) == []


def test_a_real_servers_lines_become_finals_at_its_pauses() -> None:
    """WhisperLiveKit 0.2.26, LocalAgreement with Whisper tiny.en, pauses of 0.5 s: 10 s of speech, 2 s of silence."""
    events = fed(opened("whisperlivekit"), *recorded("whisperlivekit"))
    assert events[0] == Ready()
    assert events[-1] == Finished()
    finals = [text for _, text, is_final in shown(events) if is_final]
    assert finals == [
        "Hello. Dan, everyone hear me.",
        "Dan, you read the captions on the screen?",
        "Yes. I can see them very well",
    ]
    by_segment: dict[str, str] = {}
    for transcript in transcripts(events):
        assert transcript.text.startswith(by_segment.get(transcript.segment, ""))
        by_segment[transcript.segment] = transcript.text[: transcript.committed_chars]
