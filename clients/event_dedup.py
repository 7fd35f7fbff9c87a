"""Deduplication of a session's events after a lost connection. PURE."""

from gateway.wire import (
    CueEvent,
    CueState,
    DialectMessage,
    Error,
    Final,
    Flushed,
    OfChannel,
    Partial,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
)

__all__ = ["EventDeduplicator"]


class EventDeduplicator:
    """Distinguishes new events from repeated ones.

    Sequence numbers alone do not suffice: a gateway that was killed has not recorded its last events, and sends them
    again under other numbers. So each utterance also has only one final, and no event after it.
    """

    def __init__(self) -> None:
        self._flushes: list[str] = []
        self.reset()

    def reset(self) -> None:
        """Reset for a new session. Outstanding flushes may still be answered."""
        self.seq = 0
        """Sequence number of the newest event."""
        self._is_ready = False
        self._started = self._ended = self._final = -1
        """The newest utterance with that event."""
        self._final_cues: set[str] = set()
        """Of the utterance whose final is next: utterances are emitted one after the other."""

    def expect(self, flush_id: str) -> None:
        """Accept one answer to the flush with that id."""
        self._flushes.append(flush_id)

    def is_new(self, event: ServerEvent) -> bool:
        """Return whether an event is new, and record it."""
        assert not isinstance(event, Partial | DialectMessage | OfChannel), "the native dialect has no such messages"
        if isinstance(event, Ready):
            was_ready, self._is_ready = self._is_ready, True
            self.seq = max(self.seq, event.seq)
            return not was_ready
        if event.seq <= self.seq:
            return isinstance(event, Error) and event.fatal  # a refusal is not part of the session
        self.seq = event.seq
        match event:
            case SpeechStarted(utterance_id=utterance_id):
                before, self._started = self._started, max(self._started, utterance_id)
                return utterance_id > before
            case SpeechEnded(utterance_id=utterance_id):
                before, self._ended = self._ended, max(self._ended, utterance_id)
                return utterance_id > before
            case Final(utterance_id=utterance_id):
                if utterance_id <= self._final:
                    return False
                self._final = utterance_id
                self._final_cues.clear()
                return True
            case CueEvent():
                return self._is_new_cue(event)
            case Flushed(flush_id=flush_id):
                return self._is_expected(flush_id)
            case _:
                return True

    def _is_new_cue(self, event: CueEvent) -> bool:
        cue = event.cue
        if cue.utterance_id <= self._final or cue.cue_id in self._final_cues:
            return False
        if cue.state is CueState.FINAL:
            self._final_cues.add(cue.cue_id)
        return True

    def _is_expected(self, flush_id: str) -> bool:
        if flush_id not in self._flushes:
            return False
        self._flushes.remove(flush_id)
        return True
