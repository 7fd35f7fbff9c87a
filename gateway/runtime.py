"""The gateway without a server: an engine, the state that sessions share, and access control."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio

from decoder.engine import Engine
from decoder.scheduler import Scheduler
from gateway.access.admission import Admission, Shares
from gateway.access.audit_log import AuditLog, open_audit_log
from gateway.access.audit_record import AuditEvent
from gateway.access.authenticator import Authenticator
from gateway.access.authenticator_opening import open_authenticator
from gateway.access.caller import Caller
from gateway.access.key_slots import KeySlots
from gateway.delivery.broadcast import BACKLOG_EVENTS, SPARE_BACKLOG_EVENTS, Broadcaster, SessionInfo
from gateway.errors import ConfigurationError
from gateway.journal.journal import Journal, open_journal
from gateway.journal.journal_file import journal_path
from gateway.journal.recording import recordings_folder
from gateway.load.recorded_capacity import recorded_streams
from gateway.metrics import Metrics
from gateway.session.connection import Connection
from gateway.session.context import SessionContext
from gateway.session.overload import Overload
from gateway.session.stage_options import PipelineSettings
from gateway.settings import Settings
from gateway.sinks.service import Sinks, open_sinks
from gateway.tracing import Tracer
from gateway.transport import Transport
from gateway.wire import Codec
from vad.detector import create_detector

__all__ = ["Gateway", "open_gateway", "open_sessions", "serve"]

logger = logging.getLogger("livecue.gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: its settings, what its sessions share, authentication and admission control."""

    settings: Settings
    sessions: SessionContext
    authenticator: Authenticator
    shares: Shares
    admission: Admission
    file_admission: Admission
    decoder_admission: Admission
    audit: AuditLog


@asynccontextmanager
async def open_gateway(settings: Settings, engine: Engine) -> AsyncIterator[Gateway]:
    """Run an engine and admit sessions while the block lasts.

    Raises:
        ConfigurationError: there is no key, and the address requires one; or traces are on, and cannot be exported.
        StateUnavailable: there is a state database, and it cannot be read and written.
        ModelError: the engine's model cannot be loaded.
    """
    # what opens first closes last: the tracer exports, and the authenticator writes the usage of, the last sessions
    async with (
        _opened_tracer(settings) as tracer,
        open_audit_log(settings.audit) as audit,
        open_authenticator(settings, audit) as authenticator,
        open_journal(settings) as journal,
        open_sinks(settings.sinks, journal, settings.session.grace_s) as sinks,
        open_sessions(settings, engine, journal, tracer, sinks) as sessions,
    ):
        sessions.metrics.watch_sinks(sinks)
        sessions.metrics.watch(authenticator, settings.limits.max_key_labels, sessions.live.by_owner)
        sessions.metrics.watch_audit(audit)
        sessions.metrics.watch_journal(journal.counts)
        sessions.metrics.watch_upstreams(sessions.engine.pool)
        shares = Shares(authenticator.tenant_of, settings.limits.max_share)
        slots = KeySlots(authenticator.credentials.max_open)
        streams = settings.limits.streams or recorded_streams(settings.limits, sessions.engine)
        most = min(settings.server.max_sessions, streams or settings.server.max_sessions)
        live = Admission(most, "sessions", sessions.drain, shares, slots, sessions.free)
        sessions.metrics.watch_load(sessions.overload, live)
        files = Admission(settings.files.max_files, "files", sessions.drain, shares, slots)
        decoders = Admission(settings.limits.max_decoders, "containers", sessions.drain, shares)
        yield Gateway(settings, sessions, authenticator, shares, live, files, decoders, audit)


@asynccontextmanager
async def open_sessions(
    settings: Settings,
    engine: Engine,
    journal: Journal | None = None,
    tracer: Tracer | None = None,
    sinks: Sinks | None = None,
) -> AsyncIterator[SessionContext]:
    """Warm up an engine and schedule its requests while the block lasts; then close it.

    Args:
        settings: all of them.
        engine: not warmed up yet.
        journal: of the sessions.
        tracer: records traces of the sessions; None: off.
        sinks: send captions to other places; None: there are none.

    Raises:
        ModelError: the engine's model cannot be loaded.
    """
    await _warm_up(engine, settings)
    info, clock = engine.info, time.monotonic
    scheduler = Scheduler(engine, settings.planner, settings.scheduler, clock)
    session = replace(settings.session, max_waiting=settings.session.max_waiting or settings.server.max_sessions)
    pipeline = PipelineSettings(settings.segmenter, settings.stabiliser, settings.guard, session)
    broadcaster = Broadcaster(SPARE_BACKLOG_EVENTS if journal is not None and journal.is_enabled else BACKLOG_EVENTS)
    metrics = Metrics(scheduler, broadcaster)
    overload = Overload(session, settings.limits)
    services = journal, _recordings(settings, journal), broadcaster
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scheduler.run)
            options = scheduler, info, pipeline, metrics, clock, tasks, *services
            context = SessionContext(*options, tracer=tracer, overload=overload, sinks=sinks)
            tasks.start_soon(overload.run, scheduler, context.live)
            yield context
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await engine.aclose()


async def _warm_up(engine: Engine, settings: Settings) -> None:
    await engine.warm_up()
    create_detector(settings.session.detector)  # loads its model now rather than in the first session
    logger.info("engine ready engine=%s model=%s device=%s", engine.info.engine, engine.info.model, engine.info.device)


def _recordings(settings: Settings, journal: Journal | None) -> Path | None:
    """Return the folder of recorded audio; None: it is not recorded."""
    is_recorded = journal is not None and settings.journal.record
    return recordings_folder(journal_path(settings.journal)) if is_recorded else None


@asynccontextmanager
async def _opened_tracer(settings: Settings) -> AsyncIterator[Tracer | None]:
    """Yield the tracer if traces are on; its library is imported only then."""
    if not settings.server.traces:
        yield None
        return
    try:
        from gateway.otel import open_tracer
    except ImportError as error:
        raise ConfigurationError(
            f"server.traces = true: {error}; install the extra: pip install 'livecue[otel]'"
        ) from error
    async with open_tracer() as tracer:
        yield tracer


async def serve(
    gateway: Gateway,
    transport: Transport,
    codec: Codec,
    dialect: str,
    caller: Caller,
    about: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Serve a connection until it ends, on its caller's account.

    Args:
        gateway: running.
        transport: the open connection.
        codec: of its dialect.
        dialect: name of the dialect.
        caller: authenticated.
        about: returns further facts about the session, for callers that list sessions.
    """

    def record(session_id: str, is_resumed: bool) -> None:
        event = AuditEvent.SESSION_RESUMED if is_resumed else AuditEvent.SESSION_OPENED
        gateway.audit.record(event, caller, session=session_id, dialect=dialect)

    info = SessionInfo(dialect, caller.owner, time.time(), about, record, scopes=caller.scopes)
    charge = partial(gateway.authenticator.charge, caller)
    await Connection(transport, codec, gateway.sessions, charge, info).run()
