"""Options of `livecue bench`: what is read, what is refused, and which key goes where."""

from pathlib import Path

import pytest

from gateway.cli.bench_options import (
    BenchOptions,
    api_key,
    is_local,
    read_counts,
    read_duration,
    read_options,
    redacted,
)
from gateway.errors import ConfigurationError

ENVIRONMENT = {
    "OPENAI_API_KEY": "o",
    "DEEPGRAM_API_KEY": "d",
    "ASSEMBLYAI_API_KEY": "a",
    "LIVECUE_API_KEY": "l",
}


def test_loads_are_numbers_of_streams() -> None:
    assert read_counts("1,2, 4") == (1, 2, 4)


@pytest.mark.parametrize("text", ["", "0", "1,,2", "two", "-1", "1;2", "99999"])
def test_other_loads_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="such as 1,2,4"):
        read_counts(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("20", 20.0), ("20s", 20.0), ("500ms", 0.5), ("2m", 120.0), (".5 s", 0.5)]
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert read_duration("--seconds", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "s", "5 parsecs", "-3s", "nan"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--seconds"):
        read_duration("--seconds", text)


def test_parameters_of_the_dialect_are_names_and_values() -> None:
    assert read_options(["a=1", "b=c=d", "e="]) == {"a": "1", "b": "c=d", "e": ""}
    for pair in ("a", "=1"):
        with pytest.raises(ConfigurationError, match="NAME=VALUE"):
            read_options([pair])


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ws://localhost/v1",
        "tcp://192.168.1.7:10300",
        "ws://[::1]:1",
        "ws://gpu:9",
        "http://box.local",
    ],
)
def test_servers_here_and_in_private_networks_cost_nothing(url: str) -> None:
    assert is_local(url)


@pytest.mark.parametrize("url", ["wss://api.openai.com/v1/realtime", "8.8.8.8:80", "https://asr.example.org"])
def test_others_may(url: str) -> None:
    assert not is_local(url)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("wss://api.openai.com/v1/realtime", "o"),
        ("wss://api.deepgram.com/v1/listen", "d"),
        ("wss://streaming.assemblyai.com/v3/ws", "a"),
        ("ws://127.0.0.1:8000/v1/realtime", "l"),
        ("wss://notopenai.com/v1/realtime", "l"),
        ("wss://openai.com.example.org", "l"),
    ],
)
def test_a_key_goes_to_its_vendor_alone(url: str, key: str) -> None:
    assert api_key(url, ENVIRONMENT) == key
    assert api_key(url, {}) is None


def test_secrets_stay_out_of_results() -> None:
    command = [
        "livecue",
        "bench",
        "wss://me:pw@x.org/v1?token=abc",
        "--option",
        "api_key=abc",
        "--slo",
        "a<=1",
        "--option=b=c",
    ]
    assert redacted(command) == [
        "livecue",
        "bench",
        "wss://x.org/v1",
        "--option",
        "api_key=…",
        "--slo",
        "a<=1",
        "--option=b=c",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finds_capacity": True}, "--slo"),
        ({"overload": 2.0}, "--find-capacity"),
        ({"overload": 1.0, "finds_capacity": True, "slo": ("a<=1",)}, "above 1"),
    ],
)
def test_options_that_need_others_are_refused_without_them(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        BenchOptions("ws://x", "auto", Path("audio"), **options)  # type: ignore[arg-type]
