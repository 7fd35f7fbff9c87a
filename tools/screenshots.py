"""Take the screenshots of the documentation, while the demo's recording is captioned.

The gateway, the browser and its microphone are real; each picture is taken during the same sentence.
"""

import argparse
import asyncio
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser, Page, ViewportSize

from benchmarks.processes import GatewayProcess
from tests.browser.captioning import link_of
from tests.browsers import with_microphone, write_wav
from tests.meeting import TALK, spoken_frames

FOLDER = Path(__file__).parents[1] / "docs"

SENTENCE, WORD = 4, "exhibition"
"""The picture is taken after that number of finals, when the next sentence has reached this word."""

CAPTIONER: ViewportSize = {"width": 1120, "height": 960}
PHONE: ViewportSize = {"width": 375, "height": 667}
PICTURE: ViewportSize = {"width": 960, "height": 540}

_IS_DISPLAYED = """([finals, word]) => document.querySelectorAll("#history p").length >= finals
  && document.querySelector("#now").textContent.includes(word)"""

_COMPOSE = """(sources) => {
  const [phone, overlay] = sources;
  document.body.innerHTML = `<div class="row"><img class="phone" src="${phone}"><div class="picture">
    <img src="${overlay}"></div></div>`;
  return Promise.all([...document.images].map((image) => image.decode()));
}"""

_NAMED = "Object.defineProperty(MediaStreamTrack.prototype, 'label', { get: () => 'Desk microphone' })"
"""In place of the name of Chromium's simulated microphone."""

TITLE = "An evening of readings"

_STYLE = """
body { margin: 0; background: #fff }
.row { display: inline-flex; gap: 24px; align-items: center; padding: 16px }
.phone { border-radius: 28px; border: 8px solid #30343c }
.picture { background: repeating-conic-gradient(#8b93a1 0 25%, #737b89 0 50%) 0 0 / 40px 40px; display: flex }
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `captioner.png` and `watching.png`.

    Args:
        arguments: of the command line.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="output folder; default: docs")
    folder = parser.parse_args(arguments).folder
    for name, picture in asyncio.run(_taken()).items():
        (folder / name).write_bytes(picture)


async def _taken() -> dict[str, bytes]:
    """Return the pictures by file name."""
    with TemporaryDirectory() as scratch, GatewayProcess("--engine", "whisper", "--model", "tiny.en") as gateway:
        recording = write_wav(Path(scratch) / "talk.wav", b"".join(spoken_frames(recording=TALK)))
        async with with_microphone(recording) as browser:
            captioner = await _page(browser, CAPTIONER)
            await captioner.add_init_script(_NAMED)
            await captioner.goto(gateway.url)
            await captioner.fill("#title", TITLE)
            await captioner.select_option("#language", "en")
            await captioner.select_option("#profile", "live")
            await captioner.click("#start")
            link = await link_of(captioner)
            viewer = await _page(browser, PHONE, is_dark=True)
            await viewer.goto(link)
            overlay = await _page(browser, PICTURE)
            await overlay.goto(await link_of(captioner, overlay="1"))
            await captioner.wait_for_function(_IS_DISPLAYED, arg=[SENTENCE, WORD], timeout=60_000)
            pictures = await asyncio.gather(
                captioner.screenshot(), viewer.screenshot(), overlay.screenshot(omit_background=True)
            )
            return {"captioner.png": pictures[0], "watching.png": await _beside(browser, pictures[1], pictures[2])}


async def _page(browser: Browser, size: ViewportSize, *, is_dark: bool = False) -> Page:
    context = await browser.new_context(viewport=size, color_scheme="dark" if is_dark else "light")
    return await context.new_page()


async def _beside(browser: Browser, phone: bytes, overlay: bytes) -> bytes:
    """Return the viewer beside the overlay, which is transparent and gets a checkerboard behind it."""
    page = await browser.new_page(viewport={"width": 1500, "height": 760})
    await page.set_content("<!doctype html><body></body>")
    await page.add_style_tag(content=_STYLE)
    await page.evaluate(_COMPOSE, [_as_data_url(phone), _as_data_url(overlay)])
    return await page.locator(".row").screenshot()


def _as_data_url(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode()


if __name__ == "__main__":
    main()
