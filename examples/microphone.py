"""Caption the microphone until Ctrl-C: `pip install 'livecue[mic]'`, `python examples/microphone.py [URL [DEVICE]]`."""

import sys

import anyio

from clients.connection import connect
from clients.interrupts import interruptible, until
from clients.microphone import microphone, microphone_format
from clients.stream import Lost, stream
from gateway.wire import Final, Ready, ServerEvent, Start


def print_words(event: ServerEvent) -> None:
    match event:
        case Ready():
            print("speak; Ctrl-C ends", flush=True)
        case Final(text=text) if text:
            print(text, flush=True)
        case _:
            pass


async def main(url: str = "ws://127.0.0.1:8000", device: str | None = None) -> None:
    start = Start(microphone_format(device), resumable=True)
    lost = Lost(is_live=True, on_change=print)  # the session survives a lost connection, and the audio goes on
    async with interruptible() as has_ended:  # Ctrl-C ends the audio; the last words still come
        audio = until(has_ended, microphone(device, start.audio))
        await stream(lambda: connect(url), start, audio, print_words, lost)


anyio.run(lambda: main(*sys.argv[1:]))
