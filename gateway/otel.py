"""Traces by OpenTelemetry: the one file that imports it. Configured by the standard `OTEL_*` variables.

`OTEL_EXPORTER_OTLP_ENDPOINT`, `…_HEADERS`, `…_TIMEOUT` and so on are read by the exporter, `OTEL_TRACES_SAMPLER`,
`OTEL_BSP_*` and the limits of spans by the SDK, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` here.
"""

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
from anyio import to_thread
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.errors import ConfigurationError
from gateway.tracing import Attributes, SessionSpan, Span

__all__ = ["OpenTelemetryTracer", "open_tracer"]

logger = logging.getLogger("livecue.traces")

_NS_PER_S = 1e9

_PROTOCOL = "http/protobuf"

_PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
"""The first that is set counts."""


@asynccontextmanager
async def open_tracer() -> "AsyncIterator[OpenTelemetryTracer]":
    """Export traces while the block lasts, and what is left at its end.

    Raises:
        ConfigurationError: an `OTEL_*` variable asks for another exporter or protocol.
    """
    _check_variables(os.environ)
    try:
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none":
            provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError as error:
        raise ConfigurationError(f"traces: {error}") from error
    logger.info("traces on sampler=%s", provider.sampler.get_description())
    try:
        yield OpenTelemetryTracer(provider)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(provider.shutdown)


class OpenTelemetryTracer:
    """Records the spans of sessions.

    Args:
        provider: with its exporters.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("livecue", version("livecue"))
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: Mapping[str, str], start_s: float, attributes: Attributes) -> SessionSpan:
        """Begin the span of a session, as a child of the client's if the headers name one."""
        span = self._tracer.start_span(
            "session",
            context=self._propagator.extract(headers),
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
            start_time=_ns(start_s),
        )
        return _SessionSpan(self._tracer, span)


class _SessionSpan:
    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def trace_id(self) -> str | None:
        context = self._span.get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    @property
    def is_recorded(self) -> bool:
        return self._span.is_recording()

    def add(self, span: Span) -> None:
        self._add(span, self._span)

    def note(self, name: str, at_s: float, attributes: Attributes) -> None:
        self._span.add_event(name, attributes, _ns(at_s))

    def end(self, at_s: float, attributes: Attributes, error: str | None) -> None:
        self._span.set_attributes(attributes)
        _end(self._span, at_s, error)

    def _add(self, span: Span, parent: trace.Span) -> None:
        recorded = self._tracer.start_span(
            span.name,
            context=trace.set_span_in_context(parent),
            attributes=span.attributes,
            start_time=_ns(span.start_s),
        )
        for child in span.children:
            self._add(child, recorded)
        _end(recorded, span.end_s, span.error)


def _end(span: trace.Span, at_s: float, error: str | None) -> None:
    if error is not None:
        span.set_attribute("error.type", error)  # semantic conventions: general error attributes
        span.set_status(trace.StatusCode.ERROR, error)
    span.end(_ns(at_s))


def _ns(time_s: float) -> int:
    return round(time_s * _NS_PER_S)


def _resource() -> Resource:
    own = Resource({"service.name": "livecue", "service.version": version("livecue")})
    return Resource.create().merge(own).merge(OTELResourceDetector().detect())


def _check_variables(environment: Mapping[str, str]) -> None:
    """Refuse exporters that are not there, rather than to export nothing.

    Raises:
        ConfigurationError: an exporter or a protocol is not supported.
    """
    exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter not in ("otlp", "none"):
        raise ConfigurationError(f"OTEL_TRACES_EXPORTER = {exporter!r}: expected otlp or none")
    for name in _PROTOCOL_VARIABLES:
        protocol = environment.get(name)
        if protocol:
            if protocol != _PROTOCOL:
                raise ConfigurationError(f"{name} = {protocol!r}: expected {_PROTOCOL}")
            return
