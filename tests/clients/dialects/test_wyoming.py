import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.dialects.driver import DriverEvent, DriverOptions, Failed, Finished, Ready, Transcript, Transport
from clients.dialects.wyoming import WyomingDriver
from gateway.wire import ProtocolError
from gateway.wire.wyoming.framing import frame, parse_frame
from tests.clients.dialects.driving import fed, opened, recorded, shown

FORMAT = {"rate": 16_000, "width": 2, "channels": 1}

ANSWER = [
    frame("transcript-start", {"language": "en"}),
    frame("transcript-chunk", {"text": "hello"}),
    frame("transcript-chunk", {"text": " there"}),
    frame("transcript", {"text": "Hello there."}),
    frame("transcript-stop", {}),
]


def test_a_session_is_one_transcription() -> None:
    driver = WyomingDriver(DriverOptions("m", "en", terms=("Kiel", "Bonn"), extra={"context": '{"a":1}'}))
    driver.open()
    driver.send_audio(b"ab")
    driver.finish()
    frames = [parse_frame(bytes(each)) for each in driver.take_outgoing() if isinstance(each, bytes)]
    request = {"name": "m", "language": "en", "transcript_terms": ["Kiel", "Bonn"], "context": {"a": 1}}
    assert frames == [
        ("transcribe", request, b""),
        ("audio-start", FORMAT, b""),
        ("audio-chunk", FORMAT, b"ab"),
        ("audio-stop", {}, b""),
    ]


def test_long_audio_is_sent_in_chunks_of_64_kib() -> None:
    driver = opened("wyoming")
    pcm = bytes(range(256)) * 600
    driver.send_audio(pcm)
    payloads = [parse_frame(bytes(each))[2] for each in driver.take_outgoing() if isinstance(each, bytes)]
    assert [len(payload) for payload in payloads] == [65_536, 65_536, 22_528]
    assert b"".join(payloads) == pcm


def test_the_address_is_tcp() -> None:
    driver = opened("wyoming")
    assert driver.target("host:10300").url == driver.target("tcp://host:10300").url == "tcp://host:10300"
    assert driver.target("host:10300").transport is Transport.TCP


def test_pieces_of_text_are_committed_and_the_transcript_is_final() -> None:
    assert fed(opened("wyoming"), *ANSWER) == [
        Ready(),
        Transcript("0", "hello", is_final=False, committed_chars=5),
        Transcript("0", "hello there", is_final=False, committed_chars=11),
        Transcript("0", "Hello there.", is_final=True, committed_chars=12),
        Finished(),
    ]


@given(cuts=st.lists(st.integers(0, len(b"".join(ANSWER)))))
def test_events_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    data = b"".join(ANSWER)
    ends = [*sorted(cuts), len(data)]
    driver = opened("wyoming")
    events: list[DriverEvent] = []
    for start, end in zip([0, *ends], ends, strict=False):
        events += driver.receive(data[start:end])
    assert events == fed(opened("wyoming"), *ANSWER)


def test_an_error_ends_the_session() -> None:
    driver = opened("wyoming")
    assert fed(driver, frame("error", {"text": "no such language", "code": "x"}))[1:] == [
        Failed("x", "no such language")
    ]
    assert fed(opened("wyoming"), frame("error", {"text": "no"}))[1:] == [Failed("error", "no")]


def test_a_server_that_closes_without_a_transcript_has_failed() -> None:
    driver = opened("wyoming")
    driver.finish()
    assert driver.closed(None, "") == [Failed("connection_lost", "the connection was lost")]


@pytest.mark.parametrize("message", ["text", b"no frame\n", frame("transcript", {"text": 3})])
def test_what_is_no_frame_is_refused(message: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        opened("wyoming").receive(message)


def test_a_real_servers_transcript_is_read() -> None:
    """wyoming-faster-whisper with Whisper tiny.en."""
    events = fed(opened("wyoming"), *(message.encode() for message in recorded("wyoming")))
    [(_, text, is_final)] = shown(events)
    assert is_final
    assert text.startswith("Hello. Can everyone hear me?")
    assert events[-1] == Finished()
