"""What the journal keeps in Redis, and under which keys. PURE.

Keys of one session have its id as their hash tag, so that they are in one slot of a cluster. `p` is the prefix:

| key                | type       | contents                                                             |
|--------------------|------------|----------------------------------------------------------------------|
| `p:{ID}`           | hash       | the session, the gateway that owns it, and its fencing token `fence` |
| `p:{ID}:events`    | stream     | its events; the id of an event is its number, and `-0`               |
| `p:{ID}:tokens`    | sorted set | SHA-256 of its view tokens, by expiry in seconds since 1970          |
| `p:{ID}:text`      | hash       | the text by which it is found, and the number of its newest event    |
| `p:{ID}:sinks`     | hash       | how far its sinks are, by name                                       |
| `p:sessions`       | sorted set | the ids of all sessions, by opening in seconds since 1970            |
| `p:token:SHA-256`  | string     | a view token, which expires                                          |
| `p:gateway:ID`     | string     | the lease of a gateway, which expires; says which gateway it is      |
| `p:events`         | sorted set | the names of all caption events, by creation in seconds since 1970   |
| `p:event:NAME`     | hash       | a caption event                                                      |
| `p:generation`     | string     | a random id; if it is gone, so is everything else                    |
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gateway.journal.details import details_of
from gateway.journal.event_json import details_text, event_json
from gateway.journal.store import CaptionEvent, Change, Entry, EventKey, Opening, Resumable, ViewToken
from gateway.wire import Final, ServerEvent
from gateway.wire.server_events import channel_of

__all__ = [
    "Argument",
    "Fields",
    "Keys",
    "caption_event_of",
    "entry_of",
    "event_arguments",
    "opening_fields",
    "resumable_of",
    "token_of",
    "token_text",
    "update_arguments",
]

Argument = str | bytes | int | float
"""What a command of Redis takes; numbers become their shortest exact text."""

Fields = Mapping[bytes, bytes]
"""A hash as it is read."""


class _Cues(msgspec.Struct):
    profile: str | None = None


class _Start(msgspec.Struct):
    """The part of a start message that concerns cues; a newer gateway may have written others."""

    cues: _Cues = msgspec.field(default_factory=_Cues)


_start_decoder = msgspec.json.Decoder(_Start)


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of keys.

    Attributes:
        prefix: of all; without braces.
    """

    prefix: str

    @property
    def sessions(self) -> str:
        """Of the ids of all sessions."""
        return f"{self.prefix}:sessions"

    @property
    def generation(self) -> str:
        """Of the id that shows whether data was lost."""
        return f"{self.prefix}:generation"

    @property
    def caption_events(self) -> str:
        """Of the names of all caption events."""
        return f"{self.prefix}:events"

    def caption_event(self, name: str) -> str:
        """Of a caption event."""
        return f"{self.prefix}:event:{name}"

    def session(self, session_id: str) -> str:
        """Of a session."""
        return f"{self.prefix}:{{{session_id}}}"

    def events(self, session_id: str) -> str:
        """Of its events."""
        return f"{self.session(session_id)}:events"

    def tokens(self, session_id: str) -> str:
        """Of the view tokens of a session."""
        return f"{self.session(session_id)}:tokens"

    def text(self, session_id: str) -> str:
        """Of the text of a session."""
        return f"{self.session(session_id)}:text"

    def sinks(self, session_id: str) -> str:
        """Of the positions of a session's sinks."""
        return f"{self.session(session_id)}:sinks"

    def all_of(self, session_id: str) -> tuple[str, ...]:
        """Return all keys of a session, its own first."""
        parts = self.events, self.tokens, self.text, self.sinks
        return self.session(session_id), *(part(session_id) for part in parts)

    def token(self, digest: bytes) -> str:
        """Of a view token."""
        return f"{self.prefix}:token:{digest.hex()}"

    def gateway(self, gateway_id: str) -> str:
        """Of the lease of a gateway."""
        return f"{self.prefix}:gateway:{gateway_id}"


