"""The gateway without a server: settings in, an engine at work and sessions to be served out."""

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from decoder.engine import Engine
from decoder.scheduler import Scheduler
from gateway.metrics import Metrics
from gateway.pipeline import PipelineSettings
from gateway.session import SessionContext
from gateway.settings import Settings
from vad.detector import create_detector

__all__ = ["Gateway", "open_gateway"]

logger = logging.getLogger("livecue.gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway at work: its settings, and what its sessions share."""

    settings: Settings
    sessions: SessionContext


@asynccontextmanager
async def open_gateway(settings: Settings, engine: Engine) -> AsyncIterator[Gateway]:
    """Warm the engine up and keep it busy while the block lasts; then close it.

    Raises:
        ModelError: the engine's model cannot be loaded.
    """
    await engine.warm_up()
    create_detector(settings.session.detector)  # loads its model now, not in the first session
    info = engine.info
    logger.info("engine ready engine=%s model=%s device=%s", info.engine, info.model, info.device)
    scheduler = Scheduler(engine, settings.planner, settings.scheduler, time.monotonic)
    pipeline = PipelineSettings(settings.segmenter, settings.stabiliser, settings.guard, settings.session)
    context = SessionContext(scheduler, info, pipeline, Metrics(scheduler), time.monotonic)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scheduler.run)
            yield Gateway(settings, context)
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await engine.aclose()
