"""The end of a gateway: nothing new is begun, what was received is answered, files are finished or refused.

| step | what happens |
|---|---|
| 1 | `/readyz` says `draining`; sessions and files are refused with 503; who has not begun is let go |
| 2 | sessions hear nothing more and get their finals; one that can be resumed is left to the next gateway |
| 3 | `limits.drain_s` later at most, files that are still in work are refused, and connections are closed with 1012 |
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

from gateway.errors import Draining
from gateway.sqlite import StateUnavailable
from gateway.cancellation import work_until

if TYPE_CHECKING:
    from gateway.journal.journal import Journal
    from gateway.runtime import Gateway
    from gateway.session.session import Session

__all__ = ["Drain", "drain"]

_Outcome = TypeVar("_Outcome")


class _Undone:
    """What a work has for an outcome that was not done in time."""


_UNDONE = _Undone()

_LEAVE_S = 3.0
"""What peers get to take their last message once time is up: three times what a close frame may take."""


class Drain:
    """Whether a gateway is being drained, and whom that concerns."""

    def __init__(self) -> None:
        self.has_begun = False
        self.is_due = anyio.Event()
        """Set when time is up."""
        self._concerned: set[Callable[[], None]] = set()

    @contextmanager
    def calling(self, on_begin: Callable[[], None]) -> Iterator[None]:
        """Call somebody when it begins, if it does while the block lasts; at once, where it has begun."""
        self._concerned.add(on_begin)
        if self.has_begun:
            on_begin()
        try:
            yield
        finally:
            self._concerned.discard(on_begin)

    def check(self) -> None:
        """Let something new begin.

        Raises:
            Draining: it must not.
        """
        if self.has_begun:
            raise Draining("the gateway stops: try again in a moment, or elsewhere")

    async def before_due(self, work: Callable[[], Awaitable[_Outcome]]) -> _Outcome:
        """Return the outcome of a work that ends when time is up.

        Raises:
            Draining: it was not done by then.
            LivecueError, ClientDisconnect: by the work.
        """
        outcome = await work_until(self.is_due.wait, work, _UNDONE)
        if isinstance(outcome, _Undone):
            raise Draining("the gateway stops, and this is not finished: ask again in a moment")
        return outcome

    def begin(self) -> None:
        """Let nothing new begin from now on."""
        self.has_begun = True
        for on_begin in tuple(self._concerned):
            on_begin()


async def drain(gateway: "Gateway") -> None:
    """Bring all that goes on in a gateway to its end; return once that is so, or time is up."""
    sessions, state = gateway.sessions, gateway.sessions.drain
    state.begin()
    with anyio.move_on_after(gateway.settings.limits.drain_s):
        async with anyio.create_task_group() as tasks:
            for session in tuple(sessions.live.values()):
                tasks.start_soon(_drain_session, session, sessions.journal)
            tasks.start_soon(gateway.admission.emptied)
            tasks.start_soon(gateway.file_admission.emptied)
    state.is_due.set()
    with anyio.move_on_after(_LEAVE_S):
        for session in tuple(sessions.live.values()):
            _let_go(session)
        await gateway.admission.emptied()
        await gateway.file_admission.emptied()


async def _drain_session(session: "Session", journal: "Journal | None") -> None:
    if session.audience.token is None or session.has_stopped:
        if not session.has_stopped:
            session.end_early(Draining("the gateway stops; what it has received is still answered"))
        await session.closed.wait()
    else:
        await session.transcriber.answered()
        if journal is not None:
            with suppress(StateUnavailable):
                await journal.find(session.session_id)  # in its turn: finals are sent once they are written down
        _let_go(session)


def _let_go(session: "Session") -> None:
    if session.audience.peer is not None:
        session.audience.peer.end(Draining("the gateway stops"))
