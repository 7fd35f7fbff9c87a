"""Sessions report to a tracer where there is one, and depend on none."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from decoder.engines.scripted import ScriptedEngine
from gateway.delivery.broadcast import SessionInfo
from gateway.errors import ConfigurationError
from gateway.request_context import LogContext, log_context, trace_headers
from gateway.runtime import open_gateway
from gateway.session.traced_log import open_trace
from gateway.settings import load_settings
from gateway.tracing import Attributes, SessionSpan, Span
from gateway.wire import Start, Stop
from gateway.wire.native.codec import NativeClientCodec
from tests.sessions import call, open_context, settled, silence, speech

START, STOP = (str(NativeClientCodec().send(event)[0]) for event in (Start(), Stop()))

TRACE_ID = "ab" * 16


@dataclass
class Recorder:
    """A tracer, and the span of every session."""

    trace_id: str | None = TRACE_ID
    is_recorded: bool = True
    begun: list[tuple[Mapping[str, str], Attributes]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    outcomes: list[Attributes] = field(default_factory=list)

    def begin(self, headers: Mapping[str, str], start_s: float, attributes: Attributes) -> SessionSpan:
        self.begun.append((headers, attributes))
        return self

    def add(self, span: Span) -> None:
        self.spans.append(span)

    def note(self, name: str, at_s: float, attributes: Attributes) -> None: ...

    def end(self, at_s: float, attributes: Attributes, error: str | None) -> None:
        self.outcomes.append(attributes)


async def test_a_session_reports_what_it_is_and_how_it_went() -> None:
    recorder = Recorder()
    async with open_context() as context:
        info = SessionInfo("deepgram", "studio", 0.0)
        trace_headers.set({"traceparent": "of the request"})
        async with call(replace(context, tracer=recorder), subject=info) as peer:
            await peer.stream.send(START)
            await peer.stream.send(speech(1.0) + silence(1.0))
            await peer.stream.send(STOP)
            messages = await peer.receive_all()

    ((headers, attributes),) = recorder.begun
    assert headers == {"traceparent": "of the request"}
    assert attributes == {
        "livecue.session.id": messages[0]["session_id"],
        "livecue.dialect": "deepgram",
        "livecue.engine": "scripted",
        "livecue.model": "script",
        "livecue.key.name": "studio",
    }
    assert [(span.name, span.attributes["livecue.sent"]) for span in recorder.spans] == [("utterance", "yes")]
    assert recorder.outcomes == [{"livecue.outcome": "finished", "livecue.audio_s": 2.0, "livecue.finals": 1}]


async def test_a_session_that_is_cut_reports_its_outcome_too() -> None:
    recorder = Recorder()
    async with open_context() as context, call(replace(context, tracer=recorder)) as peer:
        await peer.stream.send(START)
        await peer.stream.send(speech(1.0))
        await settled()
        await peer.hang_up()

    assert [span.error for span in recorder.spans] == ["no_final"]
    assert recorder.outcomes[0]["livecue.outcome"] == "disconnected"


async def test_without_a_tracer_there_is_no_trace() -> None:
    async with open_context() as context:
        assert open_trace(context, "s", SessionInfo("native", None, 0.0), 0.0) is None


async def test_log_lines_of_a_session_carry_its_ids() -> None:
    seen: list[tuple[str, LogContext | None]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.getMessage().partition(" session=")[0], log_context.get()))

    logger, handler = logging.getLogger("livecue.session"), Handler()
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        async with open_context() as context, call(replace(context, tracer=Recorder())) as peer:
            await peer.stream.send(START)
            await peer.stream.send(STOP)
            session_id = str((await peer.receive_all())[0]["session_id"])
    finally:
        logger.removeHandler(handler)

    ids = LogContext(session_id, TRACE_ID)
    assert seen == [("session opened", ids), ("session closed", ids)]
    assert log_context.get() is None


async def test_traces_that_are_off_import_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "gateway.otel", raising=False)
    async with open_gateway(load_settings(), ScriptedEngine()) as gateway:
        assert gateway.sessions.tracer is None
    assert "gateway.otel" not in sys.modules


async def test_traces_without_their_library_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "gateway.otel", raising=False)
    with pytest.raises(ConfigurationError, match=r"server\.traces = true: .*pip install 'livecue\[otel\]'"):
        async with open_gateway(load_settings({"server": {"traces": True}}), ScriptedEngine()):
            pass
