"""Which events of a session a newer one supersedes. PURE."""

from gateway.wire import Ack, CadenceChanged, CueEvent, CueState, Final, ServerEvent, SessionEvent
from gateway.wire.server_events import channel_of

__all__ = ["EventCompactor"]


class EventCompactor:
    """The events of one session that something newer may take the place of.

    A partial cue gives way to a newer revision of the cue, and to the final of its utterance; an `Ack` to a newer one,
    and so does `CadenceChanged`, each within its channel. Nothing else ever gives way.
    """

    def __init__(self) -> None:
        self._partials: dict[tuple[int | None, int, str], int] = {}
        """Channel, utterance and cue → number of the newest revision."""
        self._newest: dict[tuple[int | None, type[SessionEvent]], int] = {}

    def add(self, event: ServerEvent) -> tuple[int, ...]:
        """Take in the next event, and return the numbers of those that it takes the place of.

        Args:
            event: its number is above those of all before.
        """
        channel, told = channel_of(event)
        match told:
            case CueEvent(seq, cue):
                name = channel, cue.utterance_id, cue.cue_id
                older = self._partials.pop(name, None)
                if cue.state is CueState.PARTIAL:
                    self._partials[name] = seq
                return () if older is None else (older,)
            case Final(_, utterance_id):
                names = [name for name in self._partials if name[:2] == (channel, utterance_id)]
                return tuple(self._partials.pop(name) for name in names)
            case Ack(seq) | CadenceChanged(seq):
                older = self._newest.get((channel, type(told)))
                self._newest[channel, type(told)] = seq
                return () if older is None else (older,)
            case _:
                return ()
