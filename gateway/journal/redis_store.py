"""The journal in Redis, which several gateways share: each reads and resumes the sessions of all.

A gateway is alive while its lease lasts, which it renews. A session belongs to the gateway with its newest fencing
token: `acquire` draws the next one, and a write with an older one is refused.
"""

import os
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from uuid import uuid4

from redis.asyncio.client import Pipeline

from gateway.journal.ownership import Ownership
from gateway.journal.redis_client import BLOCK_S, RedisClient
from gateway.journal.redis_records import (
    Argument,
    Fields,
    Keys,
    entry_of,
    event_arguments,
    opening_fields,
    resumable_of,
    update_arguments,
)
from gateway.journal.redis_scripts import ACQUIRE, DELETE, INTERRUPT, TAKEN, WRITE
from gateway.journal.redis_sinks import RedisSinks
from gateway.journal.redis_texts import RedisTexts
from gateway.journal.store import Batch, Entry, Resumable, Row
from gateway.settings import JournalSettings
from gateway.sqlite import StateUnavailable, StateVanished

__all__ = ["RedisStore"]

_BATCH_DELAY_S = 0.1
"""Viewers at other gateways wait for it; some ten writes a second cost Redis nothing."""

_MS_PER_S = 1_000


class RedisStore(RedisTexts, RedisSinks):
    """A `JournalStore` in Redis 6.2 or later.

    Args:
        settings: URL, prefix of the keys, and length of the lease.
        clock: seconds that never go back, of the lease.
    """

    def __init__(self, settings: JournalSettings, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(RedisClient(settings), Keys(settings.prefix))
        self._lease_ms = round(settings.lease_s * _MS_PER_S)
        self._clock = clock
        self._gateway_id = uuid4().hex
        self._ownership = Ownership(settings.lease_s)
        self._generation: bytes | None = None

    @property
    def is_shared(self) -> bool:
        """Return True."""
        return True

    @property
    def is_owner(self) -> bool:
        """Whether the lease lasts."""
        return self._ownership.is_certain(self._clock())

    @property
    def batch_delay_s(self) -> float:
        """How long events that are not urgent wait for others."""
        return _BATCH_DELAY_S

    async def check(self) -> frozenset[str]:
        """Renew the lease, and return the sessions that other gateways have taken over since."""
        begun_s, own, keys = self._clock(), self._ownership.sessions(), self._keys
        lease = f"process {os.getpid()} on {socket.gethostname()}"
        proposed = uuid4().hex if self._generation is None else None

        def identify(pipeline: Pipeline) -> None:
            if proposed is not None:
                pipeline.set(keys.generation, proposed, nx=True)
            pipeline.get(keys.generation)

        def renew(pipeline: Pipeline) -> None:
            pipeline.set(keys.gateway(self._gateway_id), lease, px=self._lease_ms)

        fences = [partial(_get_fence, keys.session(session_id)) for session_id in own]
        replies = await self._client.run([*fences, renew, identify])
        self._check_generation(replies[-1])
        taken = self._ownership.lost(dict(zip(own, map(_fence, replies), strict=False)))
        self._ownership.renewed(begun_s)
        return taken

    async def aclose(self) -> None:
        """End the lease, so that its sessions count as free at once, and close the connections."""
        try:
            await self._client.run([lambda pipeline: pipeline.delete(self._keys.gateway(self._gateway_id))])
        except StateUnavailable:
            pass  # it ends by itself
        finally:
            await self._client.aclose()

    async def write(self, batch: Batch) -> frozenset[str]:
        """Write a batch, each session of it atomically; refused where another gateway owns the session."""
        openings = {opening.session_id: opening for opening in batch.openings}
        changes = {change.session_id: change for change in batch.changes}
        superseded: dict[str, list[Argument]] = defaultdict(list)
        for session_id, seq in batch.superseded:
            superseded[session_id].append(f"{seq}-0")
        ids = dict.fromkeys((*openings, *changes, *superseded, *(session_id for session_id, _ in batch.events)))
        for session_id in openings:
            self._ownership.open(session_id)

        def write(session_id: str, pipeline: Pipeline) -> None:
            opening = openings.get(session_id)
            fields = [] if opening is None else opening_fields(opening, self._gateway_id)
            keys = self._keys.session(session_id), self._keys.events(session_id)
            arguments: list[Argument] = [self._ownership.fence_of(session_id), len(fields), *fields]
            arguments += update_arguments(changes.get(session_id))
            arguments += [len(superseded[session_id]), *superseded[session_id]]
            pipeline.eval(WRITE, len(keys), *keys, *arguments, *event_arguments(batch.events, session_id))

        if openings:  # first, so that every session is listed
            scores = {session_id: opening.opened_s for session_id, opening in openings.items()}
            await self._client.run([lambda pipeline: pipeline.zadd(self._keys.sessions, scores)])
        replies = await self._client.run([partial(write, session_id) for session_id in ids])
        taken = frozenset(session_id for session_id, reply in zip(ids, replies, strict=True) if reply == TAKEN)
        ended = {session_id for session_id, change in changes.items() if change.ended_s is not None}
        self._ownership.forget(taken | ended)
        return taken

    async def acquire(self, session_id: str) -> bool:
        """Draw the next fencing token of a session."""
        with self._client.connected() as redis:
            fence = int(await redis.eval(ACQUIRE, 1, self._keys.session(session_id), self._gateway_id))
        if fence:
            self._ownership.acquired(session_id, fence)
        return True

    async def entries(self) -> list[Entry]:
        """Return all sessions, the oldest first."""
        ids = await self._ids()
        found = await self._client.run([partial(_get_all, self._keys.session(session_id)) for session_id in ids])
        entries = (entry_of(session_id, fields) for session_id, fields in zip(ids, found, strict=True))
        return [entry for entry in entries if entry is not None]

    async def find(self, session_id: str) -> Entry | None:
        """Return the session of that id; None: no such session."""
        return entry_of(session_id, await self._fields(session_id))

    async def events(self, session_id: str, after: int = 0, limit: int | None = None) -> list[Row]:
        """Return the numbers and messages of a session's events above `after`, oldest first, at most `limit`."""
        with self._client.connected() as redis:
            found = await redis.xrange(self._keys.events(session_id), min=f"({after}-0", count=limit)
        return _rows(found)

    async def last_seq(self, session_id: str) -> int:
        """Return the number of a session's newest event; 0: no event."""
        with self._client.connected() as redis:
            found = _rows(await redis.xrevrange(self._keys.events(session_id), count=1))
        return found[0][0] if found else 0

    async def newer_events(self, session_id: str, after: int, max_wait_s: float) -> list[Row]:
        """Return a session's events above `after`, oldest first; if there are none, wait for the first."""
        block_ms = round(min(max_wait_s, BLOCK_S) * _MS_PER_S)
        with self._client.connected() as redis:
            found = await redis.xread({self._keys.events(session_id): f"{after}-0"}, block=max(1, block_ms))
        return [row for _, entries in found for row in _rows(entries)]

    async def resumable(self, session_id: str) -> Resumable | None:
        """Return the data needed to resume a session; None: unknown, or not resumable."""
        return resumable_of(session_id, await self._fields(session_id))

    async def delete(self, session_id: str) -> bool:
        """Delete a session with its events and view tokens; return whether it existed."""
        keys = self._keys.all_of(session_id)
        with self._client.connected() as redis:
            was_found, *digests = await redis.eval(DELETE, len(keys), *keys)
            await redis.zrem(self._keys.sessions, session_id)
        await self.delete_tokens(digests)
        self._ownership.forget([session_id])
        return bool(was_found)

    async def sweep(
        self, silent_since_s: float, ended_before_s: float | None, now_s: float, own: Iterable[str]
    ) -> list[str]:
        """Mark sessions of gateways without a lease as interrupted, as `JournalStore.sweep` says.

        View tokens expire by themselves.
        """
        ids = await self._ids()
        found = await self._client.run([partial(_get_all, self._keys.session(session_id)) for session_id in ids])
        sessions: dict[str, Fields] = dict(zip(ids, found, strict=True))
        entries = {name: entry for name, fields in sessions.items() if (entry := entry_of(name, fields)) is not None}
        if deleted := sessions.keys() - entries.keys():  # their gateway was killed between two commands
            await self._client.run([lambda pipeline: pipeline.zrem(self._keys.sessions, *deleted)])
        silent = [
            entry.session_id
            for entry in entries.values()
            if entry.ended_s is None and entry.touched_s < silent_since_s and entry.session_id not in set(own)
        ]
        await self._interrupt({session_id: sessions[session_id] for session_id in silent})
        if ended_before_s is None:
            return []
        return [e.session_id for e in entries.values() if e.ended_s is not None and e.ended_s < ended_before_s]

    async def _ids(self) -> list[str]:
        with self._client.connected() as redis:
            return [each.decode() for each in await redis.zrange(self._keys.sessions, 0, -1)]

    async def _fields(self, session_id: str) -> Fields:
        with self._client.connected() as redis:
            fields: Fields = await redis.hgetall(self._keys.session(session_id))
        return fields

    async def _interrupt(self, silent: dict[str, Fields]) -> None:
        owners = [self._keys.gateway(fields[b"gateway"].decode()) for fields in silent.values()]
        leases = await self._client.run([partial(_get, owner) for owner in owners])
        mine = self._keys.gateway(self._gateway_id)  # resumed here, and failed at it
        dead = [
            session_id
            for session_id, owner, lease in zip(silent, owners, leases, strict=True)
            if lease is None or owner == mine
        ]

        def interrupt(session_id: str, pipeline: Pipeline) -> None:
            seen = silent[session_id]
            pipeline.eval(INTERRUPT, 1, self._keys.session(session_id), seen[b"fence"], seen[b"touched_s"])

        await self._client.run([partial(interrupt, session_id) for session_id in dead])

    def _check_generation(self, generation: bytes | None) -> None:
        is_lost = self._generation is not None and generation != self._generation
        self._generation = None if is_lost else generation
        if is_lost:
            raise StateVanished(self._client.message("its data was lost: was it restarted without persistence?"))


def _get_fence(key: str, pipeline: Pipeline) -> None:
    pipeline.hget(key, "fence")


def _get_all(key: str, pipeline: Pipeline) -> None:
    pipeline.hgetall(key)


def _get(key: str, pipeline: Pipeline) -> None:
    pipeline.get(key)


def _fence(reply: bytes | None) -> int | None:
    return None if reply is None else int(reply)


def _rows(found: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[Row]:
    return [(int(event_id.partition(b"-")[0]), fields[b"m"].decode()) for event_id, fields in found]
