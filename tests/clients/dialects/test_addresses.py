import pytest

from clients.dialects.addresses import address, detect, query_of


@pytest.mark.parametrize(
    ("written", "complete"),
    [
        ("127.0.0.1:8000", "ws://127.0.0.1:8000/v1/realtime"),
        ("ws://host/", "ws://host/v1/realtime"),
        ("https://host/v1", "wss://host/v1/realtime"),
        ("http://host/v1/realtime", "ws://host/v1/realtime"),
        ("wss://host/proxy/realtime", "wss://host/proxy/realtime"),
        ("ws://[::1]:8000", "ws://[::1]:8000/v1/realtime"),
    ],
)
def test_the_path_is_completed_unless_it_is_a_proxys(written: str, complete: str) -> None:
    assert address(written, "/v1/realtime") == complete


@pytest.mark.parametrize(
    ("written", "complete"),
    [("host:1", "http://host:1/x"), ("wss://host", "https://host/x"), ("https://host", "https://host/x")],
)
def test_a_request_goes_to_the_http_scheme(written: str, complete: str) -> None:
    assert address(written, "/x", http=True) == complete


def test_the_users_parameters_replace_those_of_the_same_name() -> None:
    query = [("model", "a"), ("keyterm", "Kiel"), ("keyterm", "Bonn am Rhein")]
    assert address("ws://h/x?model=b&token=", "/x", query) == (
        "ws://h/x?keyterm=Kiel&keyterm=Bonn+am+Rhein&model=b&token="
    )


def test_a_fragment_is_not_part_of_an_address() -> None:
    assert address("ws://h/x#part", "/x") == "ws://h/x"


def test_options_replace_parameters_and_none_is_not_sent() -> None:
    pairs = [("model", "a"), ("language", None), ("keyterm", "b"), ("keyterm", "c")]
    assert query_of(pairs, {"model": "d", "endpointing": "300"}) == [
        ("keyterm", "b"),
        ("keyterm", "c"),
        ("model", "d"),
        ("endpointing", "300"),
    ]


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        ("tcp://127.0.0.1:10300", "wyoming"),
        ("ws://127.0.0.1:8000/v1/stream", "native"),
        ("http://127.0.0.1:8000/v1/realtime?intent=transcription", "openai-realtime"),
        ("127.0.0.1:8000/v1/listen", "deepgram"),
        ("wss://api.deepgram.com/v2/listen/", "deepgram-flux"),
        ("ws://127.0.0.1:8000/v1/vosk", "vosk"),
        ("ws://127.0.0.1:8000/asr", "whisperlivekit"),
        ("ws://127.0.0.1:8000/proxy/v3/ws", "assemblyai"),
        ("http://127.0.0.1:8000/v1/audio/transcriptions", "openai-rest"),
        ("wss://api.deepgram.com", "deepgram"),
        ("https://api.openai.com/v1", "openai-realtime"),
        ("127.0.0.1:8000", None),
        ("ws://127.0.0.1:2700/", None),
        ("", None),
    ],
)
def test_the_scheme_path_or_host_tells_the_dialect(url: str, dialect: str | None) -> None:
    assert detect(url) == dialect
