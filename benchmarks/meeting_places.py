"""The places to which a meeting's captions go: scripted services behind a network that can be cut, and folders."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from urllib.parse import urlsplit

import anyio

from benchmarks.meeting_account import Arrival, Outage, blocks_of
from tests.browsers import network
from tests.caption_services import teams, youtube, zoom
from tests.obs_server import obs
from tests.sinks import Request, receiving

__all__ = ["Folders", "Place", "open_places", "spaced"]

_SECRET = "a-secret-of-the-meeting"  # noqa: S105  # of a server on loopback

_POLL_S = 0.05
"""Between two looks at what a place has, and so the accuracy of delays."""

_MOST_SEGMENTS = 300
"""Of HLS, in a meeting: half an hour."""


@dataclass(slots=True)
class Place:
    """A place to which a sink sends.

    Attributes:
        name: of the sink.
        url: of the sink.
        keys: returns what the place has, oldest first; a caption that it has twice is there twice.
        set_down: takes it away, or brings it back.
        arrivals: what it had, and when.
        may_lose: whether its sink may drop captions that are late.
        displayed: returns what it displays beside, oldest first: partial cues and corrections.
    """

    name: str
    url: str
    keys: Callable[[], list[str]]
    set_down: Callable[[bool], None]
    may_lose: bool = False
    displayed: Callable[[], list[str]] = list
    arrivals: list[Arrival] = field(default_factory=list)

    async def watch(self) -> None:
        """Note arrivals, until cancelled."""
        while True:
            self.look()
            await anyio.sleep(_POLL_S)

    def look(self) -> None:
        """Note what has arrived."""
        now_s = time()
        self.arrivals += [Arrival(key, now_s) for key in self.keys()[len(self.arrivals) :]]

    async def fail(self, outage: Outage) -> None:
        """Be away during an outage."""
        await anyio.sleep(outage.start_s - time())
        self.set_down(True)
        await anyio.sleep(outage.end_s - time())
        self.set_down(False)


class Folders:
    """The folders of the sinks `file` and `hls`.

    Args:
        root: an empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.notes = root / "notes"
        self.hls = root / "hls"
        for folder in (self.notes, self.hls):
            folder.mkdir()
        self._file_keys: list[str] = []
        self._cue_ids: dict[str, None] = {}
        self._read_ns: dict[Path, int] = {}

    def file_keys(self) -> list[str]:
        """Return the captions of the SubRip file."""
        for path in self.notes.glob("*.srt") if self.notes.is_dir() else ():
            self._file_keys = [spaced(text) for _, text in blocks_of(path.read_text("utf-8"))]
        return self._file_keys

    def cue_ids(self) -> list[str]:
        """Return the ids of all cues that have been in a segment, in the order in which they came."""
        for path in sorted(self.hls.glob("*/captions-*.vtt"), key=lambda path: int(path.stem.rpartition("-")[2])):
            with suppress(FileNotFoundError):  # it was old, and is removed now
                changed_ns = path.stat().st_mtime_ns
                if self._read_ns.get(path) != changed_ns:
                    blocks = path.read_text("utf-8").split("\n\n")[1:]
                    self._read_ns[path] = changed_ns
                    self._cue_ids.update(dict.fromkeys(block.partition("\n")[0] for block in blocks if block.strip()))
        return list(self._cue_ids)

    def set_notes_down(self, is_down: bool) -> None:
        """Put a file in the place of the folder, so that nobody, root included, can write into it; or bring it back."""
        away = self.notes.with_suffix(".away")
        if is_down:
            self.notes.rename(away)
            self.notes.touch()
        else:
            self.notes.unlink()
            away.rename(self.notes)

    def set_hls_down(self, is_down: bool) -> None:
        """Put a folder in the place of each file that would be written, while players read the others; or remove it."""
        names = ["captions.m3u8", *(f"captions-{number}.vtt" for number in range(_MOST_SEGMENTS))]
        for folder in self.hls.iterdir():
            for name in names:
                blocked = folder / f".{name}.new"
                if is_down:
                    with suppress(FileExistsError):
                        blocked.mkdir()
                elif blocked.is_dir():
                    blocked.rmdir()


def spaced(text: str) -> str:
    """Return the words of a text, with one space between two."""
    return " ".join(text.replace("<br>", " ").split())


@asynccontextmanager
async def open_places(root: Path, hls_options: str) -> AsyncIterator[dict[str, Place]]:
    """Run one place for each kind of sink while the block lasts.

    Args:
        root: an empty folder.
        hls_options: of the sink `hls`.
    """
    folders = Folders(root)
    async with AsyncExitStack() as stack:
        made = [
            await _webhook(stack),
            Place("file", f"file://{folders.notes}/{{session}}.srt", folders.file_keys, folders.set_notes_down),
            *[await _service(stack, name) for name in ("zoom", "youtube", "teams")],
            await _obs(stack),
            Place("hls", f"hls://{folders.hls}#{hls_options}", folders.cue_ids, folders.set_hls_down),
        ]
        yield {place.name: place for place in made}


async def _webhook(stack: AsyncExitStack) -> Place:
    """Return a receiver, whose captions are known by the number of their event."""
    url, received = stack.enter_context(receiving())
    way_url, set_down = await _behind_network(stack, url)
    return Place(
        "webhook", f"{way_url}/captions#secret={_SECRET}", lambda: [_event_key(each) for each in received], set_down
    )


def _event_key(request: Request) -> str:
    return str(json.loads(request.body)["data"]["seq"])


async def _service(stack: AsyncExitStack, name: str) -> Place:
    service = stack.enter_context({"zoom": zoom, "youtube": youtube, "teams": teams}[name]())
    way_url, set_down = await _behind_network(stack, service.url)
    return Place(name, f"{name}+{way_url}", lambda: [spaced(text) for text in service.shown], set_down)


async def _obs(stack: AsyncExitStack) -> Place:
    """Return an OBS, whose captions are those of its stream; its text source displays partial cues and corrections."""
    made = await stack.enter_async_context(obs())
    way_url, set_down = await _behind_network(stack, made.url)
    streamed, displayed = (lambda: [spaced(text) for text in made.streamed]), (lambda: list(map(spaced, made.shown)))
    return Place("obs", way_url, streamed, set_down, may_lose=True, displayed=displayed)


async def _behind_network(stack: AsyncExitStack, url: str) -> tuple[str, Callable[[bool], None]]:
    """Return the URL of a server by way of a network, and what cuts that: its connections end, and no other is made."""
    way = await stack.enter_async_context(network(url))

    def set_down(is_down: bool) -> None:
        way.is_down = is_down
        if is_down:
            way.cut()

    return url.replace(f":{urlsplit(url).port}", f":{urlsplit(way.url).port}", 1), set_down
