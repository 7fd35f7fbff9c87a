"""Stream a recording to a gateway in real time and print its captions: `python examples/stream_file.py FILE [URL]`."""

import sys

import anyio

from clients.connection import connect
from clients.paced_media import MEDIA_FORMAT, MediaFile, paced
from clients.stream import stream
from gateway.wire import SAMPLE_RATE_HZ, CueEvent, CueState, ServerEvent, Start


def print_caption(event: ServerEvent) -> None:
    match event:
        case CueEvent(cue=cue) if cue.state is CueState.FINAL and cue.lines:  # each partial revision is an event too
            print(f"{cue.start_sample / SAMPLE_RATE_HZ:7.2f} s  {' / '.join(cue.lines)}", flush=True)
        case _:
            pass


async def main(path: str, url: str = "ws://127.0.0.1:8000") -> None:
    with MediaFile(path) as media:
        start = Start(MEDIA_FORMAT, language="en")
        await stream(lambda: connect(url), start, paced(media.frames(), speed=1.0), print_caption)


anyio.run(lambda: main(*sys.argv[1:]))
