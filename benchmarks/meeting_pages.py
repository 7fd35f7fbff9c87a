"""The pages of a meeting in Chromium: viewers, and hls.js, which plays a video with the captions of a gateway."""

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import anyio
import av
from playwright.async_api import Browser, Error, Page

from benchmarks.meeting_account import Arrival, Shown
from tests.browsers import opened
from tests.compatibility import NODE_MODULES
from tests.http_server import serving_http
from vad.errors import LivecueError

__all__ = ["PlayerPage", "Video", "ViewerPage", "opened_player", "opened_viewer", "playing_video"]

HLS_JS = NODE_MODULES / "hls.js" / "dist" / "hls.min.js"
"""Where `make test-compat` installs it."""

_SEGMENT_S = 6

_PICTURES = ("-re", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10", "-re", "-f", "lavfi", "-i", "anullsrc=r=44100")
_ENCODED = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "20", "-c:a", "aac", "-b:a", "32k")

_NOTE_PARAGRAPHS = """
  window.noted = [];
  new MutationObserver(() => {
    const count = document.querySelectorAll("#history p").length;
    while (noted.length < count) noted.push(Date.now() / 1000);
  }).observe(document, { childList: true, subtree: true });
"""
"""Notes when each final appears."""

_PARAGRAPHS = """() => [...document.querySelectorAll("#history p")].map((paragraph, number) =>
  [paragraph.querySelector(".words").textContent, noted[number]])"""


@dataclass(frozen=True, slots=True)
class ViewerPage:
    """A viewer."""

    page: Page

    async def finals(self) -> list[Arrival]:
        """Return the text of each final as it stands there now, and when it appeared."""
        return [Arrival(" ".join(text.split()), at_s) for text, at_s in await self.page.evaluate(_PARAGRAPHS)]


@asynccontextmanager
async def opened_viewer(browser: Browser, url: str) -> AsyncIterator[ViewerPage]:
    """Watch a session while the block lasts."""
    async with opened(browser) as page:
        await page.add_init_script(_NOTE_PARAGRAPHS)
        await page.goto(url)
        yield ViewerPage(page)


@dataclass(frozen=True, slots=True)
class Video:
    """A live video, without captions yet.

    Attributes:
        url: of the folder from which it is played.
        folder: the same, here.
    """

    url: str
    folder: Path

    async def epoch_s(self) -> float:
        """Return when its timestamp was 0, in seconds since 1970: its first segment has a date and a timestamp."""
        playlist = self.folder / "video.m3u8"
        while not playlist.exists():  # noqa: ASYNC110  # a process writes it
            await anyio.sleep(0.1)
        dated = re.search(r"PROGRAM-DATE-TIME:(\S+)\n(\S+\.ts)", playlist.read_text())
        assert dated is not None, "ffmpeg dates its segments"
        with av.open(str(self.folder / dated[2])) as segment:
            assert segment.start_time is not None, "its timestamps begin somewhere"
            return datetime.fromisoformat(dated[1]).timestamp() - segment.start_time / av.time_base

    async def until_longer_than(self, seconds: float) -> None:
        """Wait until so much can be played: no player goes further back than the playlist."""
        playlist = self.folder / "video.m3u8"
        while playlist.read_text().count(".ts") * _SEGMENT_S < seconds:  # noqa: ASYNC110  # a process writes it
            await anyio.sleep(0.5)

    def caption(self, url: str) -> str:
        """Join it with the captions of a playlist, and return the URL of a page that plays both."""
        captions = 'TYPE=SUBTITLES,GROUP-ID="captions",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES'
        lines = ["#EXTM3U", f'#EXT-X-MEDIA:{captions},URI="{url}"']
        lines += ['#EXT-X-STREAM-INF:BANDWIDTH=200000,SUBTITLES="captions"', "video.m3u8", ""]
        (self.folder / "main.m3u8").write_text("\n".join(lines))
        return f"{self.url}/player.html"


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def playing_video(folder: Path) -> Iterator[Video]:
    """Encode and serve a live video while the block lasts.

    Raises:
        LivecueError: hls.js is not installed.
    """
    if not HLS_JS.exists():
        raise LivecueError(f"no {HLS_JS}: `make test-compat` installs it")
    shutil.copy(HLS_JS, folder / "hls.js")
    shutil.copy(Path(__file__).with_name("meeting_player.html"), folder / "player.html")
    flags = "program_date_time+delete_segments+temp_file"
    segments = ("-f", "hls", "-hls_time", str(_SEGMENT_S), "-hls_list_size", "20", "-hls_flags", flags)
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *_PICTURES, *_ENCODED, *segments, str(folder / "video.m3u8")]
    encoder = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command
    try:
        with serving_http(partial(_QuietHandler, directory=str(folder))) as url:
            yield Video(url, folder)
    finally:
        encoder.kill()
        encoder.wait()


@dataclass(frozen=True, slots=True)
class PlayerPage:
    """A player."""

    page: Page

    async def shown(self) -> tuple[list[Shown], float, dict[str, int]]:
        """Return the cues that it has displayed, the date of its first picture, and its errors with their numbers."""
        shown, began_s, errors = await self.page.evaluate("[shown, beganS, faults]")
        return [Shown(each["id"], each["dateS"], each["text"]) for each in shown], began_s, errors

    async def until(self, date_s: float, timeout_s: float) -> None:
        """Wait until the picture of a date is displayed, or the time is up: then what follows is missing."""
        timeout_ms = timeout_s * 1_000
        with suppress(Error):
            await self.page.wait_for_function("until => dateS() > until", arg=date_s, timeout=timeout_ms, polling=500)


@asynccontextmanager
async def opened_player(browser: Browser, url: str, behind_s: float) -> AsyncIterator[PlayerPage]:
    """Play a video while the block lasts.

    Args:
        url: of its page.
        behind_s: how far behind the newest picture; 0: as far as hls.js goes by itself.
    """
    async with opened(browser) as page:
        await page.goto(f"{url}?behind={behind_s:g}")
        yield PlayerPage(page)
