"""The trace context of a request reaches the tasks that it starts, and no other request."""

from collections.abc import Mapping

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from gateway.http.trace_headers import TraceHeaders
from gateway.request_context import trace_headers

HEADERS = [(b"host", b"example.com"), (b"traceparent", b"00-a-b-01"), (b"tracestate", b"vendor=1")]


async def headers_within(scope: Scope) -> Mapping[str, str]:
    seen: list[Mapping[str, str]] = []

    async def look() -> None:
        seen.append(trace_headers.get())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)

    async def receive() -> dict[str, object]:
        return {}

    async def send(message: object) -> None: ...

    await TraceHeaders(app)(scope, receive, send)
    return seen[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_trace_context_of_a_request_reaches_its_tasks_and_ends_with_it(kind: str) -> None:
    seen = await headers_within({"type": kind, "headers": HEADERS})

    assert seen == {"traceparent": "00-a-b-01", "tracestate": "vendor=1"}
    assert trace_headers.get() == {}


async def test_a_request_without_trace_context_has_none() -> None:
    assert await headers_within({"type": "http", "headers": HEADERS[:1]}) == {}
    assert await headers_within({"type": "lifespan"}) == {}
