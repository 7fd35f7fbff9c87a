"""The life of a session. PURE.

| state      | attach   | detach   | stop     | evict   | move  | finish   | fail   |
|------------|----------|----------|----------|---------|-------|----------|--------|
| connecting | live     | –        | –        | –       | –     | –        | failed |
| live       | live     | detached | draining | –       | moved | –        | failed |
| detached   | live     | –        | draining | evicted | moved | –        | failed |
| draining   | draining | draining | draining | evicted | moved | finished | failed |
| evicted    | –        | –        | –        | –       | –     | finished | failed |
| moved      | –        | –        | –        | –       | –     | –        | –      |
| finished   | –        | –        | –        | –       | –     | –        | –      |
| failed     | –        | –        | –        | –       | –     | –        | –      |

A dash: the transition is ignored, since its cause came too late.
"""

from collections.abc import Mapping
from enum import StrEnum

from vad.errors import LivecueError

__all__ = ["TRANSITIONS", "Lifecycle", "State", "Transition"]


class State(StrEnum):
    """Where a session is in its life."""

    CONNECTING = "connecting"
    """Created, and not open yet."""
    LIVE = "live"
    """A client sends audio."""
    DETACHED = "detached"
    """The client is disconnected, and may resume."""
    DRAINING = "draining"
    """No more audio is accepted; finals are outstanding. The client may leave and resume."""
    EVICTED = "evicted"
    """The client did not resume in time, and no longer can; finals are outstanding."""
    MOVED = "moved"
    """Left to the next gateway: over here, but not in the journal."""
    FINISHED = "finished"
    """All audio has its final."""
    FAILED = "failed"
    """Ended by an error; finals may be missing."""


class Transition(StrEnum):
    """An event in the life of a session."""

    ATTACH = "attach"
    """A client connects."""
    DETACH = "detach"
    """The client's connection is lost, and it may resume."""
    STOP = "stop"
    """The client or the gateway ends the audio."""
    EVICT = "evict"
    """The client was disconnected for too long, or too many sessions are detached."""
    MOVE = "move"
    """The gateway is stopping, and the client can resume at another one."""
    FINISH = "finish"
    """The last final has been emitted."""
    FAIL = "fail"
    """A fatal error."""


TRANSITIONS: Mapping[State, Mapping[Transition, State]] = {
    State.CONNECTING: {Transition.ATTACH: State.LIVE, Transition.FAIL: State.FAILED},
    State.LIVE: {
        Transition.ATTACH: State.LIVE,
        Transition.DETACH: State.DETACHED,
        Transition.STOP: State.DRAINING,
        Transition.MOVE: State.MOVED,
        Transition.FAIL: State.FAILED,
    },
    State.DETACHED: {
        Transition.ATTACH: State.LIVE,
        Transition.STOP: State.DRAINING,
        Transition.EVICT: State.EVICTED,
        Transition.MOVE: State.MOVED,
        Transition.FAIL: State.FAILED,
    },
    State.DRAINING: {
        Transition.ATTACH: State.DRAINING,
        Transition.DETACH: State.DRAINING,
        Transition.STOP: State.DRAINING,
        Transition.EVICT: State.EVICTED,
        Transition.MOVE: State.MOVED,
        Transition.FINISH: State.FINISHED,
        Transition.FAIL: State.FAILED,
    },
    State.EVICTED: {Transition.FINISH: State.FINISHED, Transition.FAIL: State.FAILED},
    State.MOVED: {},
    State.FINISHED: {},
    State.FAILED: {},
}
"""The table above."""


class Lifecycle:
    """The state of one session, and the error that ends or ended it."""

    def __init__(self) -> None:
        self._state = State.CONNECTING
        self._error: LivecueError | None = None

    @property
    def state(self) -> State:
        """The current state."""
        return self._state

    @property
    def error(self) -> LivecueError | None:
        """Why the session ends or ended; None: no error, its client ends it."""
        return self._error

    @property
    def accepts_audio(self) -> bool:
        """Whether audio received now is decoded."""
        return self._state is State.LIVE

    @property
    def can_resume(self) -> bool:
        """Whether a client may attach to it."""
        return Transition.ATTACH in TRANSITIONS[self._state]

    @property
    def is_over(self) -> bool:
        """Whether no transition is left."""
        return not TRANSITIONS[self._state]

    @property
    def outcome(self) -> str:
        """How it ended: the code of its error, `finished`, `moved`, or `interrupted` if it is not over."""
        if self._error is not None:
            return self._error.code
        return self._state.value if self._state in (State.FINISHED, State.MOVED) else "interrupted"

    def apply(self, transition: Transition, error: LivecueError | None = None) -> bool:
        """Make a transition if the state allows it, and return whether it does.

        Args:
            transition: to make.
            error: its cause, which replaces an earlier one.
        """
        following = TRANSITIONS[self._state].get(transition)
        if following is None:
            return False
        self._state = following
        self._error = error or self._error
        return True
