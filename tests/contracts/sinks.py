"""A place for each kind of sinks, which the contract suite fills, takes down and reads."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import webvtt

from tests.caption_services import Service, teams, youtube, zoom
from tests.obs_server import obs
from tests.sinks import Request, receiving

__all__ = ["PLACES", "Place", "http_place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sink sends.

    Attributes:
        url: of the sink, with all that its kind requires.
        texts: returns the texts of the captions that have arrived, oldest first.
        set_down: takes the place down, or up again.
    """

    url: str
    texts: Callable[[], list[str]]
    set_down: Callable[[bool], None]


Opens = Callable[[Path], AbstractAsyncContextManager[Place]]
"""Opens a place, with a folder of its own."""


def http_place(url: str, text_of: Callable[[Request], str | None]) -> Opens:
    """Return a place of a kind that sends HTTP requests.

    Args:
        url: of the sink, with `{url}` for that of the place.
        text_of: returns the text of a request; None: it has no caption.
    """

    @asynccontextmanager
    async def open_it(folder: Path) -> AsyncIterator[Place]:
        status = [200]
        with receiving(lambda request: (status[0], b"")) as (base, received):
            taken: list[int] = []

            def set_down(is_down: bool) -> None:
                status[0] = 503 if is_down else 200
                taken.append(len(received))

            def texts() -> list[str]:
                found = (text_of(request) for number, request in enumerate(received) if not was_down(number))
                return [text for text in found if text is not None]

            def was_down(number: int) -> bool:
                return sum(mark <= number for mark in taken) % 2 == 1

            yield Place(url.replace("{url}", base), texts, set_down)

    return open_it


def _service(kind: str, serve: Callable[[], AbstractContextManager[Service]]) -> Opens:
    @asynccontextmanager
    async def open_it(folder: Path) -> AsyncIterator[Place]:
        with serve() as service:

            def set_down(is_down: bool) -> None:
                service.failure = 503 if is_down else None

            yield Place(f"{kind}+{service.url}", lambda: service.shown, set_down)

    return open_it


def _webhook_text(request: Request) -> str | None:
    text = json.loads(request.body)["data"].get("text")
    assert text is None or isinstance(text, str)
    return text


def _move_aside(folder: Path, aside: Path, *, is_down: bool) -> None:
    """Have a file in the place of a folder, or the folder again."""
    if is_down:
        folder.mkdir(exist_ok=True)
        folder.rename(aside)
        folder.touch()
    else:
        folder.unlink()
        aside.rename(folder)


@asynccontextmanager
async def _file(folder: Path) -> AsyncIterator[Place]:
    path = folder / "files" / "all.txt"

    def set_down(is_down: bool) -> None:
        _move_aside(path.parent, folder / "aside", is_down=is_down)

    yield Place(f"file://{path}", lambda: path.read_text().splitlines(), set_down)


@asynccontextmanager
async def _obs(folder: Path) -> AsyncIterator[Place]:
    async with obs() as server:

        def set_down(is_down: bool) -> None:
            server.is_down = is_down

        yield Place(server.url, lambda: server.streamed, set_down)


@asynccontextmanager
async def _hls(folder: Path) -> AsyncIterator[Place]:
    files = folder / "hls" / "a"

    def texts() -> list[str]:
        cues = [cue for path in files.glob("*.vtt") for cue in webvtt.read(str(path)).captions]
        return [cue.text for cue in sorted(cues, key=lambda cue: cue.start)]

    def set_down(is_down: bool) -> None:
        _move_aside(files.parent, folder / "aside", is_down=is_down)

    yield Place(f"hls://{files.parent}#target=3600", texts, set_down)


PLACES: dict[str, Opens] = {
    "webhook": http_place("webhook+{url}/#secret=0123456789abcdef", _webhook_text),
    "file": _file,
    "zoom": _service("zoom", zoom),
    "youtube": _service("youtube", youtube),
    "teams": _service("teams", teams),
    "obs": _obs,
    "hls": _hls,
}
