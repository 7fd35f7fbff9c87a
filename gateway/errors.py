"""The gateway's branch of the error tree, and the one table from an error to what the peer is told.

LivecueError
├── AudioError …              the sound cannot be read (`vad.errors`)
├── EngineError …             a request got no words (`decoder.types`)
├── ProtocolError             the peer broke its dialect's rules (`gateway.wire`)
└── GatewayError
    ├── ConfigurationError    a setting is wrong; exit code 2
    ├── Unauthorized          no key, or a wrong one
    ├── InsufficientCredits   the key's sound is used up
    ├── RateLimited           the key asks too often
    ├── ForbiddenOrigin       a page of somebody else
    ├── ForbiddenHost         a name that may be somebody else's
    ├── InvalidRequest        a field is missing or has a value that is not allowed
    ├── NotFound              there is nothing by that name
    ├── MethodNotAllowed      the route is there, but not for that method
    ├── RequestLineTooLong    an address of a length that nobody has reason for
    ├── HeadersTooLong        the same of headers
    ├── PayloadTooLarge       more bytes, or more sound, than is taken at once
    ├── UnsupportedMedia      no sound of a kind that can be decoded
    ├── Overloaded            no room for another session
    │   └── Draining          none any more, for the gateway stops
    ├── Lagging               sound comes faster than it can be decoded
    ├── SlowReader            the peer does not read what it is sent
    ├── SessionNotFound       there is none to resume, or none any more
    ├── ResumedElsewhere      the session goes on over another connection
    ├── SessionOpen           it is not over, and must be for that
    ├── Unavailable           what this needs cannot be reached at the moment
    ├── StartTimeout          connected, and never said start
    ├── IdleTimeout           started, and fell silent
    └── Disconnected          the peer is gone; there is nobody to tell
"""

from dataclasses import dataclass
from math import ceil

from decoder.types import EngineError
from gateway.wire import ProtocolError
from vad.errors import AudioError, LivecueError

__all__ = [
    "ConfigurationError",
    "Disconnected",
    "Draining",
    "ForbiddenHost",
    "ForbiddenOrigin",
    "GatewayError",
    "HeadersTooLong",
    "IdleTimeout",
    "InsufficientCredits",
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
    """The gateway refuses, or gives up."""


class ConfigurationError(GatewayError):
    """A setting is wrong; the message names it, its value and what is allowed."""

    code = "configuration_error"


class Unauthorized(GatewayError):
    """No API key, or one that is not known."""

    code = "unauthorized"


class InsufficientCredits(GatewayError):
    """The sound that this API key may still have transcribed is used up."""

    code = "insufficient_credits"


class RateLimited(GatewayError):
    """This API key asks too often.

    Attributes:
        retry_after_s: when it may ask again, in seconds from now.
    """

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ForbiddenOrigin(GatewayError):
    """A page of an origin that is not allowed opens a WebSocket, or sends something."""

    code = "forbidden_origin"


class ForbiddenHost(GatewayError):
    """A request came under a name that is not known to be the gateway's."""

    code = "forbidden_host"


class InvalidRequest(GatewayError):
    """A field of an HTTP request is missing or has a value that is not allowed.

    Attributes:
        field: its name, or None where it is the whole request.
    """

    code = "validation_error"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(GatewayError):
    """There is nothing by that name.

    Attributes:
        field: of the request, that has the name; None where it is the route itself.
    """

    code = "not_found"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MethodNotAllowed(GatewayError):
    """The route does not know that method."""

    code = "method_not_allowed"


class RequestLineTooLong(GatewayError):
    """The address of a request is longer than is read."""

    code = "request_line_too_long"


class HeadersTooLong(GatewayError):
    """The headers of a request are longer, or more, than are read."""

    code = "headers_too_long"


class PayloadTooLarge(GatewayError):
    """More bytes, or more sound, than is taken at once."""

    code = "payload_too_large"


class UnsupportedMedia(GatewayError):
    """What was sent holds no sound of a kind that can be decoded."""

    code = "unsupported_media"


class Overloaded(GatewayError):
    """There is no room for another session now."""

    code = "overloaded"


class Draining(Overloaded):
    """The gateway stops: nothing is begun any more, and what goes on comes to its end."""

    code = "draining"


class Lagging(GatewayError):
    """Sound comes faster than it can be decoded, and has for too long."""

    code = "lagging"


class SlowReader(GatewayError):
    """The peer does not read what it is sent."""

    code = "slow_reader"


class SessionNotFound(GatewayError):
    """There is no session that a client can resume with what it said, or none any more."""

    code = "session_not_found"


class ResumedElsewhere(GatewayError):
    """The session goes on over another connection."""

    code = "resumed_elsewhere"


class SessionOpen(GatewayError):
    """The session is not over, and must be for what is wanted."""

    code = "session_open"


class Unavailable(GatewayError):
    """Something that this needs cannot be reached at the moment."""

    code = "unavailable"


class StartTimeout(GatewayError):
    """The peer connected and never said start."""

    code = "start_timeout"


class IdleTimeout(GatewayError):
    """The peer started a session and fell silent."""

    code = "idle_timeout"


class Disconnected(GatewayError):
    """The peer is gone."""

    code = "disconnected"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a peer is told.

    Attributes:
        http_status: where there was no upgrade yet.
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
    Draining: Reply(503, 1012),
    Lagging: Reply(503, 1013),
    SlowReader: Reply(408, 1013),
    SessionNotFound: Reply(404, 1008),
    ResumedElsewhere: Reply(409, 1008),
    SessionOpen: Reply(409, 1008),
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
"""Sessions and files last minutes; asking more often is of no use."""


def reply_to(error: LivecueError) -> Reply:
    """Return what the peer is told of an error: the entry of its nearest ancestor in the table."""
    return next(_REPLIES[kind] for kind in type(error).__mro__ if kind in _REPLIES)


def field_of(error: LivecueError) -> str | None:
    """Return the name of the field that an error is about, or None."""
    return error.field if isinstance(error, InvalidRequest | NotFound | ProtocolError) else None


def error_body(error: LivecueError) -> dict[str, dict[str, object]]:
    """Return the JSON body of an HTTP refusal, in the one shape there is.

    `type` and `param` are what OpenAI's clients read beside `code` and `message`; `details` is an object or null.
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
    """Return the headers of an HTTP refusal: when to ask again, where asking again is of use."""
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
