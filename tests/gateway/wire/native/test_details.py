"""Titles and names are one line each, one name for a channel; a change leaves what it lacks."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.wire import ChannelName, Details, ProtocolError, Start
from gateway.wire.details import names_of
from gateway.wire.native.codec import NativeCodec
from gateway.wire.native.details import read_change, read_title

ANN = ChannelName(0, "Ann", "#1f6feb")
BOB = ChannelName(1, "Bob")
BEFORE = Details(7, "Council", (ANN, BOB))


def named(*names: object) -> bytes:
    return json.dumps({"names": names}).encode()


def refused(read: Callable[[], object]) -> tuple[str, str | None]:
    with pytest.raises(ProtocolError) as caught:
        read()
    return str(caught.value), caught.value.field


def test_a_start_has_a_title_and_names_in_the_order_of_their_channels() -> None:
    names = [{"channel": 1, "name": " Bob "}, {"channel": 0, "name": "Ann", "color": "#1f6feb"}]
    (start,) = NativeCodec().receive(json.dumps({"type": "start", "title": " Council\t", "names": names}))
    assert isinstance(start, Start)
    assert (start.title, start.names) == ("Council", (ANN, BOB))
    assert names_of(start.names) == {0: "Ann", 1: "Bob"}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (b"{}", BEFORE),
        (b'{"title":"Court"}', replace(BEFORE, title="Court")),
        (b'{"title":null}', replace(BEFORE, title=None)),
        (b'{"names":[]}', replace(BEFORE, names=())),
        (named({"channel": 1, "name": "Bob", "color": None}), replace(BEFORE, names=(BOB,))),
    ],
)
def test_a_change_leaves_what_it_lacks(text: bytes, changed: Details) -> None:
    assert read_change(text)(BEFORE) == changed


def test_a_blank_title_is_none() -> None:
    assert (read_title(" \t"), read_title(""), read_title(None)) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "why", "field"),
    [
        (b'{"title":"a\\nb"}', "title has a control character or a line break", "title"),
        ('{"title":"a\u2028b"}'.encode(), "title has a control character or a line break", "title"),
        (json.dumps({"title": "x" * 201}).encode(), "length <= 200", None),
        (named({"channel": 0, "name": "a\0b"}), "names.name has a control character", "names.name"),
        (named({"channel": 0, "name": "  "}), "a name is blank", "names.name"),
        (named({"channel": 0, "name": ""}), "length >= 1", None),
        (named({"channel": 0, "name": "x" * 81}), "length <= 80", None),
        (named({"channel": 8, "name": "x"}), "`int` <= 7", None),
        (named({"channel": -1, "name": "x"}), "`int` >= 0", None),
        (named({"channel": 0, "name": "x", "color": "red"}), "matching regex", None),
        (named({"channel": 0, "name": "x", "color": "#1f6feb\n"}), "length <= 7", None),
        (named({"channel": 2, "name": "x"}, {"channel": 2, "name": "y"}), "channel 2 has 2 names", "names.channel"),
        (named(*[{"channel": 0, "name": "x"}] * 9), "length <= 8", None),
        (b'{"tilte":"x"}', "unknown field `tilte`: expected a JSON object with title, names, or both", None),
        (b"[]", "got `array`", None),
        (b"\xff", "expected a JSON object", None),
        (b"", "expected a JSON object", None),
    ],
)
def test_what_is_refused_is_named(text: bytes, why: str, field: str | None) -> None:
    message, got = refused(lambda: read_change(text))
    assert why in message
    assert got == field
