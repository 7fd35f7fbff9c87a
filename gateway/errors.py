"""The gateway's branch of the error tree, and how each error is reported: status, close code and body.

LivecueError
├── AudioError …              the audio cannot be read (`vad.errors`)
├── EngineError …             a request could not be decoded (`decoder.types`)
├── ProtocolError             the peer violated its dialect's protocol (`gateway.wire`)
└── GatewayError
    ├── ConfigurationError    a setting is wrong; exit code 2
    ├── Unauthorized          no API key, or one that is unknown, revoked or expired
    ├── InsufficientCredits   the key's credit is used up
    ├── RateLimited           the key sends too many requests
    │   └── ConcurrencyLimited  the caller has too many sessions and files open
    ├── InsufficientScope     the key or token does not allow this
    ├── ForbiddenAddress      the key is not accepted from this address
    ├── ForbiddenOrigin       a page of an origin that is not allowed
    ├── ForbiddenHost         a Host header that is not a name of the gateway
    ├── InvalidRequest        a field is missing or has a value that is not allowed
    ├── NotFound              no such route, model or session
    ├── MethodNotAllowed      the route does not have that method
    ├── RequestLineTooLong    the request line is too long
    ├── HeadersTooLong        the headers are too long, or too many
    ├── PayloadTooLarge       more bytes, or more audio, than the limit
    ├── UnsupportedMedia      no audio that can be decoded
    ├── Overloaded            no free slot
    │   ├── FilesPaused       files wait until live sessions have caught up
    │   └── Draining          the gateway is stopping
    ├── Lagging               audio arrives faster than it can be decoded
    ├── SlowReader            the peer does not read
    ├── SessionNotFound       no such session to resume, or it is over
    ├── ResumedElsewhere      the session was resumed on another connection
    ├── SessionMoved          another gateway has taken the session over
    ├── SessionOpen           the session is still open
    ├── Conflict              the request contradicts what has happened meanwhile
    ├── Unavailable           a dependency cannot be reached at the moment
    ├── StartTimeout          connected, but sent no start in time
    ├── IdleTimeout           started, but then sent nothing
    └── Disconnected          the peer is gone
"""

from dataclasses import dataclass
from math import ceil

from decoder.types import EngineError
from gateway.wire import ProtocolError
from vad.errors import AudioError, LivecueError

__all__ = [
    "ConcurrencyLimited",
    "ConfigurationError",
    "Conflict",
    "Disconnected",
    "Draining",
    "FilesPaused",
    "ForbiddenAddress",
    "ForbiddenHost",
    "ForbiddenOrigin",
    "GatewayError",
    "HeadersTooLong",
    "IdleTimeout",
    "InsufficientCredits",
    "InsufficientScope",
    "InvalidRequest",
    "Lagging",
    "MethodNotAllowed",
    "NotFound",
    "Overloaded",
    "PayloadTooLarge",
    "RateLimited",
    "Reply",
    "RequestLineTooLong",
    "ResumedElsewhere",
    "SessionMoved",
    "SessionNotFound",
    "SessionOpen",
    "SlowReader",
    "StartTimeout",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMedia",
    "error_body",
    "error_headers",
    "field_of",
    "reply_to",
]


class GatewayError(LivecueError):
    """A refusal or failure of the gateway."""


class ConfigurationError(GatewayError):
    """A setting is wrong; the message names it, its value and what is allowed."""

    code = "configuration_error"


class Unauthorized(GatewayError):
    """No API key, or one that is unknown, revoked or expired."""

    code = "unauthorized"


class InsufficientCredits(GatewayError):
    """The credit of this API key is used up."""

    code = "insufficient_credits"


class RateLimited(GatewayError):
    """This API key sends too many requests.

    Attributes:
        retry_after_s: when to retry, in seconds from now.
    """

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConcurrencyLimited(RateLimited):
    """The caller has as many sessions and files open as its key allows."""

    code = "concurrency_limited"


class InsufficientScope(GatewayError):
    """The API key or token is valid, but its scopes do not include what the request needs."""

    code = "insufficient_scope"


class ForbiddenAddress(GatewayError):
    """The API key is valid, but is not accepted from the client's address."""

    code = "forbidden_address"


class ForbiddenOrigin(GatewayError):
    """A page of an origin that is not allowed opens a WebSocket, or sends a request."""

    code = "forbidden_origin"


class ForbiddenHost(GatewayError):
    """The Host header of a request is not a known name of the gateway."""

    code = "forbidden_host"


class _FieldError(GatewayError):
    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidRequest(_FieldError):
    """A field of an HTTP request is missing or has a value that is not allowed.

    Attributes:
        field: its name; None: the request as a whole.
    """

    code = "validation_error"


class NotFound(_FieldError):
    """No such route, model or session.

    Attributes:
        field: the field with the name; None: the route itself.
    """

    code = "not_found"


class MethodNotAllowed(GatewayError):
    """The route does not have that method."""

    code = "method_not_allowed"


class RequestLineTooLong(GatewayError):
    """The request line is longer than the limit."""

    code = "request_line_too_long"


class HeadersTooLong(GatewayError):
    """The headers of a request are longer, or more, than the limit."""

    code = "headers_too_long"


class PayloadTooLarge(GatewayError):
    """More bytes, or more audio, than the limit."""

    code = "payload_too_large"


class UnsupportedMedia(GatewayError):
    """The upload has no audio that can be decoded."""

    code = "unsupported_media"


