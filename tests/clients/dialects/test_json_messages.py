import json

import msgspec
import pytest

from clients.dialects.json_messages import encode, parse, type_of, with_options
from gateway.wire import ProtocolError


class Timed(msgspec.Struct):
    start: float
    text: str = ""


def test_other_fields_are_ignored_and_numbers_may_be_written_as_strings() -> None:
    assert parse('{"start":"1.520","more":[1]}', Timed) == Timed(1.52)


@pytest.mark.parametrize(
    "message", ["", "hello", b"\xff", "[]", '{"start":"soon"}', '{"start":1,"text":3}', "[" * 5_000]
)
def test_a_message_of_another_shape_is_refused(message: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="unexpected message of the server"):
        parse(message, Timed)


def test_a_long_message_is_shortened_in_the_error() -> None:
    with pytest.raises(ProtocolError) as raised:
        parse("x" * 10_000, Timed)
    assert len(str(raised.value)) < 200


def test_the_type_of_a_message_may_be_missing() -> None:
    assert type_of('{"type":"Turn"}') == "Turn"
    assert type_of('{"status":"WAIT"}') == ""


def test_options_reach_into_objects_and_make_missing_ones() -> None:
    message = {"transcription": {"model": "a"}, "turn_detection": None, "language": "en"}
    options = {"transcription.delay": "low", "turn_detection.silence_ms": "300", "a.b.c": "true", "language": "null"}
    assert with_options(message, options) == {
        "transcription": {"model": "a", "delay": "low"},
        "turn_detection": {"silence_ms": 300},
        "a": {"b": {"c": True}},
        "language": None,
    }
    assert message["transcription"] == {"model": "a"}


def test_a_value_that_is_not_json_is_a_string() -> None:
    assert with_options({}, {"a": "low", "b": '"300"', "c": "[1,"}) == {"a": "low", "b": "300", "c": "[1,"}


def test_messages_are_encoded_as_json() -> None:
    assert json.loads(encode({"a": ("é", None)})) == {"a": ["é", None]}
