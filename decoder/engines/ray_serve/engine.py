"""The engine `ray`: hands the planner's batches to replicas of another engine, on Ray Serve."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import count
from typing import Protocol

import anyio
import anyio.to_thread

from decoder.engine import EngineInfo, EngineWork
from decoder.engine_process.messages import Answered, Decode, Failed, Started
from decoder.engines.ray_serve.replica import frame_of, report_of
from decoder.settings import EngineSettings
from decoder.types import DecodeRequest, EngineError, EngineFailed, Hypothesis

__all__ = ["Cluster", "RayEngine", "ReplicaLost"]

logger = logging.getLogger("livecue.engine")

POLL_INTERVAL_S = 1.0
"""How often the replicas are counted, and learn which sessions have ended."""

ATTEMPTS = 2
"""A batch whose replica dies goes to another one, once: a request that kills its engine kills no more than two."""

MOST_FORGOTTEN = 100_000
"""Ended sessions that the replicas have yet to learn of; so many only without replicas, which then have no state."""


class ReplicaLost(EngineFailed):
    """The replica has died, or cannot be reached; another one may answer."""


class Cluster(Protocol):
    """The replicas of one engine. Its methods that are not async may be called from any thread, and wait."""

    def start(self) -> bytes:
        """Start the replicas, wait until one is warm and return the frame of a `Started`.

        Raises:
            ModelError: they do not start.
        """
        ...

    async def decode(self, frame: bytes) -> tuple[str, bytes]:
        """Return what `Replica.decode` of any replica does.

        Raises:
            ReplicaLost: the replica has died.
            EngineFailed: it raised.
        """
        ...

    def poll(self, forgotten: tuple[str, ...]) -> Sequence[bool]:
        """Return what `Replica.poll` of each running replica does.

        Raises:
            EngineFailed: they cannot be asked.
        """
        ...

    def close(self) -> None:
        """Free what this process holds."""
        ...


class RayEngine:
    """Hands each batch to one replica. The contract is `decoder.engine.Engine`'s.

    The scheduler may have as many batches in flight as the running replicas have places, so that requests queue in the
    planner, where a newer partial replaces an older one. Ray chooses the replica, the one with the shorter queue of
    two. A batch whose replica dies is sent again, once. Without any replica a batch waits for one, until the scheduler
    times out.

    Args:
        cluster: the replicas.
        settings: of the engine.
        poll_interval_s: how often the replicas are counted.
    """

    def __init__(self, cluster: Cluster, settings: EngineSettings, poll_interval_s: float = POLL_INTERVAL_S) -> None:
        self.info = EngineInfo("ray", settings.model or "", settings.device, is_usable=self._is_usable)
        """Complete once the engine is warm."""
        self.max_batch = settings.max_batch
        self._cluster = cluster
        self._poll_interval_s = poll_interval_s
        self._parallel_each = 1
        self._usable = 0  # replicas, at the last poll
        self._works: dict[str, EngineWork] = {}
        self._numbers = count()
        self._forgotten: deque[str] = deque(maxlen=MOST_FORGOTTEN)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._started: Future[None] = Future()

    @property
    def parallel(self) -> int:
        """Batches that the running replicas decode at the same time."""
        return max(1, self._usable * self._parallel_each)

    @property
    def work(self) -> EngineWork:
        """The work of all replicas that answered this gateway, for other gateways included."""
        return sum(self._works.values(), EngineWork())

    async def warm_up(self) -> None:
        """Start the replicas; once they were started, do nothing.

        Raises:
            ModelError: they do not start.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="livecue-ray", daemon=True)
            self._thread.start()
        # Shielded: a caller that is cancelled must not cancel it for the others.
        await asyncio.shield(asyncio.wrap_future(self._started))

    async def decode(self, batch: Sequence[DecodeRequest]) -> Sequence[Hypothesis | EngineError]:
        """Return one answer per request, in the same order.

        Raises:
            EngineError: as the engine raised it; or two replicas have died.
        """
        if not self._started.done():
            await self.warm_up()
        number = next(self._numbers)
        frame = frame_of(Decode(number, tuple(batch)))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                replica, answer = await self._cluster.decode(frame)
            except ReplicaLost as error:
                logger.warning("replica lost attempt=%d of=%d error=%s", attempt, ATTEMPTS, error)
                if attempt == ATTEMPTS:
                    raise
            else:
                return self._answers(number, replica, answer)
        raise AssertionError("the last attempt returns or raises")

    def forget(self, session_id: str) -> None:
        """Discard the state of a session, at the next poll: any replica may have some."""
        self._forgotten.append(session_id)

    async def aclose(self) -> None:
        """Leave the replicas; those of a cluster that this engine started end."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._close)

    def _close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        """Use the cluster from its start to its end, in one thread: Ray's processes die with that which began them."""
        try:
            self._start()
        except EngineError as error:
            self._started.set_exception(error)
        else:
            self._started.set_result(None)
            while not self._closing.wait(self._poll_interval_s):
                self.poll()
        self._cluster.close()

    def _start(self) -> None:
        started = report_of(self._cluster.start())
        if not isinstance(started, Started):
            raise EngineFailed(f"a replica described itself by {type(started).__name__}: expected Started")
        self.info = started.info(self._is_usable)
        self.max_batch, self._parallel_each = started.max_batch, started.parallel
        self.poll()

    def _answers(self, number: int, replica: str, frame: bytes) -> Sequence[Hypothesis | EngineError]:
        """Return the answers of a frame, which must belong to this call."""
        report = report_of(frame)
        if not isinstance(report, Answered | Failed) or report.number != number:
            raise EngineFailed(f"a replica answered another call: expected number {number}")
        if isinstance(report, Failed):
            raise report.failure.as_error()
        self._works[replica] = report.work
        return [outcome.as_answer() for outcome in report.outcomes]

    def _is_usable(self) -> bool:
        return self._usable > 0

    def poll(self) -> None:
        """Count the replicas, and let them forget the sessions that have ended; a thread calls it again and again."""
        forgotten = tuple(self._forgotten)
        try:
            usable = sum(self._cluster.poll(forgotten))
        except EngineError as error:
            logger.warning("replicas cannot be asked error=%s", error)
            usable = 0
        else:
            for _ in forgotten:
                self._forgotten.popleft()
        if usable != self._usable:
            logger.info("replicas usable=%d before=%d", usable, self._usable)
        self._usable = usable
