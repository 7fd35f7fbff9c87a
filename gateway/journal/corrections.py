"""Corrections of utterances from what the journal has of their session. PURE."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.captions.correction import corrected
from gateway.captions.cue_profiles import CueProfile
from gateway.errors import Conflict, NotFound
from gateway.journal.event_json import event_json
from gateway.journal.utterances import find_utterance
from gateway.wire import Correction, OfChannel, ServerEvent

__all__ = ["CorrectionRequest", "Revision", "revision_of"]


@dataclass(frozen=True, slots=True)
class CorrectionRequest:
    """A request to correct an utterance.

    Attributes:
        utterance_id: of the utterance, in its channel.
        text: new text, as `gateway.captions.correction.corrected_text` returned it; empty: the utterance is removed.
        channel: of the utterance; None: the session has one channel.
        seen_revision: of the text that is corrected, 0 for the final; None: whatever the newest is.
    """

    utterance_id: int
    text: str
    channel: int | None = None
    seen_revision: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """The newest correction of an utterance.

    Attributes:
        correction: numbered 0 if it is new.
        channel: of the utterance; None: the session has one channel.
        superseded: numbers of earlier corrections that are still in the journal.
        is_new: whether it has yet to be emitted; else the utterance has this text already.
    """

    correction: Correction
    channel: int | None
    superseded: tuple[int, ...] = ()
    is_new: bool = True

    @property
    def event(self) -> ServerEvent:
        """The event."""
        return self.correction if self.channel is None else OfChannel(self.channel, self.correction)

    def numbered(self, seq: int) -> "Revision":
        """Return it with the number of its event."""
        return replace(self, correction=replace(self.correction, seq=seq))

    @property
    def message(self) -> str:
        """Its native message, with `channel` in a session with several."""
        return event_json(self.event)


def revision_of(messages: Iterable[str], request: CorrectionRequest, profile: CueProfile) -> Revision:
    """Return the correction that a request makes; a repeated request makes no other.

    Args:
        messages: of the session's events, oldest first.
        request: the request.
        profile: of the session's cues.

    Raises:
        NotFound: the utterance has no final.
        Conflict: its text is not of the revision that the caller has seen.
    """
    found = find_utterance(messages, (request.channel, request.utterance_id))
    if found is None:
        place = "" if request.channel is None else f" in channel {request.channel}"
        raise NotFound(f"utterance {request.utterance_id}{place} has no final", "utterance_id")
    utterance, room = found
    newest = utterance.correction
    if newest is not None and newest.text == request.text:
        return Revision(newest, request.channel, is_new=False)
    if request.seen_revision not in (None, utterance.revision):
        raise Conflict(
            f"utterance {request.utterance_id} has revision {utterance.revision}, got {request.seen_revision}: "
            "read its new text first",
            "revision",
        )
    superseded = () if newest is None else (newest.seq,)
    return Revision(corrected(utterance, request.text, profile, room, seq=0), request.channel, superseded)
