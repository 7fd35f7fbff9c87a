"""What a Realtime session tells its client: speech becomes items, each settled once and in order. PURE.

Whatever the client asks for is answered here too, for only here is known what has been said before. So the half of the
codec that reads sends this half notes, in their turn among the events of the session.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import assert_never

import msgspec
from msgspec import UNSET

from gateway.text import join_lines
from gateway.wire import (
    SAMPLE_RATE_HZ,
    CueEvent,
    DialectMessage,
    DialectReply,
    Error,
    Final,
    Partial,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
)
from gateway.wire.openai_realtime.append_only import rest_of
from gateway.wire.openai_realtime.messages import (
    Added,
    AudioObject,
    Cleared,
    Committed,
    Completed,
    Created,
    CueMessage,
    CueObject,
    Delta,
    Done,
    DurationObject,
    EffectiveSession,
    ErrorMessage,
    ErrorObject,
    Failed,
    FailureObject,
    Include,
    InputObject,
    ItemObject,
    LanguageObject,
    ServerMessage,
    SpeechStartedMessage,
    SpeechStoppedMessage,
    Updated,
)

__all__ = ["COMMIT_EMPTY", "ClearNote", "CommitNote", "Items", "RefusalNote", "SessionNote", "note"]

COMMIT_EMPTY = "input_audio_buffer_commit_empty"
"""What a client is told that commits no sound: some wait for exactly this code, and their own id."""

_WORD = re.compile(r"\s*\S+|\s+")
"""One with what is before it: clients show each delta as it comes, so none is more than a word."""

_ACCOUNT_CODES = {
    "unauthorized": ("invalid_request_error", "invalid_api_key"),
    "insufficient_credits": ("insufficient_quota", "insufficient_quota"),
}
"""The fatal errors that a client is told, by OpenAI's type and code. Of the others its close code tells it to come
again, which no client does after an error event."""


class _Note(msgspec.Struct, tag_field="note"):
    """What the reading half has to say to this one."""


class SessionNote(_Note, tag="session"):
    """From here on this holds."""

    audio: AudioObject
    include: Include | None
    is_first: bool = False


class RefusalNote(_Note, tag="refusal"):
    """A message was refused."""

    error: ErrorObject


class CommitNote(_Note, tag="commit"):
    """The sound up to here is an item; the utterance that was open has ended."""

    event_id: str | None


class ClearNote(_Note, tag="clear"):
    """The sound up to here is nothing, as far as it is no item yet; the utterance that was open has ended."""


_encode = msgspec.json.Encoder().encode
_notes = msgspec.json.Decoder(SessionNote | RefusalNote | CommitNote | ClearNote)


def note(content: SessionNote | RefusalNote | CommitNote | ClearNote) -> DialectReply:
    """Return what brings a note from half to half. It is binary, as nothing is that a client gets."""
    return DialectReply(_encode(content))


@dataclass(slots=True)
class _Item:
    """Sound that is or will be committed, and what was said in it.

    Attributes:
        is_manual: whether the client says where it ends.
        pending: utterances of it without a final.
    """

    item_id: str
    is_manual: bool
    is_transcribed: bool
    is_cleared: bool = False
    pending: int = 0
    audio_samples: int = 0
    end_sample: int = 0
    finals: list[str] = field(default_factory=list)
    sent: str = ""
    """What deltas have said of the utterance that has no final yet."""
    language: str | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        return join_lines(text for text in self.finals if text)


class Items:
    """Writes the events of one session.

    | event            | server_vad, semantic_vad              | manual                           |
    |------------------|---------------------------------------|----------------------------------|
    | SpeechStarted    | speech_started, a new item            | a new item where none is open    |
    | Partial          | delta: newly committed words          | the same                         |
    | SpeechEnded      | speech_stopped, committed, added, done| –                                |
    | … by flush       | waits for the note                    | the same                         |
    | CommitNote       | as SpeechEnded; nothing open: error   | committed, added, done           |
    | ClearNote        | the open item is forgotten; cleared   | the same                         |
    | Final            | delta: the words after those sent     | the same                         |
    | … of all the item| completed or failed                   | the same, once it is committed   |

    Deltas only append, so they have committed words. The final may correct some of these: `completed` has its text.

    Args:
        with_cues: whether cues are told too.
    """

    def __init__(self, *, with_cues: bool) -> None:
        self._with_cues = with_cues
        self._session_id = ""
        self._is_manual = False
        self._is_transcribing = True
        self._events = 0
        self._minted = 0
        self._open: _Item | None = None
        self._utterances: dict[int, _Item] = {}
        """Those without a final."""
        self._unsettled: deque[_Item] = deque()
        self._previous_id: str | None = None

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Write one event."""
        match event:
            case DialectMessage(bytes() as content):
                messages = self._heed(_notes.decode(content))
            case SpeechStarted():
                messages = self._begin(event)
            case SpeechEnded():
                messages = self._end(event)
            case Partial():
                messages = self._partial(event)
            case Final():
                messages = self._finish(event)
            case CueEvent():
                messages = self._cue(event)
            case Error():
                messages = self._error(event)
            case Ready():
                self._session_id = event.session_id
                return []
            case _:
                return []
        return [_encode(message).decode() for message in messages]

    def _next_id(self) -> str:
        self._events += 1
        return f"event_{self._events}"

    def _heed(self, content: SessionNote | RefusalNote | CommitNote | ClearNote) -> list[ServerMessage]:
        match content:
            case SessionNote():
                return [self._session(content)]
            case RefusalNote(error=error):
                return [ErrorMessage(self._next_id(), error)]
            case CommitNote(event_id=event_id):
                return self._commit_open(event_id)
            case ClearNote():
                if self._open is not None:
                    self._open.is_cleared = True
                    self._open = None
                return [Cleared(self._next_id())]
        assert_never(content)

    def _session(self, content: SessionNote) -> ServerMessage:
        session = EffectiveSession(f"sess_{self._session_id}", content.audio, content.include)
        if isinstance(content.audio.input, InputObject):
            self._is_manual = content.audio.input.turn_detection is None
            self._is_transcribing = content.audio.input.transcription is not None
        message = Created if content.is_first else Updated
        return message(self._next_id(), session)

    # --- an item from its first sound to its words -------------------------------------------------------------------

    def _mint(self) -> _Item:
        self._minted += 1
        item_id = f"item_{self._session_id}_{self._minted}"
        return _Item(item_id, self._is_manual, self._is_transcribing)

    def _begin(self, event: SpeechStarted) -> list[ServerMessage]:
        item = self._open if self._open is not None and self._is_manual else self._mint()
        item.pending += 1
        self._open = item
        self._utterances[event.utterance_id] = item
        if item.is_manual:
            return []
        return [SpeechStartedMessage(self._next_id(), _ms(event.start_sample), item.item_id)]

    def _end(self, event: SpeechEnded) -> list[ServerMessage]:
        item = self._utterances.get(event.utterance_id)
        if item is None:
            return []
        item.audio_samples += max(0, event.end_sample - event.start_sample)
        item.end_sample = event.end_sample
        goes_on = item.is_manual and self._is_manual
        if goes_on or event.reason == "flush" or item is not self._open:
            return []
        return self._commit(item)

    def _commit_open(self, event_id: str | None) -> list[ServerMessage]:
        item = self._open
        if item is None:
            if not self._is_manual:
                refused = "Error committing input audio buffer: no speech since the last committed item."
                error = ErrorObject("invalid_request_error", COMMIT_EMPTY, refused, None, event_id)
                return [ErrorMessage(self._next_id(), error)]
            item = self._mint()
        return self._commit(item)

    def _commit(self, item: _Item) -> list[ServerMessage]:
        previous_id, self._previous_id = self._previous_id, item.item_id
        self._open = None
        self._unsettled.append(item)
        told = ItemObject(item.item_id)
        messages: list[ServerMessage] = [
            Committed(self._next_id(), item.item_id, previous_id),
            Added(self._next_id(), previous_id, told),
            Done(self._next_id(), previous_id, told),
        ]
        if not item.is_manual:
            messages.insert(0, SpeechStoppedMessage(self._next_id(), _ms(item.end_sample), item.item_id))
        return messages + self._settle()

    def _partial(self, event: Partial) -> list[ServerMessage]:
        item = self._utterances.get(event.utterance_id)
        if item is None or not event.committed_text.startswith(item.sent):
            return []
        return self._deltas(item, event.committed_text[len(item.sent) :])

    def _deltas(self, item: _Item, new: str) -> list[ServerMessage]:
        """Send the words that are new of the utterance without a final."""
        if not item.is_transcribed or item.is_cleared or not new:
            return []
        before = "" if item.sent else item.text
        item.sent += new
        told = join_lines([before, new])[len(before) :] if before else new
        return [Delta(self._next_id(), item.item_id, 0, word) for word in _WORD.findall(told)]

    def _finish(self, event: Final) -> list[ServerMessage]:
        item = self._utterances.pop(event.utterance_id, None)
        if item is None:
            return []
        messages = self._deltas(item, rest_of(event.text, item.sent))
        item.sent = ""
        item.pending -= 1
        item.finals.append(event.text)
        item.language = event.language or item.language
        item.error = event.error or item.error
        return messages + self._settle()

    def _settle(self) -> list[ServerMessage]:
        messages: list[ServerMessage] = []
        while self._unsettled and not self._unsettled[0].pending:
            item = self._unsettled.popleft()
            if item.is_transcribed:
                messages.append(self._settled(item))
        return messages

    def _settled(self, item: _Item) -> ServerMessage:
        text = item.text
        if item.error is not None and not text:
            failure = FailureObject("server_error", item.error, "the engine gave no words for this item")
            return Failed(self._next_id(), item.item_id, 0, failure)
        return Completed(
            event_id=self._next_id(),
            item_id=item.item_id,
            content_index=0,
            transcript=text,
            usage=DurationObject(item.audio_samples / SAMPLE_RATE_HZ),
            languages=UNSET if item.language is None else (LanguageObject(item.language),),
        )

    # --- the rest ------------------------------------------------------------------------------------------------

    def _cue(self, event: CueEvent) -> list[ServerMessage]:
        cue, item = event.cue, self._utterances.get(event.cue.utterance_id)
        if not self._with_cues or (item is not None and item.is_cleared):
            return []
        start_s, end_s = cue.start_sample / SAMPLE_RATE_HZ, cue.end_sample / SAMPLE_RATE_HZ
        told = CueObject(
            cue.cue_id, cue.utterance_id, cue.revision, start_s, end_s, cue.lines, cue.stable_chars, cue.state
        )
        return [CueMessage(self._next_id(), None if item is None else item.item_id, told)]

    def _error(self, event: Error) -> list[ServerMessage]:
        kind, code = _ACCOUNT_CODES.get(event.code, ("invalid_request_error", event.code))
        if event.fatal and event.code not in _ACCOUNT_CODES:
            return []
        return [ErrorMessage(self._next_id(), ErrorObject(kind, code, event.message, event.field))]


def _ms(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE_HZ
