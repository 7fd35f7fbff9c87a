import json

import pytest

from clients.dialects.driver import Failed
from clients.dialects.failures import failure


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"code": "invalid_api_key", "message": "no", "type": "x"}}, Failed("invalid_api_key", "no")),
        ({"error": {"code": None, "type": "server_error", "message": "no"}}, Failed("server_error", "no")),
        ({"error": "no", "code": "busy"}, Failed("busy", "no")),
        ({"err_code": "INVALID_AUTH", "err_msg": "no", "request_id": "r"}, Failed("INVALID_AUTH", "no")),
        ({"code": 17, "message": "no"}, Failed("17", "no")),
        ({"detail": "Not Found"}, Failed("404", "Not Found")),
    ],
)
def test_the_error_in_a_body_gives_code_and_message(body: object, expected: Failed) -> None:
    assert failure(404, json.dumps(body)) == expected


@pytest.mark.parametrize("body", ["<html>proxy</html>", "[1]", '{"detail":[1]}', "[" * 5_000])
def test_another_body_is_the_message_up_to_300_characters(body: str) -> None:
    assert failure(502, body) == Failed("502", body[:300])


def test_without_a_body_the_code_is_explained() -> None:
    assert failure(429, "") == Failed("429", "HTTP 429 Too Many Requests")
    assert failure(1013, "") == Failed("1013", "the server closed the connection with code 1013")
    assert failure(None, "") == Failed("connection_lost", "the connection was lost")


def test_the_reason_of_a_close_frame_is_the_message() -> None:
    assert failure(1013, "the server is full") == Failed("1013", "the server is full")