class Overloaded(GatewayError):
    """There is no free slot for another session, file or viewer."""

    code = "overloaded"


class FilesPaused(Overloaded):
    """Live sessions are behind, so that no file is accepted until they have caught up."""

    code = "files_paused"


class Draining(Overloaded):
    """The gateway is stopping: it begins nothing new, and finishes what is in progress."""

    code = "draining"


class Lagging(GatewayError):
    """Audio arrives faster than it can be decoded, and has for too long."""

    code = "lagging"


class SlowReader(GatewayError):
    """The peer does not read what it is sent, or too slowly."""

    code = "slow_reader"


class SessionNotFound(GatewayError):
    """No session can be resumed with what the client sent, or it is over."""

    code = "session_not_found"


class ResumedElsewhere(GatewayError):
    """The session was resumed on another connection."""

    code = "resumed_elsewhere"


class SessionMoved(GatewayError):
    """Another gateway has taken the session over; a client that still wants it resumes it as after a restart."""

    code = "session_moved"


class SessionOpen(GatewayError):
    """The session is still open, which the request does not allow."""

    code = "session_open"


class Conflict(_FieldError):
    """The request contradicts what has happened meanwhile."""

    code = "conflict"


class Unavailable(GatewayError):
    """A dependency, such as the journal, cannot be reached at the moment."""

    code = "unavailable"


class StartTimeout(GatewayError):
    """The peer connected, but sent no start in time."""

    code = "start_timeout"


class IdleTimeout(GatewayError):
    """The peer started a session, but then sent nothing for too long."""

    code = "idle_timeout"


class Disconnected(GatewayError):
    """The peer is gone."""

    code = "disconnected"


@dataclass(frozen=True, slots=True)
class Reply:
    """How an error is reported to the peer.

    Attributes:
        http_status: before the upgrade.
        close_code: of the WebSocket, RFC 6455 §7.4.1.
    """

    http_status: int
    close_code: int


_REPLIES: dict[type[LivecueError], Reply] = {
    LivecueError: Reply(500, 1011),
    AudioError: Reply(400, 1007),
    EngineError: Reply(503, 1011),
    ProtocolError: Reply(400, 1008),
    Unauthorized: Reply(401, 1008),
    InsufficientCredits: Reply(402, 1008),
    RateLimited: Reply(429, 1013),
    InsufficientScope: Reply(403, 1008),
    ForbiddenAddress: Reply(403, 1008),
    ForbiddenOrigin: Reply(403, 1008),
    ForbiddenHost: Reply(421, 1008),
    InvalidRequest: Reply(400, 1008),
    NotFound: Reply(404, 1008),
    MethodNotAllowed: Reply(405, 1008),
    RequestLineTooLong: Reply(414, 1008),
    HeadersTooLong: Reply(431, 1008),
    PayloadTooLarge: Reply(413, 1009),
    UnsupportedMedia: Reply(415, 1007),
    Overloaded: Reply(503, 1013),
    FilesPaused: Reply(429, 1013),
    Draining: Reply(503, 1012),
    Lagging: Reply(503, 1013),
    SlowReader: Reply(408, 1013),
    SessionNotFound: Reply(404, 1008),
    ResumedElsewhere: Reply(409, 1008),
    SessionMoved: Reply(409, 1012),
    SessionOpen: Reply(409, 1008),
    Conflict: Reply(409, 1008),
    Unavailable: Reply(503, 1013),
    StartTimeout: Reply(408, 1008),
    IdleTimeout: Reply(408, 1008),
}


_FIRST_SERVER_ERROR = 500

_ERROR_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
"""OpenAI's names; other refusals are `invalid_request_error`."""

_OVERLOADED_RETRY_S = 5
"""Sessions and files take minutes; retrying more often is of no use."""


def reply_to(error: LivecueError) -> Reply:
    """Return how an error is reported: the entry of its nearest ancestor in the table."""
    return next(_REPLIES[kind] for kind in type(error).__mro__ if kind in _REPLIES)


def field_of(error: LivecueError) -> str | None:
    """Return the name of the field that an error is about; None: no field."""
    return error.field if isinstance(error, _FieldError | ProtocolError) else None


def error_body(error: LivecueError) -> dict[str, dict[str, object]]:
    """Return the JSON body of an HTTP error.

    `type` and `param`, beside `code` and `message`, are what OpenAI's clients read; `details` is an object or null.
    """
    field = field_of(error)
    retry_after_s = _retry_after_s(error)
    return {
        "error": {
            "code": error.code,
            "message": str(error),
            "type": _type_of(reply_to(error).http_status),
            "param": field,
            "details": None if retry_after_s is None else {"retry_after_s": retry_after_s},
        }
    }


def error_headers(error: LivecueError) -> dict[str, str]:
    """Return the headers of an HTTP error: Retry-After, where a retry is of use."""
    retry_after_s = _retry_after_s(error)
    return {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


def _retry_after_s(error: LivecueError) -> int | None:
    if isinstance(error, RateLimited):
        return max(1, ceil(error.retry_after_s))
    return _OVERLOADED_RETRY_S if isinstance(error, Overloaded | Unavailable) else None


def _type_of(http_status: int) -> str:
    if http_status >= _FIRST_SERVER_ERROR:
        return "server_error"
    return _ERROR_TYPES.get(http_status, "invalid_request_error")
