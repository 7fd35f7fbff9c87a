"""Sinks in the native dialect: in the start message, and how far they are."""

import json

import pytest

from gateway.wire import ProtocolError, SinkChoice, SinksStatus, SinkStatus, Start
from gateway.wire.native.codec import NativeClientCodec, NativeCodec

CHOICES = (SinkChoice("zoom"), SinkChoice("mine", "https://example.com/hook"))


def started(sinks: object) -> Start:
    (event,) = NativeCodec().receive(json.dumps({"type": "start", "sinks": sinks}))
    assert isinstance(event, Start)
    return event


def test_sinks_are_names_or_the_clients_own() -> None:
    assert started(["zoom", {"name": "mine", "url": "https://example.com/hook"}]).sinks == CHOICES
    assert started([]).sinks == ()
    assert started(None).sinks is None


@pytest.mark.parametrize("sinks", [CHOICES, (), None])
def test_a_client_sends_the_sinks_of_its_start(sinks: tuple[SinkChoice, ...] | None) -> None:
    (message,) = NativeClientCodec().send(Start(sinks=sinks))
    assert NativeCodec().receive(message) == [Start(sinks=sinks)]


def test_a_sink_needs_a_url() -> None:
    with pytest.raises(ProtocolError, match="url"):
        started([{"name": "mine"}])


def test_a_client_reads_how_far_sinks_are() -> None:
    status = SinksStatus(7, (SinkStatus("zoom", "retrying", 12, 3, 1, "HTTP 500"), SinkStatus("file", "ok", 16, 0)))
    (message,) = NativeCodec().send(status)
    assert NativeClientCodec().receive(message) == [status]
