"""The caption services, written from their documents: what they require of a request, and what they display."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs

from tests.sinks import Request, receiving

__all__ = ["Service", "teams", "youtube", "zoom"]

Reply = tuple[int, bytes]


@dataclass
class Service:
    """A service.

    Attributes:
        url: that its user copies from it.
        shown: what it displays, oldest first.
        received: all requests.
        failure: the status of all replies; None: requests are answered.
        loses_replies: whether a request is carried out, but answered 504, as by a proxy that has given up.
    """

    url: str = ""
    shown: list[str] = field(default_factory=list)
    received: list[Request] = field(default_factory=list)
    failure: int | None = None
    loses_replies: bool = False


@contextmanager
def zoom() -> Iterator[Service]:
    """A meeting of Zoom, after https://support.zoom.us/hc/en-us/articles/115002212983."""
    service, last = Service(), 0

    def answer(request: Request) -> Reply:
        nonlocal last
        query = parse_qs(request.query)
        if not {"id", "ns", "expire", "signature"} <= query.keys():
            return 403, b"missing parameter"
        if request.method == "GET":
            return (200, str(last).encode()) if request.path == "/closedcaption/seq" else (405, b"")
        if request.path != "/closedcaption" or "seq" not in query:
            return 403, b"missing seq"
        if (
            not re.fullmatch(r"[a-z]{2}-[A-Z]{2}", query["lang"][0])
            or "text/plain" not in request.headers["content-type"]
        ):
            return 400, b""
        number = int(query["seq"][0])
        if number > last:
            assert number == last + 1, "the counter must increase by one between posts of new caption data"
            last = number
            service.shown.append(request.body.decode())
        return 200, b"2026-01-01T00:00:00.000"

    with _serving(service, answer) as url:
        service.url = (
            f"{url}/closedcaption?id=200610693&ns=GZHkEA==&expire=86400&spparams=id%2Cns%2Cexpire&signature=nYtX"
        )
        yield service


@contextmanager
def youtube() -> Iterator[Service]:
    """A live stream of YouTube, after https://support.google.com/youtube/answer/6077032."""
    service, numbers = Service(), list[int]()

    def answer(request: Request) -> Reply:
        query = parse_qs(request.query)
        if request.method != "POST" or request.path != "/closedcaption" or not {"cid", "seq"} <= query.keys():
            return 400, b""
        assert request.headers["content-type"] == "text/plain"
        lines = request.body.decode().split("\n")
        assert lines[-1] == "", "the body ends with a line end"
        number = int(query["seq"][0])
        if numbers and number <= numbers[-1]:
            return 200, b""
        assert not numbers or number == numbers[-1] + 1, "the counter must increase by one"
        numbers.append(number)
        for time, text in zip(lines[:-1:2], lines[1::2], strict=True):
            datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
            service.shown.append(text)
        return 200, datetime.now(UTC).isoformat().encode()

    with _serving(service, answer) as url:
        service.url = f"{url}/closedcaption?cid=abcd-efgh-ijkl-mnop"
        yield service


@contextmanager
def teams() -> Iterator[Service]:
    """A meeting of Microsoft Teams, after "Send real-time captions" of its documentation."""
    service = Service()

    def answer(request: Request) -> Reply:
        query = parse_qs(request.query)
        if request.method != "POST" or not {"meetingid", "token"} <= query.keys():
            return 400, b""
        if query["token"] != ["04751eac"]:
            return 401, b""
        assert "text/plain" in request.headers["content-type"]
        text = request.body.decode()
        assert len(text) <= 120, "limit each request body to 80 to 120 characters"
        service.shown.append(text)
        return 200, b""

    with _serving(service, answer) as url:
        service.url = f"{url}/cartcaption?meetingid=%7b%22tId%22%3a%2272f2%22%7d&token=04751eac"
        yield service


@contextmanager
def _serving(service: Service, answer: Callable[[Request], Reply]) -> Iterator[str]:
    def reply(request: Request) -> Reply:
        if service.failure is not None:
            return service.failure, b""
        answered = answer(request)
        return (504, b"") if service.loses_replies else answered

    with receiving(reply) as (url, service.received):
        yield url
