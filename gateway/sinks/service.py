"""The sinks of a gateway: which a session may use, and those that are at work."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from gateway.access.scopes import Scope, allows
from gateway.delivery.broadcast import Broadcast, SessionInfo
from gateway.errors import ConfigurationError
from gateway.journal.journal import Journal
from gateway.journal.store import Entry
from gateway.settings import SinkSettings
from gateway.sinks.pacing import Pacing
from gateway.sinks.positions import SinkPositions
from gateway.sinks.progress import SinkCounts, SinkProgress
from gateway.sinks.session_sinks import Report, SessionSinks, SinkServices
from gateway.sinks.sink import SessionFacts, SinkTarget
from gateway.sinks.target import check_client_target, parse_target
from gateway.sqlite import StateUnavailable
from gateway.wire import ProtocolError, SinkChoice, Start

__all__ = ["ConfiguredSink", "Sinks", "configured_sinks", "open_sinks"]

logger = logging.getLogger("livecue.sinks")

_SETTLE_S = 10.0
"""How long a drain waits for sinks that work: two requests that take as long as they may."""


@dataclass(frozen=True, slots=True)
class ConfiguredSink:
    """One sink of the settings.

    Attributes:
        target: where it sends.
        is_automatic: whether sessions use it that choose none.
        keys: owners of the sessions that may use it; empty: all.
    """

    target: SinkTarget
    is_automatic: bool
    keys: frozenset[str]

    def is_for(self, owner: str | None) -> bool:
        """Return whether the sessions of an owner may use it."""
        return not self.keys or owner in self.keys


def configured_sinks(settings: SinkSettings) -> tuple[ConfiguredSink, ...]:
    """Return the sinks of the settings.

    Raises:
        ConfigurationError: an URL is wrong, or a name occurs twice.
    """
    found: dict[str, ConfiguredSink] = {}
    for each in settings.targets:
        if each.name in found:
            raise ConfigurationError(f"sinks.targets: two sinks are called {each.name!r}")
        target = parse_target(each.name, each.url.get_secret_value())
        found[each.name] = ConfiguredSink(target, each.automatic, frozenset(each.keys))
    return tuple(found.values())


class Sinks:
    """Chooses and runs the sinks of all sessions.

    Args:
        settings: of sinks.
        journal: has the events that a sink has missed; None: no journal.
        tasks: task group that they run in; they outlive their session.
        pacing: their clock.

    Raises:
        ConfigurationError: as `configured_sinks`.
    """

    def __init__(
        self, settings: SinkSettings, journal: Journal | None, tasks: TaskGroup, pacing: Pacing | None = None
    ) -> None:
        self.counts = SinkCounts()
        """Of what was sent and lost."""
        self._settings = settings
        self._configured = {each.target.name: each for each in configured_sinks(settings)}
        self._tasks = tasks
        self._pacing = pacing or Pacing()
        self._journal = journal
        self._services = SinkServices(journal, self.counts, self._pacing)
        self._running: dict[str, SessionSinks] = {}

    def choose(self, start: Start, info: SessionInfo, *, is_restored: bool = False) -> tuple[SinkTarget, ...]:
        """Return the sinks of a session.

        Args:
            start: what its client wants.
            info: metadata of the session.
            is_restored: whether the start comes from the journal, and was allowed before.

        Raises:
            ProtocolError: there is no such sink for this client, or a sink of its own is not allowed.
        """
        if start.sinks is None:
            live = () if start.file else self._configured.values()
            return tuple(each.target for each in live if each.is_automatic and each.is_for(info.owner))
        if len(start.sinks) > self._settings.max_per_session:
            most = self._settings.max_per_session
            raise ProtocolError(f"{len(start.sinks)} sinks: at most {most} allowed", "sinks")
        chosen = [self._chosen(choice, info, is_restored=is_restored) for choice in start.sinks]
        if len({target.name for target in chosen}) < len(chosen):
            raise ProtocolError("two sinks have the same name", "sinks")
        return tuple(chosen)

    def start(
        self, session: SessionFacts, targets: Sequence[SinkTarget], broadcast: Broadcast | None, report: Report
    ) -> None:
        """Send a session's captions to its sinks until they have all of them."""
        if targets:
            self._tasks.start_soon(self._run, SessionSinks(session, targets, self._services, broadcast, report))

    def configured(self, kind: str) -> SinkTarget | None:
        """Return the first sink of a kind in the settings; None: there is none."""
        return next((each.target for each in self._configured.values() if each.target.kind == kind), None)

    def of_session(self, session_id: str) -> list[SinkProgress]:
        """Return how far the sinks of a session are that are at work."""
        running = self._running.get(session_id)
        return [] if running is None else running.progress

    def all(self) -> list[SinkProgress]:
        """Return how far all sinks are that are at work."""
        return [progress for running in self._running.values() for progress in running.progress]

    async def settle(self) -> None:
        """Wait, not for long, until the sinks that work have sent everything; those that are down are left."""
        with anyio.move_on_after(_SETTLE_S):
            while any(running.is_behind for running in self._running.values()):
                await self._pacing.sleep(0.05)

    async def resume(self, grace_s: float) -> None:
        """Send what sinks have not acknowledged of sessions that ended before the gateway was restarted.

        Sessions that are open in the journal may still be resumed; after the grace time they are over. A journal that
        gateways share is left alone: another one may be at work on its sessions.

        Args:
            grace_s: how long a session waits for its client.
        """
        if self._journal is None or not self._journal.is_enabled or self._journal.store.is_shared:
            return
        try:
            entries = await self._journal.entries()
            await self._resume([entry for entry in entries if entry.ended_s is not None])
            await self._pacing.sleep(grace_s)
            open_before = {entry.session_id for entry in entries if entry.ended_s is None}
            await self._resume([each for each in await self._journal.entries() if each.session_id in open_before])
        except StateUnavailable as error:
            logger.warning("captions of earlier sessions are not sent to sinks: %s", error)

    async def _resume(self, entries: Sequence[Entry]) -> None:
        positions = SinkPositions(self._journal)
        since_s = self._pacing.clock() - self._settings.resume_within_s
        for entry in entries:
            if entry.session_id in self._running or (entry.ended_s or entry.touched_s) < since_s:
                continue
            kept = await positions.of_session(entry.session_id)
            unfinished = [name for name, position in kept.items() if not position.is_done]
            targets = [self._configured[name].target for name in unfinished if name in self._configured]
            facts = SessionFacts(entry.session_id, entry.opened_s, entry.language)
            self.start(facts, targets, None, lambda progress: None)

    async def _run(self, sinks: SessionSinks) -> None:
        session_id = sinks.session.session_id
        while (earlier := self._running.get(session_id)) is not None:  # the session was resumed meanwhile
            await earlier.finished.wait()
        self._running[session_id] = sinks
        try:
            await sinks.run()
        finally:
            del self._running[session_id]

    def _chosen(self, choice: SinkChoice, info: SessionInfo, *, is_restored: bool) -> SinkTarget:
        if choice.url is None:
            configured = self._configured.get(choice.name)
            if configured is None or not configured.is_for(info.owner):
                names = [name for name, each in self._configured.items() if each.is_for(info.owner)]
                raise ProtocolError(f"no sink {choice.name!r}: expected {', '.join(names) or 'none'}", "sinks")
            return configured.target
        if not is_restored and not allows(info.scopes, Scope.SINKS):
            raise ProtocolError(f"sink {choice.name!r}: a sink of your own needs a key with the scope sinks", "sinks")
        try:
            target = parse_target(choice.name, choice.url, is_clients=True)
            check_client_target(target, self._settings.client_hosts)
        except ConfigurationError as error:
            raise ProtocolError(str(error), "sinks") from error
        if choice.name in self._configured:
            raise ProtocolError(f"sink {choice.name!r}: the operator has a sink of that name", "sinks")
        return target


@asynccontextmanager
async def open_sinks(settings: SinkSettings, journal: Journal | None, grace_s: float) -> AsyncIterator[Sinks]:
    """Run the sinks of a gateway while the block lasts.

    Args:
        settings: of sinks.
        journal: has the events that a sink has missed; None: no journal.
        grace_s: how long a session waits for its client.

    Raises:
        ConfigurationError: as `configured_sinks`.
    """
    configured_sinks(settings)  # an error here is not wrapped by the task group
    async with anyio.create_task_group() as tasks:
        sinks = Sinks(settings, journal, tasks)
        tasks.start_soon(sinks.resume, grace_s)
        yield sinks
        tasks.cancel_scope.cancel()
