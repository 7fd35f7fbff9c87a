"""The messages a Realtime session sends: speech becomes items, each completed once and in order. PURE.

The client's requests are answered here too, because the answers depend on the messages sent before. So the receiving
half of the codec sends this half notes, which arrive in their turn among the events of the session.
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
    Cue,
    CueEvent,
    DialectMessage,
    Error,
    Final,
    Partial,
    Ready,
    ServerEvent,
    SpeechEnded,
    SpeechStarted,
)
from gateway.wire.openai_realtime.append_only import unsent_text
from gateway.wire.openai_realtime.messages import (
    Added,
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
    InputObject,
    ItemObject,
    LanguageObject,
    ServerMessage,
    SpeechStartedMessage,
    SpeechStoppedMessage,
    Updated,
)
from gateway.wire.openai_realtime.notes import COMMIT_EMPTY, ClearNote, CommitNote, RefusalNote, SessionNote

__all__ = ["Items"]

_WORD = re.compile(r"\s*\S+|\s+")
"""A word with its leading space: clients display each delta as it arrives, so none is more than a word."""

_ACCOUNT_CODES = {
    "unauthorized": ("invalid_request_error", "invalid_api_key"),
    "insufficient_scope": ("invalid_request_error", "insufficient_permissions"),
    "forbidden_address": ("invalid_request_error", "insufficient_permissions"),
    "insufficient_credits": ("insufficient_quota", "insufficient_quota"),
}
"""Fatal errors that are sent, with OpenAI's type and code. The others are conveyed by the close code only, which asks
the client to reconnect; no client does so after an error event."""


_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Item:
    """Audio that is or will be committed, and its transcript.

    Attributes:
        is_manual: whether the client decides where it ends.
        pending: number of its utterances without a final.
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
    """The text sent in deltas for the utterance that has no final yet."""
    language: str | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        return join_lines(text for text in self.finals if text)