class _Token(msgspec.Struct):
    """A view token; `session_id` is its subject."""

    session_id: str
    owner: str | None
    expires_s: float


def opening_fields(opening: Opening, gateway_id: str) -> list[Argument]:
    """Return the fields and values that a new session begins with; absent ones are left out."""
    fields: dict[str, Argument | None] = {
        "gateway": gateway_id,
        "dialect": opening.dialect,
        "owner": opening.owner,
        "about": json.dumps(dict(opening.about)),
        "start": opening.start,
        "token_digest": opening.token_digest,
        "opened_s": opening.opened_s,
        "touched_s": opening.opened_s,
        "is_complete": 1,
        "finals": 0,
        "event": opening.event,
    }
    return [each for field, value in fields.items() if value is not None for each in (field, value)]


def update_arguments(change: Change | None) -> list[Argument]:
    """Return what a change makes of a session, as the script `WRITE` takes it; an empty text is an absent value."""
    if change is None:
        return [0, "", "", 1, "", "", ""]
    ended_s = "" if change.ended_s is None else change.ended_s
    details = details_text(change.details) or ""
    return [1, change.touched_s, change.language or "", int(change.is_complete), ended_s, change.outcome or "", details]


def event_arguments(events: Mapping[EventKey, ServerEvent], session_id: str) -> list[Argument]:
    """Return the events of one session as the script `WRITE` takes them: number, 1 for a final, and message."""
    return [
        each
        for (owner, seq), event in events.items()
        if owner == session_id
        for each in (f"{seq}-0", int(isinstance(channel_of(event)[1], Final)), event_json(event))
    ]


def entry_of(session_id: str, fields: Fields) -> Entry | None:
    """Return a session as it is kept; None: there is none."""
    if not fields:
        return None
    ended, language, owner = fields.get(b"ended_s"), fields.get(b"language"), fields.get(b"owner")
    outcome, details = fields.get(b"outcome"), fields.get(b"details")
    return Entry(
        session_id=session_id,
        dialect=fields[b"dialect"].decode(),
        owner=None if owner is None else owner.decode(),
        about=json.loads(fields[b"about"]),
        language=None if language is None else language.decode(),
        opened_s=float(fields[b"opened_s"]),
        touched_s=float(fields[b"touched_s"]),
        ended_s=None if ended is None else float(ended),
        outcome=None if outcome is None else outcome.decode(),
        is_complete=fields[b"is_complete"] == b"1",
        finals=int(fields[b"finals"]),
        details=details_of(None if details is None else details.decode()),
        cue_profile=_cue_profile(fields.get(b"start")),
        event=None if (event := fields.get(b"event")) is None else event.decode(),
    )


def _cue_profile(start: bytes | None) -> str | None:
    return None if start is None else _start_decoder.decode(start).cues.profile


def resumable_of(session_id: str, fields: Fields) -> Resumable | None:
    """Return what resumes a session; None: unknown, or not resumable."""
    entry, start, digest = entry_of(session_id, fields), fields.get(b"start"), fields.get(b"token_digest")
    if entry is None or start is None or digest is None:
        return None
    return Resumable(entry, start.decode(), digest)


def token_text(token: ViewToken) -> bytes:
    """Return a view token as it is kept."""
    return msgspec.json.encode(_Token(token.subject, token.owner, token.expires_s))


def token_of(text: bytes) -> ViewToken:
    """Return the view token of what `token_text` returned."""
    kept = msgspec.json.decode(text, type=_Token)
    return ViewToken(kept.session_id, kept.owner, kept.expires_s)


def caption_event_of(name: str, fields: Fields) -> CaptionEvent | None:
    """Return a caption event as it is kept; None: there is none. Empty texts are absent values."""
    owner = fields.get(b"owner")
    if owner is None:  # deleted while it was being changed
        return None
    title, session_id = fields.get(b"title", b"").decode(), fields.get(b"session_id", b"").decode()
    created_s = float(fields.get(b"created_s", b"0"))
    return CaptionEvent(name, owner.decode() or None, title or None, created_s, session_id or None)
