"""Traces as OpenTelemetry records and exports them."""

import gzip
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from unittest.mock import patch

import pytest
import websockets

pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from decoder.engines.scripted import ScriptedEngine
from gateway.errors import ConfigurationError
from gateway.otel import OpenTelemetryTracer, open_tracer
from gateway.request_context import trace_headers
from gateway.settings import load_settings
from gateway.wire import Start, Stop
from gateway.wire.native.codec import NativeClientCodec
from tests.http_server import serving_http
from tests.servers import serving
from tests.sessions import call, failing_finals, open_context, silence, speech
from vad.detector import DETECTORS

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
"""Of the example in the W3C's specification."""

SAMPLED, UNSAMPLED = f"00-{TRACE_ID}-{PARENT_ID}-01", f"00-{TRACE_ID}-{PARENT_ID}-00"

START = str(NativeClientCodec().send(Start())[0])
STOP = str(NativeClientCodec().send(Stop())[0])


@pytest.fixture(autouse=True)
def _no_variables_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@contextmanager
def headers(traceparent: str) -> Iterator[None]:
    token = trace_headers.set({"traceparent": traceparent})
    try:
        yield
    finally:
        trace_headers.reset(token)


async def spans_of_a_session(
    provider: TracerProvider, traceparent: str | None = None, engine: ScriptedEngine | None = None
) -> dict[str, list[ReadableSpan]]:
    """Return the spans of a session with two utterances, by name."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with open_context(engine) as context:
        context = replace(context, tracer=OpenTelemetryTracer(provider))
        with headers(traceparent or ""):
            async with call(context) as peer:
                await peer.stream.send(START)
                await peer.stream.send(speech(1.0) + silence(1.0) + speech(1.0) + silence(1.0))
                await peer.stream.send(STOP)
                await peer.receive_all()
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


async def test_a_session_has_a_span_for_each_utterance_with_four_parts() -> None:
    spans = await spans_of_a_session(TracerProvider())

    assert {name: len(found) for name, found in spans.items()} == {
        "session": 1,
        "utterance": 2,
        "endpoint_wait": 2,
        "queue": 2,
        "decode": 2,
        "delivery": 2,
    }
    (session,) = spans["session"]
    assert session.context is not None
    assert session.attributes is not None
    assert session.attributes["livecue.outcome"] == "finished"
    assert session.attributes["livecue.finals"] == 2
    for utterance in spans["utterance"]:
        assert utterance.parent is not None
        assert utterance.parent.span_id == session.context.span_id
        assert utterance.attributes is not None
        assert utterance.attributes["livecue.sent"] == "yes"
        assert utterance.start_time is not None
        assert utterance.end_time is not None
        assert session.start_time is not None
        assert session.end_time is not None
        assert session.start_time <= utterance.start_time <= utterance.end_time <= session.end_time
    parents = {utterance.context.span_id for utterance in spans["utterance"] if utterance.context is not None}
    for name in ("endpoint_wait", "queue", "decode", "delivery"):
        assert {part.parent.span_id for part in spans[name] if part.parent is not None} == parents


async def test_the_trace_of_the_client_is_continued() -> None:
    (session,) = (await spans_of_a_session(TracerProvider(), SAMPLED))["session"]

    assert session.parent is not None
    assert (f"{session.parent.trace_id:032x}", f"{session.parent.span_id:016x}") == (TRACE_ID, PARENT_ID)


@pytest.mark.parametrize("traceparent", ["nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
async def test_an_invalid_parent_begins_a_new_trace(traceparent: str) -> None:
    (session,) = (await spans_of_a_session(TracerProvider(), traceparent))["session"]

    assert session.parent is None


async def test_an_unsampled_client_is_not_traced() -> None:
    assert await spans_of_a_session(TracerProvider(), UNSAMPLED) == {}


async def test_a_sampler_of_nothing_records_nothing() -> None:
    assert await spans_of_a_session(TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.0)))) == {}


async def test_a_failed_final_is_an_error_of_its_span() -> None:
    spans = await spans_of_a_session(TracerProvider(), engine=ScriptedEngine(failing_finals))

    for utterance in spans["utterance"]:
        assert utterance.status.description == "engine_failed"
        assert utterance.attributes is not None
        assert utterance.attributes["error.type"] == "engine_failed"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what an exporter sends."""

    requests: list[ExportTraceServiceRequest]
    headers_seen: list[str | None]
    has_request: threading.Event

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        assert self.headers["content-type"] == "application/x-protobuf"
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        self.headers_seen.append(self.headers.get("x-tenant"))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # of the base class
        pass


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[type[Receiver]]:
    """A collector on loopback that the standard variables name."""

    class Own(Receiver):
        requests: list[ExportTraceServiceRequest] = []  # noqa: RUF012  # of one test
        headers_seen: list[str | None] = []  # noqa: RUF012

    with serving_http(Own) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=captions")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "captions-eu")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
        yield Own


async def test_traces_reach_a_collector_over_otlp_with_the_parent_of_the_upgrade(receiver: type[Receiver]) -> None:
    settings = load_settings({"server": {"traces": True}, "session": {"detector": "loudness"}})
    with patch.dict(DETECTORS, loudness="tests.sessions:LoudnessDetector"):
        async with (
            serving(ScriptedEngine(), settings) as served,
            websockets.connect(served.stream_url, additional_headers={"traceparent": SAMPLED}) as socket,
        ):
            await socket.send(START)
            await socket.send(speech(1.0) + silence(1.0))
            await socket.send(STOP)
            async for _ in socket:
                pass

    resources = [each for request in receiver.requests for each in request.resource_spans]
    named = {each.key: each.value.string_value for each in resources[0].resource.attributes}
    spans = {span.name: span for each in resources for scope in each.scope_spans for span in scope.spans}
    assert named["service.name"] == "captions-eu"
    assert named["service.version"]
    assert receiver.headers_seen == ["captions"]
    assert spans.keys() == {"session", "utterance", "endpoint_wait", "queue", "decode", "delivery"}
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE_ID}
    assert spans["session"].parent_span_id.hex() == PARENT_ID
    assert spans["utterance"].parent_span_id == spans["session"].span_id
    assert spans["delivery"].parent_span_id == spans["utterance"].span_id


async def test_a_collector_that_is_down_delays_no_session_and_little_of_the_stop(
    monkeypatch: pytest.MonkeyPatch, receiver: type[Receiver]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    async with open_tracer() as tracer, open_context() as context, call(replace(context, tracer=tracer)) as peer:
        await peer.stream.send(START)
        await peer.stream.send(speech(1.0) + silence(1.0))
        await peer.stream.send(STOP)
        assert (await peer.receive_all())[-1]["type"] == "finished"
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", "http/protobuf"),
    ],
)
async def test_an_exporter_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=expected):
        async with open_tracer():
            pass


async def test_the_sdk_can_be_disabled_by_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    async with open_tracer() as tracer:
        span = tracer.begin({}, 0.0, {})
        assert not span.is_recorded
        assert span.trace_id is None
