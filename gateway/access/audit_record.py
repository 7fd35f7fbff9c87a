"""One line of the audit log: who did what, when and from where. PURE."""

import json
from datetime import UTC, datetime
from enum import StrEnum

from gateway.access.caller import OIDC_PREFIX, Caller

__all__ = ["AuditEvent", "actor_of", "audit_line"]

_MAX_CHARS = 200
"""Of each value. Names and ids have less; what a client has chosen must not fill the disk."""


class AuditEvent(StrEnum):
    """What was done."""

    SESSION_OPENED = "session.opened"
    SESSION_RESUMED = "session.resumed"
    SESSION_WATCHED = "session.watched"
    SESSION_DELETED = "session.deleted"
    UTTERANCE_CORRECTED = "utterance.corrected"
    TRANSCRIPT_READ = "transcript.read"
    FILE_TRANSCRIBED = "file.transcribed"
    VIEW_TOKEN_CREATED = "view_token.created"  # noqa: S105  # an event
    VIEW_TOKENS_REVOKED = "view_tokens.revoked"
    CLIENT_SECRET_CREATED = "client_secret.created"  # noqa: S105  # an event
    KEY_CREATED = "key.created"
    KEY_CHANGED = "key.changed"
    KEY_ROTATED = "key.rotated"
    KEY_GRANTED = "key.granted"
    KEY_REVOKED = "key.revoked"
    KEYS_RELOADED = "keys.reloaded"
    GATEWAY_DRAINED = "gateway.drained"
    ACCESS_DENIED = "access.denied"
    AUTHENTICATION_FAILED = "authentication.failed"


def actor_of(caller: Caller) -> str:
    """Return how a caller is named in the log: `key:NAME`, `oidc:SUBJECT`, or `anonymous` where no key is needed."""
    if caller.name is None:
        return "anonymous"
    return caller.name if caller.name.startswith(OIDC_PREFIX) else f"key:{caller.name}"


def audit_line(event: str, time_s: float, actor: str, address: str | None, facts: dict[str, str]) -> bytes:
    """Return a line of JSON, in ASCII, with a line feed at its end.

    Args:
        event: what was done.
        time_s: when, in seconds since 1970.
        actor: by whom.
        address: from where; None: from this machine, or unknown.
        facts: on what, and how: ids and names, never a secret or a word that was spoken.
    """
    time = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record = {"time": time, "event": event, "actor": actor, "address": address, **facts}
    cut = {name: value if value is None else value[:_MAX_CHARS] for name, value in record.items()}
    return json.dumps(cut).encode() + b"\n"
