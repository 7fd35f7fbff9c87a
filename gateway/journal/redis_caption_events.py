"""The caption events of the journal in Redis, which do not expire."""

from functools import partial

from redis.asyncio.client import Pipeline

from gateway.journal.redis_records import caption_event_of
from gateway.journal.redis_tokens import RedisTokens
from gateway.journal.store import CaptionEvent, event_subject

__all__ = ["RedisCaptionEvents"]


class RedisCaptionEvents(RedisTokens):
    """The part of a `JournalStore` for caption events and view tokens; arguments as of `RedisTokens`."""

    async def caption_event(self, name: str) -> CaptionEvent | None:
        """Return the caption event of that name; None: no such event."""
        with self._client.connected() as redis:
            return caption_event_of(name, await redis.hgetall(self._keys.caption_event(name)))

    async def caption_events(self) -> list[CaptionEvent]:
        """Return all caption events, the oldest first."""
        with self._client.connected() as redis:
            names = [each.decode() for each in await redis.zrange(self._keys.caption_events, 0, -1)]
        found = await self._client.run([partial(_get_all, self._keys.caption_event(name)) for name in names])
        events = (caption_event_of(name, fields) for name, fields in zip(names, found, strict=True))
        return [event for event in events if event is not None]

    async def add_caption_event(self, event: CaptionEvent) -> bool:
        """Add a caption event; return False if its name is taken."""
        key = self._keys.caption_event(event.name)
        fields: dict[str, str | float] = {"title": event.title or "", "created_s": event.created_s}
        with self._client.connected() as redis:
            await redis.zadd(self._keys.caption_events, {event.name: event.created_s}, nx=True)  # first: it is listed
            is_new = await redis.hsetnx(key, "owner", event.owner or "")
            if is_new:
                await redis.hset(key, mapping=fields)
        return bool(is_new)

    async def set_caption_event_title(self, name: str, title: str | None) -> None:
        """Rename a caption event."""
        with self._client.connected() as redis:
            await redis.hset(self._keys.caption_event(name), "title", title or "")

    async def set_caption_event_session(self, name: str, session_id: str) -> None:
        """Set the newest session of a caption event."""
        with self._client.connected() as redis:
            await redis.hset(self._keys.caption_event(name), "session_id", session_id)

    async def delete_caption_event(self, name: str) -> bool:
        """Delete a caption event with its view tokens; return whether it existed."""
        key = self._keys.caption_event(name)
        with self._client.connected() as redis:
            was_found = await redis.hexists(key, "owner")
            await redis.delete(key)
            await redis.zrem(self._keys.caption_events, name)
        await self.delete_view_tokens(event_subject(name))
        return bool(was_found)


def _get_all(key: str, pipeline: Pipeline) -> None:
    pipeline.hgetall(key)