class Items:
    """Turns the events of one session into messages.

    | event            | server_vad, semantic_vad              | manual                           |
    |------------------|---------------------------------------|----------------------------------|
    | SpeechStarted    | speech_started, a new item            | a new item where none is open    |
    | Partial          | delta: newly committed words          | the same                         |
    | SpeechEnded      | speech_stopped, committed, added, done| –                                |
    | … by flush       | nothing: its note follows             | the same                         |
    | CommitNote       | as SpeechEnded; nothing open: error   | committed, added, done           |
    | ClearNote        | the open item is discarded; cleared   | the same                         |
    | Final            | delta: the words after those sent     | the same                         |
    | … of all the item| completed or failed                   | the same, once it is committed   |

    Deltas only append, so they contain committed words. The final may correct some of these; `completed` has its text.

    Args:
        with_cues: whether cues are sent too.
    """

    def __init__(self, *, with_cues: bool) -> None:
        self._with_cues = with_cues
        self._session_id = ""
        self._is_manual = False
        self._is_transcribing = True
        self._event_count = 0
        self._item_count = 0
        self._open: _Item | None = None
        self._utterances: dict[int, _Item] = {}
        """Item of each utterance without a final."""
        self._incomplete: deque[_Item] = deque()
        self._previous_id: str | None = None

    def send(self, event: ServerEvent) -> list[str | bytes]:
        """Return an event as messages."""
        match event:
            case DialectMessage(SessionNote() | RefusalNote() | CommitNote() | ClearNote() as note):
                messages = self._handle(note)
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
        self._event_count += 1
        return f"event_{self._event_count}"

    def _handle(self, note: SessionNote | RefusalNote | CommitNote | ClearNote) -> list[ServerMessage]:
        match note:
            case SessionNote():
                return [self._session(note)]
            case RefusalNote(error=error):
                return [ErrorMessage(self._next_id(), error)]
            case CommitNote(event_id=event_id):
                return self._commit_open(event_id)
            case ClearNote():
                if self._open is not None:
                    self._open.is_cleared = True
                    self._open = None
                return [Cleared(self._next_id())]
        assert_never(note)

    def _session(self, note: SessionNote) -> ServerMessage:
        session = EffectiveSession(f"sess_{self._session_id}", note.audio, note.include)
        if isinstance(note.audio.input, InputObject):
            self._is_manual = note.audio.input.turn_detection is None
            self._is_transcribing = note.audio.input.transcription is not None
        message = Created if note.is_first else Updated
        return message(self._next_id(), session)

    # --- an item from its first audio to its transcript ---------------------------------------------------------------

    def _new_item(self) -> _Item:
        self._item_count += 1
        item_id = f"item_{self._session_id}_{self._item_count}"
        return _Item(item_id, self._is_manual, self._is_transcribing)

    def _begin(self, event: SpeechStarted) -> list[ServerMessage]:
        item = self._open if self._open is not None and self._is_manual else self._new_item()
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
        stays_open = item.is_manual and self._is_manual
        if stays_open or event.reason == "flush" or item is not self._open:
            return []
        return self._commit(item)

    def _commit_open(self, event_id: str | None) -> list[ServerMessage]:
        item = self._open
        if item is None:
            if not self._is_manual:
                message = "Error committing input audio buffer: no speech since the last committed item."
                error = ErrorObject("invalid_request_error", COMMIT_EMPTY, message, None, event_id)
                return [ErrorMessage(self._next_id(), error)]
            item = self._new_item()
        return self._commit(item)

    def _commit(self, item: _Item) -> list[ServerMessage]:
        previous_id, self._previous_id = self._previous_id, item.item_id
        self._open = None
        self._incomplete.append(item)
        done = ItemObject(item.item_id)
        messages: list[ServerMessage] = [
            Committed(self._next_id(), item.item_id, previous_id),
            Added(self._next_id(), previous_id, done),
            Done(self._next_id(), previous_id, done),
        ]
        if not item.is_manual:
            messages.insert(0, SpeechStoppedMessage(self._next_id(), _ms(item.end_sample), item.item_id))
        return messages + self._complete()

    def _partial(self, event: Partial) -> list[ServerMessage]:
        item = self._utterances.get(event.utterance_id)
        if item is None or not event.committed_text.startswith(item.sent):
            return []
        return self._deltas(item, event.committed_text[len(item.sent) :])

    def _deltas(self, item: _Item, new: str) -> list[ServerMessage]:
        """Return the new words of the utterance without a final, a delta each."""
        if not item.is_transcribed or item.is_cleared or not new:
            return []
        before = "" if item.sent else item.text
        item.sent += new
        text = join_lines([before, new])[len(before) :] if before else new
        return [Delta(self._next_id(), item.item_id, 0, word) for word in _WORD.findall(text)]

    def _finish(self, event: Final) -> list[ServerMessage]:
        item = self._utterances.pop(event.utterance_id, None)
        if item is None:
            return []
        messages = self._deltas(item, unsent_text(event.text, item.sent))
        item.sent = ""
        item.pending -= 1
        item.finals.append(event.text)
        item.language = event.language or item.language
        item.error = event.error or item.error
        return messages + self._complete()

    def _complete(self) -> list[ServerMessage]:
        messages: list[ServerMessage] = []
        while self._incomplete and not self._incomplete[0].pending:
            item = self._incomplete.popleft()
            if item.is_transcribed:
                messages.append(self._outcome(item))
        return messages

    def _outcome(self, item: _Item) -> ServerMessage:
        text = item.text
        if item.error is not None and not text:
            failure = FailureObject("server_error", item.error, "the engine returned no words for this item")
            return Failed(self._next_id(), item.item_id, 0, failure)
        return Completed(
            event_id=self._next_id(),
            item_id=item.item_id,
            content_index=0,
            transcript=text,
            usage=DurationObject(item.audio_samples / SAMPLE_RATE_HZ),
            languages=UNSET if item.language is None else (LanguageObject(item.language),),
        )

    # --- cues and errors ------------------------------------------------------------------------------------------

    def _cue(self, event: CueEvent) -> list[ServerMessage]:
        cue, item = event.cue, self._utterances.get(event.cue.utterance_id)
        if not self._with_cues or (item is not None and item.is_cleared):
            return []
        return [CueMessage(self._next_id(), None if item is None else item.item_id, _cue_object(cue))]

    def _error(self, event: Error) -> list[ServerMessage]:
        kind, code = _ACCOUNT_CODES.get(event.code, ("invalid_request_error", event.code))
        if event.fatal and event.code not in _ACCOUNT_CODES:
            return []
        return [ErrorMessage(self._next_id(), ErrorObject(kind, code, event.message, event.field))]


def _cue_object(cue: Cue) -> CueObject:
    start_s, end_s = cue.start_sample / SAMPLE_RATE_HZ, cue.end_sample / SAMPLE_RATE_HZ
    return CueObject(cue.cue_id, cue.utterance_id, cue.revision, start_s, end_s, cue.lines, cue.stable_chars, cue.state)


def _ms(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE_HZ
