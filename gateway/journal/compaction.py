"""Which events of a session a newer one supersedes. PURE."""

from gateway.wire import (
    Ack,
    CadenceChanged,
    Correction,
    CueEvent,
    CueState,
    Details,
    Final,
    ServerEvent,
    SessionEvent,
    SinksStatus,
)
from gateway.wire.server_events import channel_of

__all__ = ["EventCompactor"]


class EventCompactor:
    """Tracks the events of one session that newer ones supersede.

    A partial cue is superseded by a newer revision of the cue and by the final of its utterance; a correction by a
    newer one of the same utterance; an `Ack` by a newer `Ack`, and `CadenceChanged`, `Details` and `SinksStatus`
    likewise, each within its channel. Other events are never superseded: a corrected final stays.
    """

    def __init__(self) -> None:
        self._partials: dict[tuple[int | None, int, str], int] = {}
        """Channel, utterance and cue → number of the newest revision."""
        self._corrections: dict[tuple[int | None, int], int] = {}
        """Channel and utterance → number of the newest correction."""
        self._newest: dict[tuple[int | None, type[SessionEvent]], int] = {}

    def add(self, event: ServerEvent) -> tuple[int, ...]:
        """Add the next event, and return the numbers of the events that it supersedes.

        Args:
            event: its number is above those of all earlier events.
        """
        channel, inner = channel_of(event)
        match inner:
            case CueEvent(seq, cue):
                key = channel, cue.utterance_id, cue.cue_id
                older = self._partials.pop(key, None)
                if cue.state is CueState.PARTIAL:
                    self._partials[key] = seq
                return () if older is None else (older,)
            case Final(_, utterance_id):
                keys = [key for key in self._partials if key[:2] == (channel, utterance_id)]
                return tuple(self._partials.pop(key) for key in keys)
            case Correction(seq, utterance_id):
                older = self._corrections.get((channel, utterance_id))
                self._corrections[channel, utterance_id] = seq
                return () if older is None else (older,)
            case Ack(seq) | CadenceChanged(seq) | Details(seq) | SinksStatus(seq):
                older = self._newest.get((channel, type(inner)))
                self._newest[channel, type(inner)] = seq
                return () if older is None else (older,)
            case _:
                return ()
