"""Draft an answer at a pause, drop it if speech goes on, give it at the end: `python examples/voice_agent.py FILE`."""

import sys

import anyio

from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.stream import stream
from gateway.wire import Eager, Final, Resumed, ServerEvent, Start


async def main(path: str, url: str = "ws://127.0.0.1:8000") -> None:
    drafts: dict[int, tuple[anyio.CancelScope, anyio.Event]] = {}

    async def answer(text: str, scope: anyio.CancelScope, turn_ended: anyio.Event) -> None:
        with scope:
            await anyio.sleep(0.1)  # your language model
            await turn_ended.wait()
            print(f"agent: you said {text!r}", flush=True)

    def handle(event: ServerEvent) -> None:
        if isinstance(event, Eager | Final) and event.text and event.utterance_id not in drafts:
            drafts[event.utterance_id] = anyio.CancelScope(), anyio.Event()
            tasks.start_soon(answer, event.text, *drafts[event.utterance_id])
        if isinstance(event, Resumed | Final) and event.utterance_id in drafts:
            scope, turn_ended = drafts.pop(event.utterance_id)
            scope.cancel() if isinstance(event, Resumed) else turn_ended.set()

    async with anyio.create_task_group() as tasks:
        with MediaFile(path) as media:
            await stream(lambda: connect(url), Start(MEDIA_FORMAT, eager=True), paced(media.frames(), 1.0), handle)


anyio.run(lambda: main(*sys.argv[1:]))
