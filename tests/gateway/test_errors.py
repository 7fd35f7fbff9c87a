"""The error that a peer receives for each exception."""

from collections.abc import Iterator

import pytest

from decoder.types import EngineBusy, EngineError, ModelError, RequestCancelled
from gateway.errors import (
    ConcurrencyLimited,
    ConfigurationError,
    ForbiddenAddress,
    IdleTimeout,
    InsufficientCredits,
    InsufficientScope,
    InvalidRequest,
    Lagging,
    NotFound,
    Overloaded,
    RateLimited,
    Reply,
    SlowReader,
    StartTimeout,
    Unauthorized,
    error_body,
    error_headers,
    reply_to,
)
from gateway.wire import ProtocolError
from vad.errors import AudioFormatError, DetectorUnavailable, LivecueError

INTERNAL_ERROR_CLOSE = 1011


def tree(root: type[LivecueError] = LivecueError) -> Iterator[type[LivecueError]]:
    yield root
    for branch in root.__subclasses__():
        yield from tree(branch)


# The clients' own errors derive from the same root, but no peer receives them.
GATEWAY_TREE = sorted({kind for kind in tree() if kind.__module__.split(".")[0] != "clients"}, key=lambda k: k.__name__)


def made(kind: type[LivecueError]) -> LivecueError:
    return kind("what went wrong", 1.5) if issubclass(kind, RateLimited) else kind("what went wrong")


def is_close_code_of_a_server(code: int) -> bool:
    """RFC 6455 §7.4: 1005, 1006 and 1015 are never sent, 1010 is the client's."""
    return code in {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014}


@pytest.mark.parametrize("kind", GATEWAY_TREE)
def test_every_error_of_the_tree_has_a_reply(kind: type[LivecueError]) -> None:
    reply = reply_to(made(kind))
    assert 400 <= reply.http_status < 600
    assert is_close_code_of_a_server(reply.close_code)


@pytest.mark.parametrize("kind", GATEWAY_TREE)
def test_every_error_has_a_body_with_its_code_and_message(kind: type[LivecueError]) -> None:
    error = error_body(made(kind))["error"]
    assert (error["code"], error["message"]) == (kind.code, "what went wrong")
    assert error.keys() == {"code", "message", "type", "param", "details"}


@pytest.mark.parametrize(
    ("error", "kind", "param"),
    [
        (InvalidRequest("no", "language"), "invalid_request_error", "language"),
        (ProtocolError("no", "audio"), "invalid_request_error", "audio"),
        (NotFound("no", "model"), "invalid_request_error", "model"),
        (Unauthorized("no"), "authentication_error", None),
        (InsufficientCredits("no"), "insufficient_quota", None),
        (RateLimited("no", 1.5), "rate_limit_error", None),
        (ConcurrencyLimited("no", 1.5), "rate_limit_error", None),
        (InsufficientScope("no"), "permission_error", None),
        (ForbiddenAddress("no"), "permission_error", None),
        (EngineError("no"), "server_error", None),
        (LivecueError("no"), "server_error", None),
    ],
)
def test_a_body_has_the_type_and_the_field_that_openais_clients_read(
    error: LivecueError, kind: str, param: str | None
) -> None:
    body = error_body(error)["error"]
    assert (body["type"], body["param"]) == (kind, param)


def test_a_retry_time_is_in_whole_seconds() -> None:
    assert error_headers(RateLimited("slower", 1.5)) == {"Retry-After": "2"}
    assert error_headers(RateLimited("slower", 0.0)) == {"Retry-After": "1"}
    assert error_headers(Overloaded("full")) == {"Retry-After": "5"}
    assert error_body(RateLimited("slower", 1.5))["error"]["details"] == {"retry_after_s": 2}
    assert error_headers(Unauthorized("who?")) == {}


def test_no_two_errors_name_the_same_code() -> None:
    # An engine that is imported on use says of its services what the gateway says of its callers, with the same codes.
    named = [
        kind for kind in GATEWAY_TREE if "code" in vars(kind) and not kind.__module__.startswith("decoder.engines")
    ]
    codes = [kind.code for kind in named]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (LivecueError(), Reply(500, INTERNAL_ERROR_CLOSE)),
        (DetectorUnavailable(), Reply(500, INTERNAL_ERROR_CLOSE)),
        (ConfigurationError(), Reply(500, INTERNAL_ERROR_CLOSE)),
        (AudioFormatError(), Reply(400, 1007)),
        (EngineError(), Reply(503, INTERNAL_ERROR_CLOSE)),
        (EngineBusy(), Reply(503, INTERNAL_ERROR_CLOSE)),
        (ModelError(), Reply(503, INTERNAL_ERROR_CLOSE)),
        (RequestCancelled(), Reply(503, INTERNAL_ERROR_CLOSE)),
        (ProtocolError("no"), Reply(400, 1008)),
        (Unauthorized(), Reply(401, 1008)),
        (Overloaded(), Reply(503, 1013)),
        (Lagging(), Reply(503, 1013)),
        (SlowReader(), Reply(408, 1013)),
        (StartTimeout(), Reply(408, 1008)),
        (IdleTimeout(), Reply(408, 1008)),
    ],
)
def test_the_reply_is_that_of_the_nearest_ancestor(error: LivecueError, reply: Reply) -> None:
    assert reply_to(error) == reply
