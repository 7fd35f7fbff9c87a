"""The texts of sessions of the journal in Redis."""

from collections.abc import Mapping, Sequence
from functools import partial

from redis.asyncio.client import Pipeline

from gateway.journal.redis_caption_events import RedisCaptionEvents
from gateway.journal.redis_scripts import SET_TEXT

__all__ = ["RedisTexts"]


class RedisTexts(RedisCaptionEvents):
    """The part of a `JournalStore` for texts, caption events and view tokens; arguments as of `RedisTokens`."""

    async def texts(self, session_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the stored texts of these sessions, without those stored before their newest event."""
        kept = await self._client.run([partial(_get, self._keys.text(session_id)) for session_id in session_ids])
        newest = await self._client.run([partial(_newest, self._keys.events(each)) for each in session_ids])
        return {
            session_id: text.decode()
            for session_id, (seq, text), events in zip(session_ids, kept, newest, strict=True)
            if text is not None and int(seq) == _seq_of(events)
        }

    async def set_text(self, session_id: str, seq: int, text: str) -> None:
        """Store the text of a session; ignore it if the session is deleted."""
        keys = self._keys.session(session_id), self._keys.text(session_id)
        with self._client.connected() as redis:
            await redis.eval(SET_TEXT, len(keys), *keys, seq, text)


def _get(key: str, pipeline: Pipeline) -> None:
    pipeline.hmget(key, "seq", "text")


def _newest(key: str, pipeline: Pipeline) -> None:
    pipeline.xrevrange(key, count=1)


def _seq_of(newest: Sequence[tuple[bytes, object]]) -> int:
    return int(newest[0][0].partition(b"-")[0]) if newest else 0
