"""Strings, lists and numbers without an end: refused in every dialect, counted in every queue, short in every log."""

import json
import logging
from collections.abc import Iterator
from types import UnionType
from typing import get_args

import anyio
import msgspec
import pytest
from msgspec import inspect

from gateway.cli.log_records import MAX_RECORD_CHARS, ShortRecords
from gateway.delivery.send_queue import SendQueue
from gateway.http.sessions import routes as sessions_routes
from gateway.wire import DialectMessage, Flushed, ProtocolError
from gateway.wire.bounds import MAX_FLUSHES, MAX_ID_CHARS
from gateway.wire.deepgram import flux_codec as deepgram_flux
from gateway.wire.deepgram import messages as deepgram_messages
from gateway.wire.deepgram.listen_params import read_listen
from gateway.wire.native import messages as native_messages
from gateway.wire.native.codec import NativeCodec
from gateway.wire.openai_realtime import messages as realtime
from gateway.wire.twilio.codec import TwilioCodec
from gateway.wire.vosk import codec as vosk
from gateway.wire.wyoming import codec as wyoming
from tests.calls import start_of
from tests.sessions import call, open_context, settled, silence, speech, stuck_on_finals

MESSAGES: dict[str, tuple[object, ...]] = {
    "native": (native_messages.ClientMessage,),
    "openai_realtime": (realtime.ClientMessage, realtime.SecretRequest),
    "deepgram": (deepgram_messages.ListenMessage,),
    "deepgram_flux": (deepgram_flux.FluxMessage,),
    "vosk": (vosk.VoskMessage,),
    "wyoming": wyoming.FRAME_TYPES,
    "view_tokens": (sessions_routes.TokenRequest,),
}
"""All that is read of clients into types. Twilio's dialect has none: what is kept of a call is tested below."""


def unbounded(node: inspect.Type, where: str = "$") -> Iterator[str]:
    """Return the places in a message that have no bound."""
    match node:
        case inspect.StrType(max_length=None) | inspect.BytesType(max_length=None):
            yield where
        case inspect.IntType() | inspect.FloatType() if node.le is None or node.ge is None:
            yield where
        case inspect.ListType() | inspect.VarTupleType():
            # a list of what there are few of cannot grow, for its encoding is bounded and it is checked for doubles
            if node.max_length is None:
                yield where
            yield from unbounded(node.item_type, f"{where}[]")
        case inspect.DictType():
            if node.max_length is None:
                yield where
            yield from unbounded(node.key_type, f"{where} key")
            yield from unbounded(node.value_type, f"{where}{{}}")
        case inspect.UnionType():
            for each in node.types:
                yield from unbounded(each, where)
        case inspect.StructType():
            for field in node.fields:
                yield from unbounded(field.type, f"{where}.{field.encode_name}")
        case _:
            pass


@pytest.mark.parametrize("dialect", MESSAGES)
def test_every_string_list_and_number_of_every_dialect_has_a_bound(dialect: str) -> None:
    found = [
        f"{getattr(each, '__name__', each)}: {place}"
        for message in MESSAGES[dialect]
        for each in (get_args(message) if isinstance(message, UnionType) else (message,))
        for place in unbounded(inspect.type_info(each))
    ]
    assert not found


def test_a_flush_id_of_a_megabyte_is_refused_in_words() -> None:
    codec = NativeCodec()
    codec.receive('{"type":"start"}')
    with pytest.raises(ProtocolError, match=f"id: .*{MAX_ID_CHARS}"):
        codec.receive(json.dumps({"type": "flush", "id": "x" * 2**20}))


def test_names_in_an_address_are_bounded() -> None:
    with pytest.raises(ProtocolError, match="model: got 300 characters, at most 200 allowed"):
        read_listen([("model", "m" * 300)])


async def test_flushes_that_nothing_answers_are_refused_before_they_fill_the_memory() -> None:
    async with open_context(stuck_on_finals()) as context, call(context) as peer:
        await peer.send({"type": "start"}, speech(1), silence(1))
        for number in range(MAX_FLUSHES + 1):
            await peer.send({"type": "flush", "id": str(number)})
        await settled()
        refused = [message for message in await peer.receive_until("error") if message["type"] == "error"]
        assert refused[0]["code"] == "protocol_error"
        assert f"{MAX_FLUSHES} flushes" in str(refused[0]["message"])


def test_an_outbox_counts_bytes_too() -> None:
    outbox = SendQueue(1_000, max_bytes=10_000)
    outbox.put(DialectMessage("x" * 9_000))
    outbox.put(Flushed(1, "y" * 2_000))
    assert "unread bytes" in str(outbox.overflow)


def test_an_outbox_takes_one_event_of_any_size() -> None:
    outbox = SendQueue(1_000, max_bytes=10)
    outbox.put(DialectMessage("x" * 9_000))


async def test_an_outbox_that_is_read_has_room_again() -> None:
    outbox = SendQueue(1_000, max_bytes=10_000)
    for _ in range(10):
        outbox.put(DialectMessage("x" * 9_000))
        with anyio.fail_after(1):
            await outbox.get()


def test_a_call_keeps_only_the_start_of_names_without_an_end() -> None:
    codec = TwilioCodec()
    message = json.loads(start_of("twilio", ("inbound",), lang="en", surprise="s" * 10**6))
    message["start"]["callSid"] = "C" * 10**6
    codec.receive(json.dumps(message))
    assert sum(len(text) for text in codec.about().values()) < 1_000
    assert msgspec.json.encode(codec.call.parameters if codec.call else None) == b'{"surprise":"","lang":"en"}'


def test_extra_headers_without_an_end_are_read_in_one_go() -> None:
    message = json.loads(start_of("plivo", ("inbound",)))
    message["extra_headers"] = "lang=en;" + " a" * 10**5
    codec = TwilioCodec()
    codec.receive(json.dumps(message))
    assert codec.call is not None
    assert codec.call.parameters == {"lang": "en"}


def records(message: str, *args: object, error: BaseException | None = None) -> str:
    """Return what a log handler is given of a record."""
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("livecue.test", logging.WARNING, __file__, 1, message, args, info)
    assert ShortRecords().filter(record)
    return logging.Formatter("%(message)s").format(record)


def test_a_log_line_is_short_and_on_one_line_whatever_it_is_about() -> None:
    line = records("language=%s", "a\x1b[31m\nlivecue forged line " + "x" * 10**6)
    assert len(line) < 2 * MAX_RECORD_CHARS
    assert "\n" not in line
    assert "\x1b" not in line


def test_a_traceback_keeps_its_lines_and_ends_somewhere() -> None:
    try:
        raise ValueError("x" * 10**6)
    except ValueError as error:
        text = records("failed", error=error)
    assert "Traceback" in text
    assert text.count("\n") > 2
    assert len(text) < 20 * MAX_RECORD_CHARS
