"""Caption events: addresses that outlive sessions, and waiting for their next session."""

import time
from collections.abc import Callable

import anyio

from gateway.errors import Conflict, InvalidRequest
from gateway.journal.store import CaptionEvent, JournalStore

__all__ = ["CaptionEvents"]

_POLL_S = 1.0
"""Between two looks at a shared store, where another gateway may open the next session."""

_MAX_OF_OWNER = 1_000
"""Events of one owner: one a day for three years."""


class CaptionEvents:
    """The caption events of a store. Each has one owner; its newest session is the current one.

    Methods raise `StateUnavailable` if the store cannot be read or written.

    Args:
        store: of the journal.
        clock: seconds since 1970.
    """

    def __init__(self, store: JournalStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._changes: dict[str, anyio.Event] = {}
        """Set when the event of that name has another session, or is deleted."""

    async def find(self, name: str) -> CaptionEvent | None:
        """Return the event of that name; None: no such event."""
        return await self._store.caption_event(name)

    async def all(self) -> list[CaptionEvent]:
        """Return all events, the oldest first."""
        return await self._store.caption_events()

    async def add(self, name: str, owner: str | None, title: str | None) -> CaptionEvent | None:
        """Create an event and return it; None: the name is taken.

        Raises:
            InvalidRequest: the owner has too many.
        """
        owned = sum(event.owner == owner for event in await self._store.caption_events())
        if owned >= _MAX_OF_OWNER:
            raise InvalidRequest(f"{owned} caption events exist (limit {_MAX_OF_OWNER}): delete some first", "event")
        event = CaptionEvent(name, owner, title, self._clock())
        return event if await self._store.add_caption_event(event) else None

    async def set_title(self, name: str, title: str | None) -> None:
        """Rename an event; one that is unknown stays so."""
        await self._store.set_caption_event_title(name, title)

    async def check_owner(self, name: str, owner: str | None) -> None:
        """Check that an owner may open sessions at an event.

        Raises:
            Conflict: there is no such event of this owner.
        """
        event = await self._store.caption_event(name)
        if event is None or event.owner != owner:
            raise Conflict(f"no caption event {name!r} of this key: create it with PUT /v1/events/{name}", "event")

    async def set_session(self, name: str, session_id: str) -> None:
        """Make a session the current one of an event."""
        await self._store.set_caption_event_session(name, session_id)
        self._announce(name)

    async def delete(self, name: str) -> bool:
        """Delete an event with its view tokens; its sessions stay. Return whether it existed."""
        was_found = await self._store.delete_caption_event(name)
        self._announce(name)
        return was_found

    async def wait_for_session(self, name: str, after: str | None, max_wait_s: float) -> None:
        """Wait until the current session of an event is another one, or the event is deleted.

        Args:
            name: of the event.
            after: id of the session that the caller knows; None: none.
            max_wait_s: return after so long in any case.
        """
        until_s = anyio.current_time() + max_wait_s
        while True:
            change = self._changes.setdefault(name, anyio.Event())
            event = await self._store.caption_event(name)
            left_s = until_s - anyio.current_time()
            if event is None:
                self._announce(name)  # forgets the name
                return
            if event.session_id != after or left_s <= 0:
                return
            with anyio.move_on_after(min(left_s, _POLL_S) if self._store.is_shared else left_s):
                await change.wait()

    def _announce(self, name: str) -> None:
        change = self._changes.pop(name, None)
        if change is not None:
            change.set()
